"""A run of a spec that includes another one, with files of both, from a folder."""

from __future__ import annotations

import asyncio
from pathlib import Path

from PIL import Image

from rivya_flows.receipt.report import write_report
from support.engine_runs import Bomb, Studio

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


MARKET = """\
version: 1
name: market
inputs: {photo: {type: file, kind: image}}
steps:
  posters:
    uses: generate
    foreach: [wide, tall]
    with: {model: nano-banana, prompt: "${{ item }}", references: ["${{ inputs.photo }}"]}
outputs: {posters: "${{ steps.posters.assets }}"}
"""
MARKETS = """\
version: 1
name: launch
steps:
  stills: {uses: generate, foreach: [oslo, bern], with: {model: z-image, prompt: "lamp, ${{ item }}"}}
  market:
    uses: include
    foreach: ${{ steps.stills.items }}
    with: {spec: market.yaml, inputs: {photo: "${{ item.asset }}"}}
outputs: {posters: "${{ steps.market.assets }}"}
"""


def test_campaigns_of_a_list_that_a_step_made_are_bought_once_wherever_the_run_stops(
    studio: Studio, tmp_path: Path
) -> None:
    (tmp_path / "market.yaml").write_text(MARKET)
    smooth = Bomb()
    studio.prepared(MARKETS, "run-smooth", folder=tmp_path)
    whole = studio.executed("run-smooth", bomb=smooth)
    names = ["stills", "market__oslo__posters", "market__bern__posters", "market"]
    assert [step["id"] for step in whole["steps"]] == names
    assert whole["status"] == "completed"
    # The list is known after the second still.
    for number in range(smooth.writes // 2, smooth.writes, 4):
        run_id = f"run-{number}"
        studio.prepared(MARKETS, run_id, folder=tmp_path)
        assert asyncio.run(studio.ends(run_id, bomb=Bomb(write=-number))) is None
        receipt = studio.executed(run_id)
        assert receipt["status"] == "completed"
        assert [step["id"] for step in receipt["steps"]] == names
        assert len(studio.jobs(run_id)) == 6
        assert receipt["credits"]["spent"] == whole["credits"]["spent"]


def test_media_of_a_campaign_bear_its_key(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "market.yaml").write_text(MARKET)
    state = studio.run(MARKETS, folder=tmp_path)
    assert state.ended == "completed"
    with studio.context(Bomb()) as context:
        write_report([*context.journal.entries("run-1")], tmp_path / "out", context.assets)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == [
        f"posters-{place}-{shape}.png" for place in ("bern", "oslo") for shape in ("tall", "wide")
    ]
