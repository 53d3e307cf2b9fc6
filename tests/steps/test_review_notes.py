"""A note of a reviewer: what it says about where, and what is text."""

from __future__ import annotations

import pytest

from rivya_flows.receipt.questions import note_place
from rivya_flows.steps.review import read_notes


@pytest.mark.parametrize(
    ("written", "place", "text"),
    [
        ("0:04 the logo is cut", "0:04 ", "the logo is cut"),
        ("12:05 – late", "12:05 ", "late"),
        ("9:16, 0:04 (40%, 62%): too dark", "9:16, 0:04 (40%, 62%) ", "too dark"),
        ("0:04 (40%,162%): too dark", "0:04 (40%, 100%) ", "too dark"),
        ("poster, (40%, 62%): too dark", "poster, (40%, 62%) ", "too dark"),
        ("9:16, (40%, 62%): too dark", "9:16, (40%, 62%) ", "too dark"),
        ("(40%, 62%) too dark", "(40%, 62%) ", "too dark"),
        ("dark, really", "", "dark, really"),
        ("dark, (I think) too", "", "dark, (I think) too"),
        ("(40%): too dark", "", "(40%): too dark"),
        ("0:04", "", "0:04"),
    ],
)
def test_a_note_says_where_by_a_medium_a_time_and_a_point(
    written: str, place: str, text: str
) -> None:
    [note] = read_notes(written)
    assert (note_place(note), note.text) == (place, text)
