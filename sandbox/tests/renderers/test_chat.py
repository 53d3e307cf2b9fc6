"""Chat answers by rules: the shape is always kept, the copy is about the product."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, strategies as st

from rivya_sandbox.renderers.chat import SHAPE_INSTRUCTION, reply

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
names = st.text(min_size=1, max_size=12)
kinds = st.recursive(
    st.sampled_from(sorted(SCALARS)),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=1) | st.dictionaries(names, inner, max_size=3)
    ),
    max_leaves=8,
)


def asking(message: str, shape: Any) -> str:
    """The message as the engine sends it."""
    return f"{message}\n\n{SHAPE_INSTRUCTION}{json.dumps(shape, separators=(',', ':'))}"


def fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, dict):
        return value.keys() == kind.keys() and all(fits(value[name], kind[name]) for name in kind)
    if isinstance(kind, list):
        return isinstance(value, list) and bool(value) and all(fits(one, kind[0]) for one in value)
    return isinstance(value, SCALARS[kind]) and (kind == "boolean") == isinstance(value, bool)


@given(st.dictionaries(names, kinds, max_size=5), st.text(max_size=60))
def test_an_answer_has_exactly_the_asked_shape(shape: dict[str, Any], message: str) -> None:
    assert fits(json.loads(reply(asking(message, shape), [])), shape)


def test_copy_uses_the_product_and_the_words_of_the_brief() -> None:
    answer = json.loads(reply(asking(BRIEF, {"visual": "string", "narration": "string"}), []))
    assert "Aurora desk lamp" in answer["visual"]
    assert "quiet evening" in answer["visual"]
    assert "Aurora desk lamp" in answer["narration"]
    assert 10 <= len(answer["narration"].split()) <= 13


def test_a_hindi_message_gets_a_hindi_narration() -> None:
    message = "दीपावली सेल के लिए 12 शब्दों का विज्ञापन लिखिए: दीये, रंगोली"
    narration = json.loads(reply(asking(message, {"narration": "string"}), []))["narration"]
    assert "दीपावली सेल" in narration
    assert not re.search(r"[A-Za-z]", narration)
    assert narration.endswith("।")


def test_an_english_message_can_ask_for_hindi() -> None:
    message = "A 12-word voiceover in Hindi for Monsoon Chai: steam, clay cup"
    spoken = json.loads(reply(asking(message, {"voiceover": "string"}), []))["voiceover"]
    assert "Monsoon Chai" in spoken
    assert len(re.findall(r"[\u0900-\u097f]+", spoken)) > 4


def test_a_quoted_field_name_is_no_product() -> None:
    message = 'दीपशिखा मिठाई के लिए दिवाली की फ़िल्म लिखिए। "visual" अंग्रेज़ी में, "narration" में 15 शब्द।'
    shape = {"visual": "string", "narration": "string", "greeting": "string"}
    answer = json.loads(reply(asking(message, shape), []))
    assert "'दीपशिखा मिठाई'" in answer["visual"]
    assert "glowing diyas" in answer["visual"]
    assert "दीपशिखा मिठाई" in answer["narration"]
    assert "दिवाली" in answer["greeting"]


def test_list_items_differ() -> None:
    answer = json.loads(reply(asking(BRIEF, {"taglines": ["string"], "shots": ["string"]}), []))
    assert len(set(answer["taglines"])) == len(set(answer["shots"])) == 3


def test_a_free_answer_says_that_no_model_wrote_it() -> None:
    answer = reply(BRIEF, [])
    assert answer.startswith("[Sandbox answer")
    assert "Aurora desk lamp" in answer


def test_a_follow_up_remembers_the_product() -> None:
    answer = reply("shorter, please", [("user", BRIEF), ("assistant", "Meet it.")])
    assert "Aurora desk lamp" in answer


def product_of(message: str) -> str:
    return str(json.loads(reply(asking(message, {"headline": "string"}), []))["headline"])


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
    ],
)
def test_the_product_is_what_the_message_advertises(message: str, product: str) -> None:
    assert product_of(message) == product


@pytest.mark.parametrize("message", ["Hi!", "What is the capital of France?", "Make it shorter"])
def test_without_a_product_the_answer_asks_for_one(message: str) -> None:
    answer = reply(message, [])
    assert "Name a product" in answer
    assert "Headline" not in answer


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
def test_signs_alone_are_no_product(message: str) -> None:
    assert "Name a product" in reply(message, [])
    assert "Aurora desk lamp" in reply(message, [("user", BRIEF)])
    shape = dict.fromkeys(("visual", "narration", "caption"), "string")
    assert fits(json.loads(reply(asking(message, shape), [])), shape)


def test_numbers_with_commas_stay_whole_and_fill_the_fields_that_ask_for_them() -> None:
    message = "Copy for Pulse One headphones: deep bass, launch price ₹4,999, 20% off"
    shape = {"price": "number", "discount_percent": "integer", "benefits": ["string"]}
    answer = json.loads(reply(asking(message, shape), []))
    assert (answer["price"], answer["discount_percent"]) == (4999, 20)
    assert answer["benefits"] == ["Deep bass", "Launch price ₹4,999", "20% off"]


def test_each_field_gets_what_its_name_says() -> None:
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


def test_a_shot_shows_nothing_that_no_camera_sees() -> None:
    message = "Copy for a steel bottle: keeps drinks cold, BPA free, ₹999, brushed steel"
    shot = json.loads(reply(asking(message, {"visual": "string"}), []))["visual"]
    assert "brushed steel" in shot
    assert not re.search(r"₹|free|keeps", shot)


def test_what_is_asked_for_by_name_and_number_is_there() -> None:
    answer = reply("Suggest three headlines for Aurora lamp: warm light, oak, brass", [])
    assert answer.count("Headline: ") == 3
    assert "Subject line: " in reply("An email subject line for our summer sale, 50% off", [])


def test_a_broken_shape_is_answered_as_text() -> None:
    assert reply(f"{BRIEF}\n\n{SHAPE_INSTRUCTION}{{oops", []).startswith("[Sandbox answer")
