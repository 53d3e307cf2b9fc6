"""Characters as a reader counts them."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from rivya_flows.media.graphemes import graphemes


@pytest.mark.parametrize(
    ("text", "count"),
    [("Aurora", 6), ("नमस्ते", 3), ("क्षण", 2), ("e\u0301", 1), ("தேநீர்", 3), ("a b", 3), ("", 0)],
)
def test_a_letter_with_its_marks_is_one(text: str, count: int) -> None:
    assert len(graphemes(text)) == count


@given(st.text())
def test_nothing_is_lost(text: str) -> None:
    assert "".join(graphemes(text)) == text
