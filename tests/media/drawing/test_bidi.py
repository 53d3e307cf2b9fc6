"""The order in which the characters of a line are seen."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from rivya_flows.media.drawing.bidi import levels, right_to_left, visual_order


def seen(text: str) -> str:
    return "".join(text[at] for at in visual_order(levels(text)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tea 100%", "Tea 100%"),
        ("אבג", "גבא"),
        ("tea אבג!", "tea גבא!"),
        ("אבג tea!", "!tea גבא"),
        ("אב 12:30 ג", "ג 12:30 בא"),
        ("אב ₹1,000", "₹1,000 בא"),
        ("tea 12 אב 34", "tea 12 34 בא"),
    ],
)
def test_a_line_is_seen_as_the_bidirectional_algorithm_says(text: str, expected: str) -> None:
    assert seen(text) == expected


@given(st.text("ab אב12٤, %(₹\n"))
def test_every_character_is_seen_once(text: str) -> None:
    assert sorted(visual_order(levels(text))) == list(range(len(text)))


def test_the_first_letter_sets_the_direction() -> None:
    assert right_to_left("12 שלום Aurora")
    assert not right_to_left("Aurora שלום")
    assert not right_to_left("12")
