"""Values for a schema of names and types."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import given, strategies as st
from PIL import Image

from rivya_sandbox.renderers.chat import reply
from rivya_sandbox.renderers.conversation import SHAPE_INSTRUCTION

SCALARS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}

names = st.text(min_size=1, max_size=12)

kinds = st.recursive(
    st.sampled_from(sorted(SCALARS)),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=1) | st.dictionaries(names, inner, max_size=3)
    ),
    max_leaves=8,
)


def asking(message: str, shape: Any) -> str:
    """A message in the form that the engine sends."""
    return f"{message}\n\n{SHAPE_INSTRUCTION}{json.dumps(shape, separators=(',', ':'))}"


def fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, dict):
        return value.keys() == kind.keys() and all(fits(value[name], kind[name]) for name in kind)
    if isinstance(kind, list):
        return isinstance(value, list) and bool(value) and all(fits(one, kind[0]) for one in value)
    return isinstance(value, SCALARS[kind]) and (kind == "boolean") == isinstance(value, bool)


@given(st.dictionaries(names, kinds, max_size=5), st.text(max_size=60))
def test_an_answer_matches_the_requested_schema_exactly(
    shape: dict[str, Any], message: str
) -> None:
    assert fits(json.loads(reply(asking(message, shape), [])), shape)


def test_numbers_with_commas_stay_whole_and_fill_the_fields_that_ask_for_them() -> None:
    message = "Copy for Pulse One headphones: deep bass, launch price ₹4,999, 20% off"
    shape = {"price": "number", "discount_percent": "integer", "benefits": ["string"]}
    answer = json.loads(reply(asking(message, shape), []))
    assert (answer["price"], answer["discount_percent"]) == (4999, 20)
    assert answer["benefits"] == ["Deep bass", "Launch price ₹4,999", "20% off"]


def test_each_field_gets_a_value_that_fits_its_name() -> None:
    message = (
        "Copy for Kerala houseboat tour for young families: backwaters, two nights, ₹12,500, "
        "book by phone. Tone: playful."
    )
    fields = ("subject_line", "target_audience", "tone", "cta", "alt_text", "tagline_hi", "url")
    answer = json.loads(reply(asking(message, dict.fromkeys(fields, "string")), []))
    assert answer["subject_line"] == "Kerala houseboat tour: backwaters"
    assert answer["target_audience"] == "Young families"
    assert answer["tone"] == "playful"
    assert answer["cta"] == "Book by phone"
    assert answer["alt_text"] == "Kerala houseboat tour, backwaters, two nights"
    assert re.search(r"[\u0900-\u097f]", answer["tagline_hi"])
    assert answer["url"].startswith("https://")
    assert len(set(answer.values())) == len(fields)


def test_each_attached_picture_gets_its_own_score_and_reason(tmp_path: Path) -> None:
    paths = [tmp_path / f"{colour}.png" for colour in ("red", "navy", "olive", "orange")]
    for path in paths:
        Image.new("RGB", (8, 8), path.stem).save(path)
    shape = {"scores": [{"candidate": "integer", "score": "number", "reason": "string"}]}
    message = asking("Score each candidate from 0 to 10.\nCriteria:\n1. sharp\n2. calm", shape)
    scores = json.loads(reply(message, [], paths))["scores"]
    assert [one["candidate"] for one in scores] == [1, 2, 3, 4]
    assert len({one["score"] for one in scores}) == 4
    assert all(3 <= one["score"] <= 9.5 and one["reason"] for one in scores)
    again = json.loads(reply(message, [], paths[::-1]))["scores"]
    assert [one["score"] for one in again] == [one["score"] for one in scores][::-1]


def test_the_fields_of_a_judgement_agree_with_each_other() -> None:
    shape = {
        "verdict": "string",
        "approved": "boolean",
        "needs_redo": "boolean",
        "score": "integer",
        "reason": "string",
        "problems": ["string"],
    }
    for text in ("An oak lamp for quiet evenings", "BUY NOW!!! best lamp ever made, guaranteed"):
        message = f"Score it from 0 to 100; verdict: keep or drop. The line: {text}"
        answer = json.loads(reply(asking(message, shape), []))
        good = answer["score"] >= 56
        assert answer["approved"] is good
        assert answer["needs_redo"] is not good
        assert answer["verdict"] == ("keep" if good else "drop")
        assert good or answer["problems"]
    assert not answer["approved"]


def test_lists_of_maps_have_as_many_entries_as_the_message_asks_for() -> None:
    shape = {
        "scenes": [{"visual": "string", "seconds": "number", "n": "integer"}],
        "tags": ["string"],
    }
    message = (
        "Write a storyboard with 4 scenes and six tags for a 20 second film about Aurora lamp: oak"
    )
    answer = json.loads(reply(asking(message, shape), []))
    assert [scene["seconds"] for scene in answer["scenes"]] == [5, 5, 5, 5]
    assert len({scene["visual"] for scene in answer["scenes"]}) == 4
    assert len(set(answer["tags"])) == 6


def test_a_field_is_in_the_language_that_its_name_or_the_message_says() -> None:
    message = (
        "Write a Hindi slogan for Aurora desk lamp: warm light, oak and brass. "
        "Give the English translation and a cover idea."
    )
    shape = dict.fromkeys(("slogan", "english", "cover"), "string")
    answer = json.loads(reply(asking(message, shape), []))
    assert re.search(r"[\u0900-\u097f]", answer["slogan"])
    assert answer["english"] == "Warm light. Made for you."
    assert answer["cover"].startswith("Close-up of the Aurora desk lamp")


def test_a_field_takes_one_of_the_values_that_the_message_lists() -> None:
    message = "A caption for Aurora lamp: warm light. Mood: one of calm, lively or dark."
    answer = json.loads(reply(asking(message, {"mood": "string"}), []))
    assert answer["mood"] in ("calm", "lively", "dark")
