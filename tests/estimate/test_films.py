"""How long films will be, and what no font draws, before anything is bought."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.errors import SpecError
from rivya_flows.estimate.estimate import Estimate
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.receipt.phrases import film_length
from rivya_flows.steps.cut_rules import drawn_texts
from support.prepared_specs import prepared

MADE = "${{ steps.films.assets }}"
STILL = "${{ steps.still.asset }}"
BEST = "${{ steps.best.asset }}"
FREE = "${{ steps.free.asset }}"
VOICE = "${{ steps.voice.asset }}"


def spoken(text: str) -> dict[str, Any]:
    with_ = {"model": "elevenlabs-turbo-2-5", "prompt": text, "params": {"voice": "Liam"}}
    return {"uses": "generate", "with": with_}


FILMS = {
    "model": "kling-2-6",
    "prompt": "${{ item }}",
    "references": [STILL],
    "params": {"duration": "${{ inputs.seconds }}"},
}
STEPS: dict[str, Any] = {
    "still": {"uses": "generate", "with": {"model": "z-image", "prompt": "a lamp"}},
    "films": {"uses": "generate", "foreach": ["a", "b"], "with": FILMS},
    "free": {"uses": "generate", "with": {"model": "veo3-1-lite", "prompt": "a lamp"}},
    "line": {"uses": "chat", "with": {"model": "gpt-5-2-chat", "message": "A line"}},
    "voice": spoken("${{ inputs.line }}"),
    "best": {"uses": "pick", "with": {"from": "${{ steps.films.items }}"}},
    "said": spoken("${{ steps.line.text }}"),
}


def planned(
    folder: Path,
    given: dict[str, Any],
    step: dict[str, Any],
    steps: dict[str, Any] = STEPS,
    card: dict[str, Any] | None = None,
    **inputs: Any,
) -> Estimate:
    steps = {**steps, **({"card": card} if card else {})}
    spec = {
        "version": 1,
        "name": "spot",
        "inputs": {
            "seconds": {"type": "integer", "default": 5},
            "line": {"type": "text", "default": "a" * 150},
            "shown": {"type": "number", "default": 2},
        },
        "steps": {**steps, "spot": {"uses": "compose", "with": given, **step}},
    }
    source = SpecFile(json.dumps(spec, ensure_ascii=False), "spec.yaml", None)
    return prepared(source, inputs, folder).estimate


def length(found: Estimate) -> str:
    [spot] = [one for one in found.steps if one.id == "spot"]
    return film_length([item.film for item in spot.items if item.film])


FADE = {"kind": "fade", "seconds": 0.5}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"clips": MADE}, "10 s"),
        ({"clips": MADE, "transition": FADE}, "9.5 s"),
        ({"clips": MADE, "transition": FADE, "end_card": {"title": "Hi"}}, "11.5 s"),
        ({"clips": [FREE] * 2, "transition": FADE}, "a time known in the run"),
        ({"clips": [STILL, "${{ steps.films.by['a'].asset }}"]}, "8 s"),
        ({"clips": [{"media": FREE, "seconds": "${{ inputs.shown }}"}]}, "at most 2 s"),
        ({"clips": [FREE, STILL]}, "at least 3 s"),
        ({"clips": FREE}, "a time known in the run"),
        ({"clips": [STILL] * 2}, "6 s"),
        ({"clips": [STILL], "narration": VOICE}, "as long as the narration, about 10 s"),
        ({"clips": [STILL], "narration": "${{ steps.said.asset }}"}, "as long as the narration, at least 3 s"),
        ({"clips": [STILL] * 4, "narration": VOICE}, "about 12 s"),
        ({"clips": STILL, "audio": VOICE}, "as long as the narration, about 10 s"),
        ({"clips": STILL, "narration": VOICE, "length": "picture"}, "3 s"),
        ({"clips": [STILL] * 4, "narration": VOICE, "length": "speech"}, "as long as the narration, about 10 s"),
        ({"clips": {"media": FREE, "seconds": 4, "speaks": True}, "audio": VOICE}, "as long as the narration, about 10 s"),
        ({"clips": {"media": FREE, "seconds": 4, "speaks": True}, "length": "speech"}, "at most 4 s"),
        ({"clips": {"media": BEST, "seconds": 4}, "audio": VOICE}, "as long as the narration, about 10 s"),
        ({"clips": {"media": BEST, "seconds": 4, "speaks": True}, "audio": VOICE}, "as long as the narration, about 10 s"),
        ({"clips": [STILL, MADE, STILL]}, "16 s"),
        ({"clips": {"media": MADE[:-3] + "[0] }}", "speed": 2}}, "2.5 s"),
        ({"clips": [{"media": STILL, "narration": VOICE}, STILL]}, "about 13 s"),
        ({"clips": [{"media": STILL, "narration": {"media": VOICE, "start": 8}}]}, "about 3 s"),
        ({"clips": [{"media": STILL, "narration": VOICE}, STILL], "length": "speech"}, "about 10 s"),
        ({"clips": [STILL, {"media": STILL, "narration": VOICE, "transition": FADE}]}, "about 13 s"),
        ({"clips": [{"media": STILL, "narration": "${{ steps.said.asset }}"}]}, "at least 3 s"),
        ({"clips": {"zip": {"media": MADE, "narration": [VOICE, None]}}, "transition": FADE}, "about 14.5 s"),
        ({"clips": [STILL, {"media": STILL, "transition": FADE}, STILL]}, "8.5 s"),
        ({"clips": STILL, "audio": [{"media": VOICE, "at": 2}]}, "as long as the narration, about 12 s"),
        ({"clips": STILL, "audio": [{"media": VOICE, "role": "effect", "at": 2}]}, "3 s"),
        ({"clips": STILL, "narration": VOICE, "length": "15s", "end_card": {"title": "a"}}, "15 s"),
    ],
)  # fmt: skip
def test_a_plan_says_how_long_a_film_will_be(
    given: dict[str, Any], words: str, tmp_path: Path
) -> None:
    assert length(planned(tmp_path, given, {})) == words


def test_a_joined_film_is_about_as_long_as_its_spoken_scenes(tmp_path: Path) -> None:
    scene = {"uses": "compose", "with": {"clips": STILL, "narration": VOICE}}
    clips = ["${{ steps.scene.asset }}"] * 2
    steps = {**STEPS, "scene": scene}
    assert length(planned(tmp_path, {"clips": clips}, {}, steps=steps)) == "about 20 s"
    given = {"clips": clips, "audio": "${{ steps.said.asset }}"}
    words = "as long as the narration, at least about 20 s"
    for chosen in ({}, {"length": "speech"}):
        assert length(planned(tmp_path, given | chosen, {}, steps=steps)) == words


def test_the_films_of_a_fan_out_are_as_long_as_their_clips(tmp_path: Path) -> None:
    step = {"foreach": "${{ steps.films.items }}"}
    found = planned(tmp_path, {"clips": ["${{ item.asset }}"]}, step, seconds=10)
    assert length(found) == "10 s"
    document: Any = found.as_json()
    items = document["steps"][-1]["items"]
    assert [item["film"]["seconds"] for item in items] == [{"min": 10.0, "max": 10.0}] * 2
    given = {"clips": [{"media": STILL, "seconds": "${{ item }}"}]}
    assert length(planned(tmp_path, given, {"foreach": [2, 4]})) == "2 to 4 s"


def test_a_clip_that_starts_after_the_end_of_a_film_is_refused_before_anything_is_bought(
    tmp_path: Path,
) -> None:
    late = {"media": "${{ steps.films.assets[0] }}", "start": "${{ inputs.shown }}"}
    planned(tmp_path, {"clips": [late]}, {}, shown=2)
    with pytest.raises(SpecError, match=r"clip 1 starts after the end of its video; write an earl"):
        planned(tmp_path, {"clips": [late]}, {}, shown=30)


def test_a_picture_of_a_layout_is_a_still_in_a_film(tmp_path: Path) -> None:
    clips = [{"media": "${{ steps.card.asset }}", "seconds": 2}]
    card = {"uses": "layout", "with": {"image": STILL, "overlays": [{"text": "Hi"}]}}
    assert length(planned(tmp_path, {"clips": clips}, {}, card=card)) == "2 s"


def test_clips_shorter_than_their_transition_are_refused_before_their_media_are_bought(
    tmp_path: Path,
) -> None:
    given = {"clips": MADE, "transition": {"kind": "fade", "seconds": "${{ inputs.shown }}"}}
    planned(tmp_path, given, {}, shown=5)
    clips = ["${{ steps.films.assets[0] }}", {"media": STILL, "seconds": 1}]
    with pytest.raises(SpecError, match=r"clip 2 is shown for 1 s, which is shorter than its 2 s"):
        planned(tmp_path, {**given, "clips": clips}, {})


@pytest.mark.parametrize(
    "cues", ["茶", [1, None], [{}], [{"text": None}, {"start": 1}], {"text": "茶"}]
)
def test_cues_that_are_wrong_draw_nothing(cues: Any) -> None:
    assert [*drawn_texts({"captions": {"cues": cues}})] == []
    assert [*drawn_texts({"captions": {"text": "茶", "style": "none"}})] == []


def test_characters_that_no_font_has_are_known_before(tmp_path: Path) -> None:
    given = {
        "clips": MADE,
        "narration": VOICE,
        "captions": {"text": "${{ inputs.line }}"},
        "overlays": [{"text": "Sale 🔥 ${{ steps.line.text }}"}, {"text": "ཀ"}],
    }
    found = planned(tmp_path, given, {}, line="Tea བོད")
    film = found.steps[-1].items[0].film
    assert film is not None
    assert film.left_out == "ཀབོད"


def test_a_film_that_a_platform_does_not_take_is_refused_before_anything_is_bought(
    tmp_path: Path,
) -> None:
    given = {"clips": {"media": STILL, "seconds": "${{ inputs.shown }}"}, "for": ["shorts"]}
    planned(tmp_path, given, {}, shown=180)
    with pytest.raises(SpecError, match=r"shorts takes at most 180 s: this film has 181\.0"):
        planned(tmp_path, given, {}, shown=181)


def test_captions_of_a_clip_are_drawn_as_the_film_says(tmp_path: Path) -> None:
    clip = {"media": STILL, "narration": VOICE, "captions": "ཀ"}
    for captions, missing in (({}, "ཀ"), ({"captions": {"style": "none"}}, "")):
        found = planned(tmp_path, {"clips": [clip], **captions}, {})
        [film] = [item.film for step in found.steps for item in step.items if step.id == "spot"]
        assert film is not None
        assert film.left_out == missing


@pytest.mark.parametrize(
    "given",
    [
        {"clips": {"media": STILL, "narration": VOICE}, "overlays": [{"text": "a", "start": 12}]},
        {"clips": {"media": STILL, "narration": VOICE}, "end_card": {"title": "a", "seconds": 60}, "for": "shorts"},
        {"clips": STILL, "audio": [{"media": VOICE, "role": "effect", "at": 9}], "length": "15s"},
        {"clips": STILL, "audio": [{"media": VOICE, "role": "effect", "at": 4}], "end_card": {"title": "a"}},
        {"clips": {"zip": {"media": MADE}, "seconds": 2}, "overlays": [{"text": "a", "start": 3}]},
        {"clips": {"zip": {"media": "${{ steps.free.assets }}"}, "seconds": 2}, "overlays": [{"text": "a", "start": 1.5}]},
    ],
)  # fmt: skip
def test_no_film_is_refused_for_a_length_that_is_an_estimate_or_has_room(
    given: dict[str, Any], tmp_path: Path
) -> None:
    planned(tmp_path, given, {}, line="a" * 2_000 if "for" in given else "a" * 150)


def test_a_film_that_is_no_longer_than_its_end_card_is_refused_before_anything_is_bought(
    tmp_path: Path,
) -> None:
    given = {"clips": STILL, "length": "${{ inputs.shown }}", "end_card": {"title": "Hi"}}
    planned(tmp_path, given, {}, shown=3)
    with pytest.raises(SpecError, match="the end card is as long as the film; make `length` long"):
        planned(tmp_path, given, {}, shown=2)
