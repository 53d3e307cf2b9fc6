"""The picture of what was spent."""

from __future__ import annotations

from datetime import date, timedelta
from xml.etree import ElementTree

import pytest

from rivya_flows.money.spending import chart

_SVG = "{http://www.w3.org/2000/svg}"


def drawn(days: dict[tuple[str, ...], int]) -> tuple[list[str], list[str]]:
    """The names of the bars, from below, and all texts."""
    root = ElementTree.fromstring(chart(days, "Credits"))
    bars = [one.findtext(f"{_SVG}title") or "" for one in root.iter(f"{_SVG}rect")]
    return [one for one in bars if one], [one.text or "" for one in root.iter(f"{_SVG}text")]


def test_a_bar_is_stacked_with_what_spent_most_at_the_bottom() -> None:
    bars, texts = drawn(
        {("2026-11-01", "a"): 2, ("2026-11-01", "b"): 5, ("2026-11-03", "b"): 1_200}
    )
    assert bars == ["2026-11-01 b: 5", "2026-11-01 a: 2", "2026-11-03 b: 1,200"]
    assert {"11-01", "11-02", "11-03", "1,500", "b"} <= set(texts)
    assert texts[0] == "Credits, 2026-11-01 to 2026-11-03 by day, UTC"


@pytest.mark.parametrize(
    ("days", "bar"), [(62, "2026-11-04"), (63, "2026-11-02"), (400, "2026-11-01")]
)
def test_the_longer_the_time_the_longer_the_periods(days: int, bar: str) -> None:
    first = date(2026, 11, 4)
    last = first + timedelta(days=days - 1)
    bars, _ = drawn({(first.isoformat(), "a"): 1, (last.isoformat(), "a"): 1})
    assert bars[0] == f"{bar} a: 1"


def test_names_beyond_the_colours_become_one_and_cannot_be_markup() -> None:
    names = [f"<b>&{n}\x1b" for n in range(12)]
    bars, texts = drawn({("2026-11-01", name): 100 - n for n, name in enumerate(names)})
    assert len(bars) == 8
    assert r"<b>&0\x1b" in texts
    assert bars[-1] == f"2026-11-01 5 others: {sum(100 - n for n in range(7, 12))}"
