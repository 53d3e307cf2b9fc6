"""Media of one's own in free steps: beside the spec, on the web, or at the service already."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from PIL import Image

from rivya_flows.engine.run import A, Run
from support.engine_runs import Bomb, DirectCalls, KilledError, Studio
from support.receipts import check

pytestmark = pytest.mark.slow

T = TypeVar("T")
HEAD = "version: 1\nname: own-media\n"
STILL = f"""{HEAD}steps:
  still: {{uses: generate, with: {{model: z-image, prompt: a lamp}}}}
  sent: {{uses: upload, with: {{file: "${{{{ steps.still.asset }}}}"}}}}
outputs: {{url: "${{{{ steps.still.asset.url }}}}", id: "${{{{ steps.sent.id }}}}"}}
"""
NOTHING = "${{ steps.still.asset if inputs.photo is none else none }}"
OWN = f"""{HEAD}inputs: {{photo: {{type: file, kind: image}}}}
steps:
  still: {{uses: generate, with: {{model: z-image, prompt: a lamp}}}}
  sent: {{uses: upload, with: {{file: "${{{{ inputs.photo }}}}"}}}}
  again: {{uses: compose, with: {{clips: "${{{{ steps.sent.asset }}}}"}}}}
  film: {{uses: compose, with: {{clips: ["${{{{ inputs.photo }}}}", card.png, "{NOTHING}"]}}}}
  drawn:
    uses: generate
    with: {{model: nano-banana-2, prompt: a, references: ["${{{{ inputs.photo }}}}", "{NOTHING}"]}}
"""


def test_media_may_be_beside_the_spec_on_the_web_at_the_service_or_nothing(
    studio: Studio, tmp_path: Path
) -> None:
    photo = studio.started(STILL, "run-before")["outputs"]
    Image.new("RGB", (64, 64), (200, 30, 0)).save(tmp_path / "card.png")
    for named in ("url", "id"):
        inputs = {"photo": photo[named]}
        receipt = studio.started(OWN, f"run-{named}", inputs=inputs, folder=tmp_path)
        reasons = [item["reason"] for step in receipt["steps"] for item in step["items"]]
        assert receipt["status"] == "completed", reasons


SPOT = f"""{HEAD}cache: spec
inputs:
  hero: {{type: file, kind: image, default: hero.png}}
steps:
  spot:
    uses: compose
    with:
      clips: [{{media: "${{{{ inputs.hero }}}}", seconds: 0.5}}, {{media: card.png, seconds: 0.5}}]
      captions: {{file: words.srt, language: en}}
      overlays: [{{text: Aurora, start: 0, seconds: 0.5}}]
      formats: ["1:1", "9:16"]
      extras: [poster, srt]
  cards:
    uses: layout
    with: {{image: "${{{{ steps.spot.poster }}}}", overlays: [{{text: Aurora}}], formats: ["1:1"]}}
outputs:
  spot: ${{{{ steps.spot.assets }}}}
  words: ${{{{ steps.spot.captions.cues[0].text }}}}
"""


@pytest.fixture
def spot_folder(tmp_path: Path) -> Path:
    """A folder of a spec, with the files that `SPOT` names."""
    for name, colour in (("hero.png", "teal"), ("card.png", "orange")):
        Image.new("RGB", (64, 64), colour).save(tmp_path / name)
    (tmp_path / "words.srt").write_text("1\n00:00:00,200 --> 00:00:00,800\nWake up\n")
    return tmp_path


def test_a_film_in_formats_with_captions_is_composed_and_laid_out(
    studio: Studio, spot_folder: Path
) -> None:
    receipt = studio.started(SPOT, folder=spot_folder)
    check(receipt)
    spot, cards = (step["items"][0] for step in receipt["steps"])
    assert receipt["status"] == "completed", (spot["reason"], cards["reason"])
    assert [*spot["by"], *cards["by"]] == ["1:1", "9:16", "1:1"]
    assert receipt["outputs"]["words"] == "Wake up", spot["captions"]
    assert spot["captions"]["estimated"] is False
    made = {one["sha256"]: one["made_by"] for one in receipt["assets"] if one["made_by"]}
    assert len(made) == 2 + 1 + 1
    assert all(made[one["sha256"]]["parents"] for one in spot["assets"])
    assert made[cards["assets"][0]["sha256"]]["parents"] == [spot["poster"]["sha256"]]
    again = studio.started(SPOT, "run-2", folder=spot_folder)
    assert [step["status"] for step in again["steps"]] == ["cached", "cached"]


@dataclass
class KilledWhileItRenders(DirectCalls):
    """The process dies in the middle of the first composition."""

    async def __call__(
        self, function: Callable[[Run, A], Awaitable[T]], stage: str, action: A
    ) -> T:
        if stage != "compose":
            return await super().__call__(function, stage, action)

        def die(*_: object) -> None:
            rendering.cancel()

        self.run.rendering = die
        rendering = asyncio.ensure_future(function(self.run, action))
        await asyncio.wait([rendering])
        assert rendering.cancelled()
        self.bomb.exploded = True
        raise KilledError


def test_a_composition_whose_process_died_is_composed_again(
    studio: Studio, spot_folder: Path
) -> None:
    studio.prepared(SPOT.replace(', "9:16"', ""), folder=spot_folder)
    bomb = Bomb()
    dying = KilledWhileItRenders(bomb)
    assert asyncio.run(studio.execute("run-1", bomb=bomb, calls=dying)) is None
    assert studio.executed()["status"] == "completed"
    assert [*(studio.folder / "assets" / "incoming").iterdir()] == []
