"""A run of a spec that includes another one, with files of both, from a folder."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.preparation.prepare import Market, PlanningStore, RunRequest, prepare
from rivya_flows.preparation.spec_file import read_spec
from rivya_flows.store.assets import AssetStore
from rivya_sandbox.renderers.plain import plain
from rivya_sandbox.renderers.request import RenderRequest
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, Studio, studio_at

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


def test_both_specs_run_from_what_was_frozen(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = tmp_path / "specs"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "restyle.yaml").write_text(INNER)
    (folder / "outer.yaml").write_text(OUTER)
    [picture] = plain(RenderRequest("z-image", "image", "a logo", {}, (), 1))
    (folder / "parts" / "logo.png").write_bytes(picture.data)
    studio = studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)
    freeze(studio, folder / "outer.yaml")
    (folder / "parts" / "restyle.yaml").unlink()
    state = asyncio.run(studio.execute("run-1"))
    assert state is not None
    assert state.ended == "completed"
    receipt = studio.receipt("run-1")
    assert {name: one["kind"] for name, one in receipt["outputs"].items()} == {
        "own": "image",
        "made": "image",
    }
    assert [step["id"] for step in receipt["steps"] if step["credits"]] == [
        "still",
        "own__drawn",
        "made__drawn",
    ]


def freeze(studio: Studio, path: Path) -> None:
    prepared = prepare(
        RunRequest(read_spec(path), lambda _: {}),
        Market(shipped(), studio.service.identity, balance=100),
        "run-1",
        PlanningStore(AssetStore((studio.folder / "assets").as_uri(), studio.folder / "copies")),
    )
    with studio.context(Bomb()) as home:
        home.journal.create(prepared.frozen, studio.folder / "runs" / "run-1")
