"""Pieces that wrong specs are built from."""

from __future__ import annotations

HEAD = "version: 1\nname: test\n"
SCRIPT = """\
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: Hi, expect: {visual: string, tags: [string]}}
"""
STILLS = """\
  stills:
    uses: generate
    matrix: {style: [neon, noir]}
    with: {model: z-image, prompt: "a lamp, ${{ matrix.style }}"}
"""
STILL = """\
  still:
    uses: generate
    with: {model: z-image, prompt: a lamp}
"""
INPUTS = """\
inputs:
  product: {type: string, default: lamp}
  styles: {type: list, of: string, default: [neon]}
  photo: {type: file, kind: image, required: false}
  ratio: {type: enum, values: ["1:1", "5:4"], default: "1:1"}
"""
