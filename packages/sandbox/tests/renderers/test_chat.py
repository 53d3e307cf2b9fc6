"""Chat answers by rules: the shape is always kept, the copy is about the product."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from rivya_sandbox.renderers.chat import reply
from rivya_sandbox.renderers.conversation import SHAPE_INSTRUCTION

BRIEF = (
    "Write a shot description and a 12-word narration for Aurora desk lamp: "
    "Warm light, quiet evening, oak and brass"
)


def asking(message: str, shape: Any) -> str:
    """A message in the form that the engine sends."""
    return f"{message}\n\n{SHAPE_INSTRUCTION}{json.dumps(shape, separators=(',', ':'))}"


def test_copy_uses_the_product_and_the_words_of_the_brief() -> None:
    answer = json.loads(reply(asking(BRIEF, {"visual": "string", "narration": "string"}), []))
    assert "Aurora desk lamp" in answer["visual"]
    assert "quiet evening" in answer["visual"]
    assert "Aurora desk lamp" in answer["narration"]
    assert 10 <= len(answer["narration"].split()) <= 13


def test_a_quoted_field_name_is_not_a_product() -> None:
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
