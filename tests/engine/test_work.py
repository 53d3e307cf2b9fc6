"""Media of one's own in free steps: beside the spec, on the web, or at the service already."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from PIL import Image

from rivya_flows.engine.run import A, Run
from rivya_flows.queue.state import State
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, DirectCalls, KilledError, Studio, studio_at
from support.receipts import check

T = TypeVar("T")
HEAD = "version: 1\nname: own-media\n"
OWN = HEAD + "inputs: {photo: {type: file, kind: image}}\n"
STILL = f"""{HEAD}steps:
  still: {{uses: generate, with: {{model: z-image, prompt: a lamp}}}}
  sent: {{uses: upload, with: {{file: "${{{{ steps.still.asset }}}}"}}}}
outputs: {{url: "${{{{ steps.still.asset.url }}}}", id: "${{{{ steps.sent.id }}}}"}}
"""


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return studio_at(tmp_path / "studio", sandbox.base_url, sandbox.api_key)


@pytest.fixture
def photo(studio: Studio) -> dict[str, Any]:
    """The address and the id of a photo that the service has."""
    studio.run(STILL, "run-before")
    outputs: dict[str, Any] = studio.receipt("run-before")["outputs"]
    return outputs


@pytest.mark.parametrize("named", ["url", "id"])
@pytest.mark.parametrize(
    "step",
    [
        'film: {uses: compose, with: {images: ["${{ inputs.photo }}"]}}',
        'film: {uses: upload, with: {file: "${{ inputs.photo }}"}}',
        'sent: {uses: upload, with: {file: "${{ inputs.photo }}"}}\n'
        '  film: {uses: compose, with: {images: "${{ steps.sent.asset }}"}}',
    ],
    ids=["compose", "upload", "compose of an upload"],
)
def test_file_input_of_a_free_step_may_name_an_address_or_an_upload(
    named: str, step: str, studio: Studio, photo: dict[str, Any]
) -> None:
    state = studio.run(f"{OWN}steps:\n  {step}\n", inputs={"photo": photo[named]})
    assert state.ended == "completed", [item.reason for _, item in state.each()]


def test_composition_takes_files_beside_the_spec_and_on_the_web(
    studio: Studio, photo: dict[str, Any], tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64), (200, 30, 0)).save(tmp_path / "card.png")
    images = f'[card.png, "{photo["url"]}"]'
    text = f"{HEAD}steps:\n  film: {{uses: compose, with: {{images: {images}}}}}\n"
    state = studio.run(text, folder=tmp_path)
    assert state.ended == "completed", [item.reason for _, item in state.each()]


def test_nothing_in_a_list_of_media_is_left_out(studio: Studio, photo: dict[str, Any]) -> None:
    images = '["${{ inputs.photo }}", "${{ steps.still.asset if inputs.photo is none else none }}"]'
    state = studio.run(
        f"""{OWN}steps:
  still: {{uses: generate, with: {{model: z-image, prompt: a lamp}}}}
  again: {{uses: generate, with: {{model: nano-banana-2, prompt: again, references: {images}}}}}
  film: {{uses: compose, with: {{images: {images}}}}}
""",
        inputs={"photo": photo["url"]},
    )
    assert state.ended == "completed", [item.reason for _, item in state.each()]


SPOT = f"""{HEAD}cache: spec
inputs:
  hero: {{type: file, kind: image, default: hero.png}}
steps:
  spot:
    uses: compose
    with:
      clips: [{{media: "${{{{ inputs.hero }}}}", seconds: 1}}, {{media: card.png, seconds: 1}}]
      captions: {{file: words.srt, language: en}}
      overlays: [{{text: Aurora, start: 0, seconds: 1}}]
      formats: ["1:1", "9:16"]
      extras: [poster, gif, srt, clean]
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
    (tmp_path / "words.srt").write_text("1\n00:00:00,200 --> 00:00:01,500\nWake up\n")
    return tmp_path


def test_a_film_in_formats_with_captions_is_composed_and_laid_out(
    studio: Studio, spot_folder: Path
) -> None:
    state = studio.run(SPOT, folder=spot_folder)
    assert state.ended == "completed", [item.reason for _, item in state.each()]
    receipt = studio.receipt("run-1")
    check(receipt)
    spot, cards = (step["items"][0] for step in receipt["steps"])
    assert [*spot["by"], *cards["by"]] == ["1:1", "9:16", "1:1"]
    assert receipt["outputs"]["words"] == "Wake up", spot["captions"]
    assert spot["captions"]["estimated"] is False
    made = {one["sha256"]: one["made_by"] for one in receipt["assets"] if one["made_by"]}
    assert len(made) == 2 * 2 + 2 + 1
    assert all(made[one["sha256"]]["parents"] for one in spot["assets"])
    assert made[cards["assets"][0]["sha256"]]["parents"] == [spot["poster"]["sha256"]]
    again = studio.run(SPOT, "run-2", folder=spot_folder)
    assert [item.cached for _, item in again.each()] == [True, True]


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
    async def twice() -> State | None:
        await studio.start(SPOT, "run-1", folder=spot_folder)
        bomb = Bomb()
        assert await studio.execute("run-1", bomb=bomb, calls=KilledWhileItRenders(bomb)) is None
        return await studio.execute("run-1")

    state = asyncio.run(twice())
    assert state is not None
    assert state.ended == "completed"
    assert [*(studio.folder / "assets" / "incoming").iterdir()] == []
