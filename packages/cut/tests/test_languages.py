"""Languages as MP4 writes them."""

from __future__ import annotations

import pytest

from rivya_cut.languages import iso_639_2


@pytest.mark.parametrize(
    ("tag", "code"),
    [("hi", "hin"), ("en-GB", "eng"), ("fil", "fil"), ("zh_Hans", "zho"), ("q1", "und"), (None, "und")],
)  # fmt: skip
def test_a_language_has_three_letters(tag: str | None, code: str) -> None:
    assert iso_639_2(tag) == code
