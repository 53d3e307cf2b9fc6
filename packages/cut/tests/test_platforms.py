"""What platforms take of a film."""

from __future__ import annotations

from fractions import Fraction
from typing import get_args

import pytest

from rivya_cut.drawing.parts import middle, safe_area
from rivya_cut.platforms import PLATFORMS, Covered, Frame, bit_rate, fit_rate, too_fast, too_long
from rivya_cut.results import Target
from rivya_cut.terms import Platform

_HIGH = Covered(0.1, 0.4, 0.1, 0.1)


def test_every_platform_has_rules_with_a_source() -> None:
    assert set(PLATFORMS) == set(get_args(Platform))
    assert all(one.sources and one.read for one in PLATFORMS.values())


def test_a_platform_that_takes_no_such_film_is_named() -> None:
    assert list(too_long(PLATFORMS, 60)) == []
    assert list(too_long(("shorts", "youtube"), 200)) == [
        "shorts takes at most 180 s: this film has 200.0"
    ]
    assert list(too_fast(("youtube", "linkedin"), 60)) == [
        "linkedin takes at most 30 frames a second: this film has 60"
    ]


def test_above_30_frames_a_second_a_film_has_half_as_many_bits_again() -> None:
    assert (bit_rate("youtube", 30), bit_rate("youtube", 60)) == (8_000_000, 12_000_000)


@pytest.mark.parametrize(
    ("rate", "fitting"),
    [(Fraction(60_000, 1_001), Fraction(30_000, 1_001)), (40, 30), (25, 25), (12, 24)],
)
def test_a_rate_that_a_platform_does_not_take_is_halved_or_the_nearest(
    rate: Fraction, fitting: Fraction
) -> None:
    assert fit_rate(("tiktok", "linkedin"), Fraction(rate)) == fitting


def test_what_an_app_covers_is_no_safe_area() -> None:
    size = (1000, 2000)
    assert safe_area(Target("tiktok.mp4", size, "tiktok").frame) == (120, 260, 880, 1500)
    assert safe_area(Target("9x16.mp4", size).frame) == (50, 240, 950, 1600)
    assert (middle(Frame(size, _HIGH)), middle(size)) == (700, 1000)
