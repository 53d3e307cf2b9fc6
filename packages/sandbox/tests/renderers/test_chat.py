"""Chat answers by rules: the brief, the shape that is asked for, the copy."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from jsonschema import Draft202012Validator
from PIL import Image

from rivya_sandbox.renderers.chat import reply
from rivya_sandbox.renderers.conversation import (
    SCHEMA_INSTRUCTION,
    SHAPE_INSTRUCTION,
    parse_message,
    resolve_repeat,
)

ASKED = f'A lamp\n\n{SHAPE_INSTRUCTION}{{"line":"string"}}'
AGAIN = "That answer could not be used: line is missing."


def test_a_message_is_its_words_and_the_shape_of_the_answer() -> None:
    asked = parse_message(ASKED, [("user", "An earlier one"), ("assistant", "Yes.")])
    assert (asked.text, asked.shape) == ("A lamp", {"line": "string"})
    assert asked.earlier == ("An earlier one",)


def test_a_request_to_repeat_is_the_message_that_it_repeats() -> None:
    history = [("user", "Before"), ("user", ASKED), ("assistant", "No."), ("user", AGAIN)]
    asked = parse_message(AGAIN, history)
    assert (asked.text, asked.shape, asked.earlier) == ("A lamp", {"line": "string"}, ("Before",))
    assert resolve_repeat(AGAIN, history) == ASKED


def test_a_request_to_repeat_without_a_message_before_stands_for_itself() -> None:
    assert parse_message(AGAIN, []).text == AGAIN
    assert resolve_repeat(AGAIN, []) == AGAIN


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "mood": {"enum": ["gloomy", "festive"]},
        "score": {"type": "number", "minimum": 11, "maximum": 12},
        "day": {"type": "string", "format": "date"},
        "scenes": {
            "type": "array",
            "minItems": 5,
            "maxItems": 6,
            "items": {
                "type": "object",
                "properties": {
                    "line": {"type": "string", "maxLength": 12},
                    "slogan": {"type": "string", "minLength": 200},
                    "tones": {"type": "array", "items": {"enum": [1, 2]}, "maxItems": 2},
                },
                "required": ["line", "slogan", "tones"],
            },
        },
    },
    "required": ["mood", "score", "day", "scenes"],
}


def test_an_answer_is_inside_the_bounds_of_its_json_schema_also_when_it_is_asked_again() -> None:
    asked = f"Scenes for Aurora desk lamp\n\n{SCHEMA_INSTRUCTION}{json.dumps(SCHEMA)}"
    answer = json.loads(reply(asked, []))
    Draft202012Validator(SCHEMA).validate(answer)
    assert len(answer["scenes"]) == 5
    assert json.loads(reply(AGAIN, [("user", asked), ("assistant", "No.")])) == answer


@pytest.mark.parametrize(
    "schema",
    [{}, {"type": "array"}, {"properties": 5}, {"properties": {"a": {"type": "array", "items": 7, "minItems": "x"}}},
     {"type": "object", "properties": {"a": {"type": "array", "items": {}, "minItems": 10**11}}}],
)  # fmt: skip
def test_a_schema_that_says_nothing_useful_is_answered_too(schema: dict[str, Any]) -> None:
    assert len(reply(f"A lamp {SCHEMA_INSTRUCTION}{json.dumps(schema)}", [])) < 1_000_000


def test_a_broken_or_endless_shape_is_none() -> None:
    for shape in ("{oops", "[1]", "[" * 100_000):
        message = f"A lamp\n\n{SHAPE_INSTRUCTION}{shape}"
        assert parse_message(message, []).shape is None


BRIEF = (
    "Write a shot description and a 12-word narration for Aurora desk lamp: "
    "Warm light, quiet evening, oak and brass"
)
SCALARS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}


def asking(message: str, shape: Any) -> str:
    """A message in the form that the engine sends."""
    return f"{message}\n\n{SHAPE_INSTRUCTION}{json.dumps(shape, separators=(',', ':'))}"


def answered(message: str, shape: Any) -> Any:
    """What is answered in that shape."""
    return json.loads(reply(asking(message, shape), []))


def fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, dict):
        return value.keys() == kind.keys() and all(fits(value[name], kind[name]) for name in kind)
    if isinstance(kind, list):
        return isinstance(value, list) and bool(value) and all(fits(one, kind[0]) for one in value)
    return isinstance(value, SCALARS[kind]) and (kind == "boolean") == isinstance(value, bool)


def product_of(message: str) -> str:
    return str(answered(message, {"headline": "string"})["headline"])


@pytest.mark.parametrize(
    ("message", "product"),
    [
        ("Ad copy for the new Pulse One headphones: deep bass, ₹4,999", "Pulse One headphones"),
        ("An Instagram caption for Instagram about our mango pickle", "Mango pickle"),
        ("Three headlines for an insurance app for young families", "Insurance app"),
        ("A text for a water bottle that keeps drinks cold for 24 hours.", "Water bottle"),
        ("Launch campaign: Nova X smartphone. Audience: students.", "Nova X smartphone"),
        ("Summarise this brief: Electric scooter 'Volt', quiet", "Electric scooter Volt"),
        ("Aurora perfume launch, amber and gold", "Aurora perfume"),
        ("दिवाली पर मिठाई की दुकान के लिए विज्ञापन लिखिए", "मिठाई की दुकान"),
        ("Write a caption for — Aurora desk lamp", "Aurora desk lamp"),
        ("A hook for a fintech app called Paisa: clear, young", "Paisa fintech app"),
        ("Three scenes for a 15 second film about a coffee packet: dark roast", "Coffee packet"),
        ("The brief:\nBrand: Kanchi\nProduct: wedding sari\nTone: calm", "Kanchi wedding sari"),
        ("Rate how well this picture sells Aurora lamp from 0 to 10 and say why", "Aurora lamp"),
        ("Four ideas for a video: 'Warm light for rooms'", "Warm light for rooms"),
        ("Plan a carousel of 5 slides on saving water at home", "Saving water"),
    ],
)
def test_the_product_of_a_message_is_found(message: str, product: str) -> None:
    assert product_of(message) == product


@pytest.mark.parametrize(
    "message",
    [
        "Product: “”, warm light",
        "Product: *\n* lamp",
        "Narration for — the lamp",
        'Caption for "\n"',
        'Write a narration for "": warm light',
        "'*\n*' के लिए कथन लिखिए",
    ],
)
def test_signs_alone_are_not_a_product(message: str) -> None:
    assert "Name a product" in reply(message, [])
    assert "Aurora desk lamp" in reply(message, [("user", BRIEF)])
    shape = dict.fromkeys(("visual", "narration", "caption"), "string")
    assert fits(answered(message, shape), shape)


@pytest.mark.parametrize(
    "message",
    [
        "Copy for Aurora lamp: oak. Give a title, a cover idea and a script. Answer in JSON.",
        "Copy for Aurora lamp: oak. Please include a hook and a body. No hashtags.",
        "You are a writer. Product: Aurora lamp, oak. Keep it short. Each with a prompt.",
        "Copy for Aurora lamp. It is made of oak. The ad should appeal to runners.",
    ],
)
def test_words_to_the_writer_are_not_in_the_copy(message: str) -> None:
    fields = ("title", "tagline", "description", "visual", "cover", "caption")
    answer = answered(message, dict.fromkeys(fields, "string"))
    words = " ".join(answer.values()).lower()
    for told in (
        "give",
        "answer",
        "include",
        "hook",
        "hashtag",
        "keep",
        "prompt",
        "should",
        "title",
    ):
        assert told not in words
    assert "oak" in words


def test_copy_uses_the_product_and_the_words_of_the_brief() -> None:
    answer = answered(BRIEF, {"visual": "string", "narration": "string"})
    assert "Aurora desk lamp" in answer["visual"]
    assert "quiet evening" in answer["visual"]
    assert "Aurora desk lamp" in answer["narration"]
    assert 10 <= len(answer["narration"].split()) <= 13


def test_a_quoted_field_name_is_not_a_product() -> None:
    message = 'दीपशिखा मिठाई के लिए दिवाली की फ़िल्म लिखिए। "visual" अंग्रेज़ी में, "narration" में 15 शब्द।'
    shape = {"visual": "string", "narration": "string", "greeting": "string"}
    answer = answered(message, shape)
    assert "'दीपशिखा मिठाई'" in answer["visual"]
    assert "glowing diyas" in answer["visual"]
    assert "दीपशिखा मिठाई" in answer["narration"]
    assert "दिवाली" in answer["greeting"]


def test_list_items_differ() -> None:
    answer = answered(BRIEF, {"taglines": ["string"], "shots": ["string"]})
    assert len(set(answer["taglines"])) == len(set(answer["shots"])) == 3


def test_an_answer_without_a_schema_says_that_no_model_wrote_it() -> None:
    answer = reply(BRIEF, [])
    assert answer.startswith("[Sandbox answer")
    assert "Aurora desk lamp" in answer


def test_a_follow_up_remembers_the_product() -> None:
    answer = reply("shorter, please", [("user", BRIEF), ("assistant", "Meet it.")])
    assert "Aurora desk lamp" in answer


@pytest.mark.parametrize("message", ["Hi!", "What is the capital of France?", "Make it shorter"])
def test_without_a_product_the_answer_asks_for_one(message: str) -> None:
    answer = reply(message, [])
    assert "Name a product" in answer
    assert "Headline" not in answer


def test_texts_requested_by_name_and_number_are_in_the_answer() -> None:
    answer = reply("Suggest three headlines for Aurora lamp: warm light, oak, brass", [])
    assert answer.count("Headline: ") == 3
    assert "Subject line: " in reply("An email subject line for our summer sale, 50% off", [])


def test_a_broken_shape_is_answered_as_text() -> None:
    assert reply(f"{BRIEF}\n\n{SHAPE_INSTRUCTION}{{oops", []).startswith("[Sandbox answer")


def test_a_rating_without_a_shape_is_a_score_with_its_reason() -> None:
    answer = reply("Rate these from 1 to 5:\n1. Light, gently.\n2. An oak lamp", [])
    note, first, second = answer.splitlines()
    assert note.startswith("[Sandbox answer")
    assert re.match(r"1\. \d(\.\d)? of 5: \w", first)
    assert second.startswith("2. ")


def test_a_request_to_repeat_is_answered_as_the_message_before() -> None:
    first = asking(BRIEF, {"visual": "string"})
    again = "That answer could not be used: visual is missing."
    history = [("user", first), ("assistant", "No idea."), ("user", again), ("assistant", "No.")]
    assert reply(again, history) == reply(first, [])


def test_a_hindi_message_gets_a_hindi_narration() -> None:
    message = "दीपावली सेल के लिए 12 शब्दों का विज्ञापन लिखिए: दीये, रंगोली"
    narration = answered(message, {"narration": "string"})["narration"]
    assert "दीपावली सेल" in narration
    assert not re.search(r"[A-Za-z]", narration)
    assert narration.endswith("।")


@pytest.mark.parametrize("asks", ["in Hindi", "in hi", "in hi-IN", "(language_code: hi-IN)"])
def test_an_english_message_can_ask_for_hindi(asks: str) -> None:
    message = f"A 12-word voiceover {asks} for Monsoon Chai: steam, clay cup"
    spoken = answered(message, {"voiceover": "string"})["voiceover"]
    assert "Monsoon Chai" in spoken
    assert len(re.findall(r"[\u0900-\u097f]+", spoken)) > 4


def test_a_shot_leaves_out_what_a_camera_cannot_see() -> None:
    message = "Copy for a steel bottle: keeps drinks cold, BPA free, ₹999, brushed steel"
    shot = answered(message, {"visual": "string"})["visual"]
    assert "brushed steel" in shot
    assert not re.search(r"₹|free|keeps", shot)


def test_known_details_of_an_english_brief_are_in_its_hindi_copy() -> None:
    message = "A 12-word narration in Hindi for Aurora lamp: Warm light, quiet evening"
    spoken = answered(message, {"narration": "string"})["narration"]
    assert "गुनगुनी रोशनी, शांत शाम" in spoken


names = st.text(min_size=1, max_size=12)
kinds = st.recursive(
    st.sampled_from(sorted(SCALARS)),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=1) | st.dictionaries(names, inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(names, kinds, max_size=5), st.text(max_size=60))
def test_an_answer_matches_the_requested_schema_exactly(
    shape: dict[str, Any], message: str
) -> None:
    assert fits(answered(message, shape), shape)


def test_numbers_with_commas_stay_whole_and_fill_the_fields_that_ask_for_them() -> None:
    message = "Copy for Pulse One headphones: deep bass, launch price ₹4,999, 20% off"
    shape = {"price": "number", "discount_percent": "integer", "benefits": ["string"]}
    answer = answered(message, shape)
    assert (answer["price"], answer["discount_percent"]) == (4999, 20)
    assert answer["benefits"] == ["Deep bass", "Launch price ₹4,999", "20% off"]


def test_each_field_gets_a_value_that_fits_its_name() -> None:
    message = (
        "Copy for Kerala houseboat tour for young families: backwaters, two nights, ₹12,500, "
        "book by phone. Tone: playful."
    )
    fields = ("subject_line", "target_audience", "tone", "cta", "alt_text", "tagline_hi", "url")
    answer = answered(message, dict.fromkeys(fields, "string"))
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
        answer = answered(message, shape)
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
    answer = answered(message, shape)
    assert [scene["seconds"] for scene in answer["scenes"]] == [5, 5, 5, 5]
    assert len({scene["visual"] for scene in answer["scenes"]}) == 4
    assert len(set(answer["tags"])) == 6


def test_a_field_is_in_the_language_that_its_name_or_the_message_says() -> None:
    message = (
        "Write a Hindi slogan for Aurora desk lamp: warm light, oak and brass. "
        "Give the English translation and a cover idea."
    )
    shape = dict.fromkeys(("slogan", "english", "cover"), "string")
    answer = answered(message, shape)
    assert re.search(r"[\u0900-\u097f]", answer["slogan"])
    assert answer["english"] == "Warm light. Made for you."
    assert answer["cover"].startswith("Close-up of the Aurora desk lamp")


def test_a_field_takes_one_of_the_values_that_the_message_lists() -> None:
    message = "A caption for Aurora lamp: warm light. Mood: one of calm, lively or dark."
    answer = answered(message, {"mood": "string"})
    assert answer["mood"] in ("calm", "lively", "dark")
