"""The brief that is extracted from a message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rivya_sandbox.renderers.chat import reply
from rivya_sandbox.renderers.conversation import SHAPE_INSTRUCTION

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


def fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, dict):
        return value.keys() == kind.keys() and all(fits(value[name], kind[name]) for name in kind)
    if isinstance(kind, list):
        return isinstance(value, list) and bool(value) and all(fits(one, kind[0]) for one in value)
    return isinstance(value, SCALARS[kind]) and (kind == "boolean") == isinstance(value, bool)


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
    assert fits(json.loads(reply(asking(message, shape), [])), shape)


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
    answer = json.loads(reply(asking(message, dict.fromkeys(fields, "string")), []))
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
