"""Media that are looked at on this machine: what `inspect` says of them, and what a judge sees of films."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rivya_client.client import RivyaClient
from rivya_flows.engine.files import keep
from rivya_flows.engine.work import inspect_medium
from rivya_flows.errors import MediaError
from rivya_flows.media import decoding
from rivya_flows.queue.actions import Work
from rivya_flows.queue.events import FileUploaded, ItemCompleted, PurchaseIntended
from rivya_flows.store.assets import AssetStore
from support.composed_media import film_of, still, tone
from support.engine_runs import Studio
from support.task_runs import run_of

pytestmark = pytest.mark.slow


def inspected(folder: Path, path: Path, **arguments: Any) -> dict[str, Any]:
    """The outputs of an inspection of a kept file."""
    store = AssetStore((folder / "assets").as_uri(), folder)
    run = run_of(RivyaClient("key"), store, folder)
    media = keep(store, path).as_json()
    given = {"media": media, **arguments}
    return dict(asyncio.run(inspect_medium(run, Work("look", "", "inspect", given))))


def wiped(path: Path) -> Path:
    """Two seconds in which white wipes over black from the left, 4 columns at a time."""
    images = [Image.new("RGB", (96, 64), "black") for _ in range(23)]
    for number, one in enumerate(images, 1):
        one.paste("white", (0, 0, 4 * number, 64))
    return film_of(path, images, 12)


def white_columns(path: Path) -> int:
    with Image.open(path) as picture:
        row = [picture.convert("L").getpixel((x, 32)) for x in range(96)]
    return sum(isinstance(one, int) and one > 128 for one in row)


def test_a_film_gives_its_measures_and_its_first_and_last_frame(tmp_path: Path) -> None:
    found = inspected(tmp_path, wiped(tmp_path / "a.mp4"), frames=3, seconds="2s", aspect="3:2")
    assert (found["ok"], found["faults"], found["reasons"]) == (True, [], [])
    assert (found["width"], found["height"], found["sound"]) == (96, 64, False)
    assert found["seconds"] == pytest.approx(2, abs=0.2)
    assert found["frames"][0] == found["first_frame"]
    assert found["frames"][-1] == found["last_frame"]
    lit = [white_columns(Path(one["path"])) for one in found["frames"]]
    assert lit == pytest.approx([4, 50, 92], abs=6)


def test_what_is_not_as_expected_has_a_name_and_a_reason(tmp_path: Path) -> None:
    path = wiped(tmp_path / "a.mp4")
    found = inspected(tmp_path, path, seconds=5, aspect="1:1", sound=True)
    assert (found["ok"], found["faults"]) == (False, ["silent", "short", "shape"])
    assert found["reasons"][0] == "without a sound track"
    longer = inspected(tmp_path, path, seconds=5, limits={"short": "70%"})
    assert longer["ok"]


def test_a_picture_is_its_own_frame_and_a_sound_has_none(tmp_path: Path) -> None:
    picture = inspected(tmp_path, still(tmp_path / "a.png", (64, 64)))
    assert picture["first_frame"] == picture["last_frame"] == picture["frames"][0]
    assert (picture["seconds"], picture["sound"], picture["faults"]) == (None, None, ["blank"])
    sound = inspected(tmp_path, tone(tmp_path / "a.wav"))
    assert (sound["first_frame"], sound["frames"], sound["width"]) == (None, None, None)
    assert (sound["ok"], sound["sound"]) == (True, True)


CHAIN = """
version: 1
name: chain
cache: spec
inputs: {seconds: {type: number, default: 0.1}}
steps:
  first:
    uses: generate
    with: {model: veo3-1-lite, prompt: A lamp}
  look:
    uses: inspect
    with: {media: "${{ steps.first.asset }}", seconds: "${{ inputs.seconds }}", limits: {frozen: 100%, blank: 100%}}
  second:
    uses: generate
    if: ${{ not ('short' in steps.look.faults) }}
    with: {model: veo3-1-lite, prompt: It goes out, references: ["${{ steps.look.last_frame }}"]}
