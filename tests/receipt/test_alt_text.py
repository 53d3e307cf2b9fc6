"""Media in words: what is seen on each, and how it is called."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_client.mime_types import MediaKind
from rivya_flows.receipt.embedding import alt_text, describe
from rivya_flows.receipt.model import Item, Step
from support.receipts import whole


@pytest.mark.parametrize(
    ("kind", "words", "text"),
    [
        ("image", ("stills", "neon", "A kettle"), "Picture of step stills, neon: A kettle"),
        ("video", ("film",), "Film of step film"),
        ("audio", ("voice", "", "Say\n  hello"), "Sound of step voice: Say hello"),
        ("image", (), "Picture"),
    ],
)
def test_an_alt_says_kind_step_key_and_what_was_asked_for(
    kind: MediaKind, words: tuple[str, ...], text: str
) -> None:
    assert alt_text(kind, *words) == text


@pytest.mark.parametrize(
    ("prompt", "end", "most"),
    [
        ("kettle, " * 100, "kettle, kettle…", 180),
        ("नि" * 500, "नि…", 400),
        ("a" + "\u0301" * 1_000_000, "…", 2_000),
    ],
    ids=["between words", "between letters", "within a letter of endless marks"],
)
def test_a_long_prompt_is_cut(prompt: str, end: str, most: int) -> None:
    text = alt_text("image", "a", "", prompt)
    assert text.endswith(end)
    assert len(text) < most


def test_a_caption_has_step_key_and_price() -> None:
    one = item_of("stills", "A lamp", "1", key="neon", credits=1)
    free = item_of("cut", "", "2", credits=1200)
    assert [one.caption for one in describe([one, free]).values()] == [
        "stills · neon · 1 credit",
        "cut · 1,200 credits",
    ]


def item_of(
    step: str, prompt: str, digit: str, uses: str = "generate", **facts: Any
) -> tuple[Step, Item]:
    asset = {"kind": "image", "mime_type": "image/png", "sha256": digit * 64}
    made_in = Step.model_validate(whole("steps", {"id": step, "uses": uses}))
    item = whole("items", {"prompt": prompt, "assets": [asset], **facts})
    return made_in, Item.model_validate(item)


def test_a_medium_is_named_after_the_campaigns_that_it_is_inside_of() -> None:
    """Two campaigns of a fan-out have a spot each, and one still that both were given."""
    items = [
        item_of("still", "A cup", "9"),
        item_of("spots__uk__spot", "", "1", key="tall"),
        item_of("spots__india__spot", "", "2"),
        *(
            item_of("spots", "", mark, key=key, uses="include")
            for key, mark in [("uk", "1"), ("uk", "9"), ("india", "2"), ("india", "9")]
        ),
    ]
    found = describe(items)
    assert [(one.name, one.key) for one in found.values()] == [
        ("", ""),
        ("uk · tall", "uk · tall"),
        ("india", "india"),
    ]
