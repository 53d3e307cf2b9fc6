"""A run of a spec that includes another one, with files of both, from a folder."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from support.engine_runs import Studio

INNER = """\
version: 1
name: restyle
inputs:
  photo: {type: file, kind: image, default: logo.png}
  style: {type: string, min: 3}
steps:
  drawn:
    uses: generate
    with: {model: nano-banana-2, prompt: "as ${{ inputs.style }}", references: ["${{ inputs.photo }}"]}
outputs:
  picture: ${{ steps.drawn.asset }}
"""
OUTER = """\
version: 1
name: outer
inputs:
  style: {type: string, default: watercolour}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: a lamp}
  own:
    uses: include
    with: {spec: parts/restyle.yaml, inputs: {style: "${{ inputs.style }}"}}
  made:
    uses: include
    with:
      spec: parts/restyle.yaml
      inputs: {style: "${{ inputs.style }}", photo: "${{ steps.still.asset }}"}
outputs:
  own: ${{ steps.own.outputs.picture }}
  made: ${{ steps.made.outputs.picture }}
"""


def test_both_specs_run_from_what_was_frozen(studio: Studio, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "restyle.yaml").write_text(INNER)
    Image.new("RGB", (64, 64), "teal").save(parts / "logo.png")
    studio.prepared(OUTER, folder=tmp_path)
    (parts / "restyle.yaml").unlink()
    receipt = studio.executed()
    assert receipt["status"] == "completed"
    kinds = {name: one["kind"] for name, one in receipt["outputs"].items()}
    assert kinds == {"own": "image", "made": "image"}
    paid = [step["id"] for step in receipt["steps"] if step["credits"]]
    assert paid == ["still", "own__drawn", "made__drawn"]
