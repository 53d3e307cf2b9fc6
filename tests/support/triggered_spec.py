"""A spec that an event starts."""

from __future__ import annotations

SPEC = """\
version: 1
name: NAME
inputs:
  product: {type: string}
  count: {type: integer, default: 1}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: "${{ inputs.product }}"}
deploy:
  - name: on-brief
    triggers:
      - TRIGGER
"""
"""`NAME` and `TRIGGER` are replaced."""
