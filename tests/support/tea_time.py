"""A spec with one still of a product."""

from __future__ import annotations

SPEC = """\
version: 1
name: tea-time
inputs:
  product: {type: string, default: Lamp}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: "${{ inputs.product }}"}
outputs:
  still: ${{ steps.still.asset }}
"""
