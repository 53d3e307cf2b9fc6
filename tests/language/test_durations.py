"""Durations as text and as numbers."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_cut.durations import respell
from rivya_flows.language.field_types import seconds


@pytest.mark.parametrize(
    ("written", "length"),
    [("90s", 90), ("15m", 900), ("48h", 172_800), ("1h30m", 5_400), ("2d", 172_800), ("1.5h", 5_400),
     ("PT15M", 900), ("P1DT2H", 93_600), (30, 30), (0.5, 0.5), ("250ms", 0.25)],
)  # fmt: skip
def test_duration_in_seconds(written: Any, length: float) -> None:
    assert seconds(written) == length


@pytest.mark.parametrize("written", ["", "soon", "15", "m15", "0s", -1, "15 m", "P", "PT", "900d"])
def test_text_that_is_not_a_duration_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(written)


def test_units_are_respelled() -> None:
    meant = {"20 min": "20m", "1 hour and 30 minutes": "1h30m", "2 Hours, 5 secs": "2h5s", "1.5 h": "1.5h",
             "5 moons": None, "30 minutes 1 hour": None, "5 m 5 m": None, "about 5 m": None, "5": None, "": None}  # fmt: skip
    assert {text: respell(text) for text in meant} == meant