outputs:
  look: ${{ steps.look.faults }}
"""


def test_a_shot_begins_with_the_last_frame_of_the_one_before(studio: Studio) -> None:
    receipt = studio.started(CHAIN)
    assert receipt["status"] == "completed"
    _, look, second = (step["items"][0] for step in receipt["steps"])
    [frame] = second["parents"]
    assert frame == look["assets"][-1]["sha256"]
    [card] = [one for one in receipt["assets"] if one["sha256"] == frame]
    assert (card["made_by"]["step"], card["made_by"]["credits"]) == ("look", 0)
    again = studio.started(CHAIN, "run-2")
    assert again["credits"]["spent"] == 0, "the frame is the same, and so is the request"


def test_a_shot_that_does_not_fit_keeps_the_next_one_from_being_bought(studio: Studio) -> None:
    receipt = studio.started(CHAIN, inputs={"seconds": 60})
    first, look, second = (step["items"][0] for step in receipt["steps"])
    assert (receipt["credits"]["spent"], second["status"]) == (first["credits"], "skipped")
    [reason] = [one for one in look["faults"] if "asked for" in one]
    assert reason.endswith("and 60 s were asked for")
    assert "short" in receipt["outputs"]["look"]


FILMS = """
version: 1
name: films
steps:
  shots:
    uses: generate
    matrix: {light: [morning, neon, noir]}
    with: {model: veo3-1-lite, prompt: "A lamp, ${{ matrix.light }}"}
  best:
    uses: pick
    with:
      from: ${{ steps.shots.items }}
      mode: judge
      judge: {model: gemini-2-5-flash-chat, criteria: [the lamp is whole], frames: 4}
outputs: {film: "${{ steps.best.asset }}"}
"""


def test_a_judge_sees_films_by_frames_that_are_uploaded_as_pictures(studio: Studio) -> None:
    receipt = studio.started(FILMS)
    assert receipt["status"] == "completed"
    choice = receipt["steps"][1]["items"][0]["choice"]
    assert choice["judge"]["frames"] == 4
    assert [one["key"] for one in choice["candidates"] if one["score"]] == [
        "morning",
        "neon",
        "noir",
    ]
    rows = [row for row in receipt["ledger"] if row["step"] == "best"]
    assert len(rows) == 2, "eight pictures are in one chat"
    sent = [one for one in studio.events() if isinstance(one, FileUploaded)]
    assert {one.media for one in sent} == {"image"}
    assert len({one.source for one in sent}) == 12
    bodies = [json.loads(one.body) for one in studio.events() if isinstance(one, PurchaseIntended)]
    chats = [one for one in bodies if "message" in one]
    assert [len(one["attachments"]) for one in chats] == [8, 4]
    listed = [
        json.loads(line) for one in chats for line in one["message"].split("\n") if line[:2] == '{"'
    ]
    assert [one["pictures"] for one in listed] == [[1, 2, 3, 4], [5, 6, 7, 8], [1, 2, 3, 4]]
    assert listed[0]["seconds"][0] == 0
    assert len(listed[0]["seconds"]) == 4


def test_a_film_without_frames_is_named_as_the_candidate_that_it_is(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = decoding.frames

    async def frames(path: Path, folder: Path, count: int) -> tuple[Path, ...]:
        films = [one for one in studio.events() if isinstance(one, ItemCompleted)]
        [neon] = [one.outputs["asset"] for one in films if one.key == "neon"]
        assert isinstance(neon, dict)
        if path.name.startswith(str(neon["sha256"])):
            raise MediaError(f"{path}: it ends in the middle")
        return await taken(path, folder, count)

    monkeypatch.setattr(decoding, "frames", frames)
    receipt = studio.started(FILMS)
    reason = receipt["steps"][1]["items"][0]["reason"]
    assert reason == "candidate 'neon': no frames can be taken of it: it ends in the middle"
    assert [row["step"] for row in receipt["ledger"]] == ["shots"] * 3
