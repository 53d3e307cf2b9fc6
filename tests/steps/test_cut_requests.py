"""Evaluated arguments of `compose` and `layout`: complete, checked, and with a hash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rivya_cut.terms import FORMATS, RENDERER_VERSION, Format
from rivya_flows.assets import Asset
from rivya_flows.errors import SpecError
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.steps import cut as cut_requests
from rivya_flows.steps.cut import Compose, cut_request
from rivya_flows.steps.request import ItemRequestError
from support.prepared_specs import prepared

FILM = {"kind": "video", "sha256": "a" * 64, "duration_seconds": 4.0}
STILL = {"kind": "image", "sha256": "b" * 64}
VOICE = {"kind": "audio", "sha256": "c" * 64, "duration_seconds": 4.0}
URL = "https://a.example/b.mp4"


def composed(**arguments: Any) -> dict[str, Any]:
    return cut_request(Compose(), arguments, {})[0]


def hashed(**arguments: Any) -> str:
    return cut_request(Compose(), arguments, {})[1]


def test_arguments_have_one_shape_with_all_defaults() -> None:
    made = composed(
        clips=[FILM, URL, {"media": STILL, "seconds": 3}],
        narration=VOICE,
        music={"media": VOICE},
        transition={},
        captions={"text": "Hello"},
        overlays=[{"text": 5}],
        end_card={"title": "Aurora"},
        formats=["9:16"],
        extras=["srt"],
        length="12s",
        **{"for": "tiktok"},
    )
    clip = {"split": "row", "start": 0.0, "speed": 1.0, "volume": 1.0, "motion": "none", "cues": []}
    sound = {"media": VOICE, "role": "speech", "at": 0.0, "start": 0.0, "repeat": False}
    assert json.loads(json.dumps(made)) == {
        "clips": [{**clip, "media": [FILM]}, {**clip, "media": [{"url": URL}]}, {**clip, "media": [STILL], "seconds": 3.0}],
        "narration": sound,
        "music": {**sound, "role": "music", "repeat": True},
        "transition": {"kind": "cut", "seconds": 0.4},
        "captions": {"text": "Hello", "cues": [], "estimated": False, "position": "bottom", "style": "plain", "size": 1.0},
        "overlays": [{"text": "5", "position": "top-right", "start": 0.0, "motion": "fade", "size": 1.0}],
        "end_card": {"title": "Aurora", "seconds": 2.0, "size": 1.0},
        "formats": ["9:16"],
        "for": ["tiktok"],
        "codec": "h264",
        "reframe": "crop",
        "extras": ["srt"],
        "posters": 1,
        "loudness": -16.0,
        "length": 12.0,
    }  # fmt: skip


def test_short_forms_make_the_same_request_as_whole_ones() -> None:
    short = {"clips": STILL, "music": VOICE, "transition": "fade", "captions": "Hi", "audio": VOICE}
    whole = {
        "clips": [{"media": STILL}],
        "music": {"media": VOICE},
        "transition": {"kind": "fade"},
        "captions": {"text": "Hi"},
        "audio": [{"media": VOICE}, None],
    }
    end = {
        "end_card": {"title": "a", "seconds": "1.5s"},
        "overlays": [{"text": "b", "start": "1m"}],
    }
    same = {"end_card": {"title": "a", "seconds": 1.5}, "overlays": [{"text": "b", "start": 60}]}
    assert composed(**short, **end) == composed(**whole, **same)
    assert hashed(**short, **end) == hashed(**whole, **same)


CUE = {"start": 0.5, "end": 1.5, "text": "Hello", "burned_in": True, "words": []}
SPEECH = {"cues": [CUE]}


def test_a_clip_that_a_compose_made_with_speech_has_it_with_its_words() -> None:
    spoken = {**FILM, "speech": SPEECH}
    bare, timed, silent = composed(
        clips=[spoken, {"media": spoken, "start": 1}, {"media": spoken, "speaks": False}]
    )["clips"]
    assert bare["media"] == timed["media"] == silent["media"] == [FILM]
    assert (bare["speaks"], bare["cues"]) == (True, [CUE])
    assert (timed["start"], timed["cues"]) == (1, [CUE])
    assert (silent["speaks"], silent["cues"]) == (False, [])
    assert hashed(clips=spoken) != hashed(clips=FILM)


@pytest.mark.parametrize(
    ("speech", "speaks"),
    [
        ({}, True),
        ({"captioned": True}, True),
        ({"cues": None}, True),
        ({"cues": "Hello"}, True),
        ({"cues": [CUE, CUE]}, True),
        ({"cues": [{**CUE, "end": 0}]}, True),
        ({"cues": [{**CUE, "colour": "red"}]}, True),
        ("Hello", None),
        (None, None),
    ],
)
def test_speech_of_a_foreign_asset_that_is_wrong_refuses_no_clip(speech: Any, speaks: Any) -> None:
    clip, still = composed(clips=[{**FILM, "speech": speech}, {**STILL, "speech": speech}])["clips"]
    assert (clip["media"], clip.get("speaks"), clip["cues"]) == ([FILM], speaks, [])
    assert (still["media"], still.get("speaks")) == ([STILL], None)


def test_captions_of_another_film_have_its_times() -> None:
    output = {"cues": [{**CUE, "burned_in": False}], "estimated": True, "language": "hi"}
    captions = composed(clips=[FILM], captions=output)["captions"]
    assert output.items() <= captions.items()


def test_a_zip_is_a_clip_for_each_place_of_its_lists() -> None:
    def item(asset: Any) -> dict[str, Any]:
        return {"key": "a", "status": "completed" if asset else "failed", "asset": asset}

    rows = {
        "media": [item(STILL), item(None), FILM],
        "narration": [item(VOICE), item(VOICE), item(None)],
        "captions": ["a", "b", None],
    }
    made = composed(clips=[FILM, {"zip": rows, "motion": "push-in"}], captions={})
    beats = [
        FILM,
        {"media": STILL, "narration": VOICE, "captions": "a", "motion": "push-in"},
        {"media": FILM, "motion": "push-in"},
    ]
    assert made == composed(clips=beats, captions={})


def test_a_list_that_many_clips_zip_is_not_written_out_for_each() -> None:
    many = {"zip": {"media": [FILM] * 100_000}}
    with pytest.raises(ItemRequestError, match="write at most 100"):
        composed(clips=[many] * 1_000)


def test_a_list_among_clips_is_its_clips() -> None:
    nested = [STILL, [FILM, None, {"media": FILM, "seconds": 1}], [], STILL]
    flat = [STILL, FILM, {"media": FILM, "seconds": 1}, STILL]
    assert composed(clips=nested) == composed(clips=flat)
    with pytest.raises(ItemRequestError, match="write at most 100"):
        composed(clips=[[FILM] * 60, [FILM] * 60])


def test_nulls_in_lists_and_parts_without_their_medium_are_left_out() -> None:
    nothing = {"media": None, "seconds": 2}
    made = composed(clips=[None, FILM, nothing], overlays=[{"media": None}], music={"media": None})
    assert [clip["media"] for clip in made["clips"]] == [[FILM]]
    assert made["overlays"] == []
    assert "music" not in made


@pytest.mark.parametrize("nothing", [None, "", " "])
def test_a_part_whose_texts_are_all_empty_is_left_out(nothing: str | None) -> None:
    parts: dict[str, Any] = {
        "overlays": [{"text": nothing, "position": "top"}, {"media": STILL, "text": nothing}],
        "end_card": {"title": nothing, "line": nothing, "seconds": 3},
        "captions": {"text": nothing, "position": "top"},
    }
    made = composed(clips=[FILM], **parts)
    assert [one["media"] for one in made["overlays"]] == [STILL]
    assert not {"end_card", "captions"} & made.keys()
    card = composed(clips=[FILM], end_card={"title": "Aurora", "line": nothing})["end_card"]
    assert (card["title"], "line" in card) == ("Aurora", False)


def test_the_cues_of_a_file_and_the_look_of_a_brand_are_passed_on() -> None:
    cue = {"start": 0.0, "end": 1.5, "text": "Hello", "burned_in": False, "words": []}
    look = {"colours": ["#112233"], "font": "poppins"}
    made = composed(clips=[FILM], captions={"file": "a.srt", "cues": [cue]}, look=look)
    assert made["captions"]["cues"] == [cue]
    assert "file" not in made["captions"]
    assert made["look"] == look


def test_a_file_beside_the_spec_is_its_asset() -> None:
    files = {"logo.png": Asset.model_validate(STILL)}
    arguments = {"clips": [FILM], "overlays": [{"media": "logo.png"}]}
    made, request_hash = cut_request(Compose(), arguments, files)
    assert made["overlays"][0]["media"]["sha256"] == STILL["sha256"]
    assert request_hash == hashed(clips=[FILM], overlays=[{"media": STILL}])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"clips": [{"media": FILM, "seconds": 0}]}, r"clips\[0\]\.seconds: 'seconds' must be mor"),
        ({"clips": [{"media": FILM, "second": 1}]}, r"clips\[0\]\.second: unknown key 'second'"),
        ({"clips": [{"media": FILM, "start": 4}]}, r"clips\[0\]\.start: clip 1 starts after the end"),
        ({"clips": [{"media": STILL, "start": 1}]}, r"clips\[0\]\.start: 'start' has no effect"),
        ({"clips": [VOICE]}, r"'clips\[0\]' takes an image or a video, but this is audio"),
        ({"clips": []}, "'clips' is empty"),
        ({"clips": 5}, "'clips"),
        ({"clips": [FILM], "length": "speech"}, "there is no speech to take the length from"),
        ({"clips": [FILM], "length": "long"}, "'long' is not the length of a film"),
        ({"clips": ["a.mp4"]}, r"'clips\[0\]': a path such as 'a.mp4' is not allowed here"),
        ({"clips": [FILM], "narration": STILL}, "'narration' takes audio or a video, but this is an"),
        ({"clips": [{"media": [FILM] * 10}]}, "'media' has 10 items; write at most 9"),
        ({"clips": {"zip": {"media": [FILM, STILL], "chapter": ["One"]}}}, "lists of a zip differ in length: media has 2, chapter has 1"),
        ({"clips": [FILM], "music": {"media": STILL}}, "'music' takes audio or a video, but this"),
        ({"clips": [FILM], "captions": {"text": "Hi"}}, "there is no speech to time the captions"),
        ({"clips": [FILM], "overlays": [{"text": "a" * 201}]}, "the text has 201 characters"),
        ({"clips": [FILM], "reframe": "${{"}, "'reframe' cannot be '"),
    ],
)  # fmt: skip
def test_a_computed_value_that_does_not_fit_is_refused_with_its_place(
    arguments: dict[str, Any], told: str
) -> None:
    with pytest.raises(ItemRequestError, match=told):
        composed(**arguments)


def test_mistakes_are_told_at_once_and_of_very_many_the_first() -> None:
    with pytest.raises(ItemRequestError) as caught:
        composed(clips=[VOICE], formats=["1:7"], overlays=[{}])
    assert all(f"{one}[0]" in str(caught.value) for one in ("clips", "formats", "overlays"))
    with pytest.raises(ItemRequestError) as caught:
        composed(clips=[{"second": n} for n in range(1_000)])
    assert len(str(caught.value)) < 2_000


def test_the_hash_is_of_content_and_not_of_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    known = hashed(clips=[FILM], formats=["9:16"])
    assert known == hashed(clips=[{**FILM, "url": URL}], formats=["9:16"])
    assert known != hashed(clips=[{**FILM, "sha256": "d" * 64}], formats=["9:16"])
    assert known != hashed(clips=[FILM], formats=["1:1"])
    assert known != hashed(clips=[FILM], formats=["9:16"], look={"font": "poppins"})
    assert hashed(clips=[FILM, URL]) == ""
    monkeypatch.setattr(cut_requests, "RENDERER_VERSION", RENDERER_VERSION + 1)
    assert known != hashed(clips=[FILM], formats=["9:16"])


def test_an_overlay_of_an_input_that_is_not_given_is_left_out(tmp_path: Path) -> None:
    spec = json.loads(json.dumps(SPEC))
    spec["inputs"]["logo"] = {"type": "file", "required": False}
    overlay = {"media": "${{ inputs.logo or none }}", "width": 0.2}
    spec["steps"]["spot"]["with"]["overlays"] = [overlay]
    prepared(SpecFile(json.dumps(spec), "spec.yaml", None), {"value": []}, tmp_path)


def test_every_format_has_a_size() -> None:
    assert set(FORMATS) == set(Format.__args__)  # type: ignore[attr-defined]  # of a Literal


SPEC: dict[str, Any] = {
    "version": 1,
    "name": "spot",
    "inputs": {"value": {"type": "list"}},
    "steps": {
        "film": {"uses": "generate", "with": {"model": "veo3-1-lite", "prompt": "a lamp"}},
        "spot": {"uses": "compose", "with": {"clips": ["${{ steps.film.asset }}"]}},
        "card": {"uses": "layout", "with": {"image": URL.replace("mp4", "png")}},
    },
}


@pytest.mark.parametrize(
    ("step", "part", "value", "told"),
    [
        ("spot", {"clips": ["${{ inputs.value[0] }}"] * 2, "transition": {"kind": "fade", "seconds": 5}},
         FILM, "clip 1 is shown for 4 s, which is shorter than its 5 s of transitions; show it longer"),
        ("spot", {"overlays": [{"text": "a", "position": "${{ inputs.value[0] }}"}]}, "middle", "'position' cannot be 'middle'; did you mean 'center'"),
        ("spot", {"overlays": [{"text": "${{ inputs.value[0] }}"}]}, "a" * 201, "201 characters; shorten it to at most 200"),
        ("spot", {"narration": URL.replace("mp4", "mp3"), "captions": {"text": "a", "language": "${{ inputs.value[0] }}"}}, "Say yes to good things " * 9, "to …' is no language; write its code"),
        ("spot", {"overlays": [{"text": "a", "width": "${{ inputs.value[0] }}"}]}, 2, "'width' mus"),
        ("spot", {"formats": ["${{ inputs.value[0] }}"]}, "1:7", "item 1 cannot be '1:7'"),
        ("spot", {"clips": "${{ inputs.value }}"}, {"media": URL, "motion": "x"}, "'motion' cannot"),
        ("spot", {"end_card": "${{ inputs.value[0] }}"}, {"titel": "a"}, "unknown key 'titel'"),
        ("spot", {"overlays": [{"text": "a" * 201 + "${{ steps.film.status }}"}]}, 1, "over 201"),
        ("card", {"formats": "${{ inputs.value }}"}, "1:7", "item 1 cannot be '1:7'"),
        ("card", {"image": "${{ inputs.value[0] }}"}, FILM, "'image' takes an image, but this is"),
    ],
)  # fmt: skip
def test_an_input_that_does_not_fit_is_told_before_anything_is_bought(
    step: str, part: dict[str, Any], value: Any, told: str, tmp_path: Path
) -> None:
    spec = json.loads(json.dumps(SPEC))
    spec["steps"][step]["with"].update(part)
    with pytest.raises(SpecError, match=told):
        prepared(SpecFile(json.dumps(spec), "spec.yaml", None), {"value": [value]}, tmp_path)


@pytest.mark.parametrize(
    "part",
    [
        {"overlays": [{"text": "Sale \U0001f4a1 字"}]},
        {"overlays": [{"text": "a", "start": 4}]},
        {"clips": [FILM, FILM], "transition": {"kind": "fade", "seconds": 5}},
    ],
)
def test_what_a_film_can_be_made_without_fails_nothing_once_media_are_bought(
    part: dict[str, Any],
) -> None:
    made = composed(**{"clips": [FILM], **part})
    assert made.get("overlays", [{}])[0].get("text") == part.get("overlays", [{}])[0].get("text")


@pytest.mark.parametrize("times", [((0, 2), (1, 3)), ((2, 1),), ((2, 3), (0, 1))])
def test_cues_of_an_answer_that_are_not_one_after_the_other_are_refused(
    times: tuple[tuple[float, float], ...],
) -> None:
    cues = [{"start": start, "end": end, "text": "Order today"} for start, end in times]
    with pytest.raises(ItemRequestError, match=r"cue \d overlaps the one before it"):
        composed(clips=[FILM], captions={"cues": cues})
