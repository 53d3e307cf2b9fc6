"""The effective prompt of a picture."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_sandbox.renderers.idea import imagine
from rivya_sandbox.renderers.request import RenderRequest
from rivya_sandbox.renderers.wording import drawn_prompt, watermark


def request(prompt: str, **params: Any) -> RenderRequest:
    return RenderRequest("z-image", "image", prompt, params, (), 1)


@pytest.mark.parametrize(
    ("params", "prompt"),
    [
        ({}, 'A red lamp, "Aurora"'),
        ({"negative_prompt": "red"}, 'A  lamp, "Aurora"'),
        ({"negative_prompt": "Red, LAMP"}, 'A  , "Aurora"'),
        ({"negative_prompt": "letters"}, 'A red lamp, "Aurora", no lettering'),
        ({"style": "UNKNOWN"}, 'A red lamp, "Aurora"'),
    ],
)
def test_a_negative_prompt_removes_its_words_and_letters(
    params: dict[str, Any], prompt: str
) -> None:
    assert drawn_prompt(request('A red lamp, "Aurora"', **params)) == prompt


@pytest.mark.parametrize("words", ["no lettering", "without any text", "No words"])
def test_a_prompt_that_wants_no_letters_has_no_title(words: str) -> None:
    for prompt in ('A red lamp, "Aurora"', "The Aurora lamp", "A lamp that says Aurora"):
        idea = imagine(drawn_prompt(request(f"{prompt}, {words}, in Porto")), 0)
        assert (idea.title, idea.brand, idea.place) == (None, None, "street")


def test_a_style_adds_a_word() -> None:
    assert drawn_prompt(request("A lamp", style="design")).startswith("A lamp, ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (False, None),
        ("false", None),
        (True, "AI generated"),
        (" Comet ", "Comet"),
        ("x" * 50, "x" * 40),
    ],
)
def test_a_watermark_is_text_or_a_switch(value: object, text: str | None) -> None:
    assert watermark(request("A lamp", watermark=value)) == text
