"""The time axis of a contact sheet: it shows all work, in order, and leaves long pauses out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from rivya_flows.receipt.sheet_time import Axis, Stretch, length, merged, within, without

MOMENTS = st.floats(0, 10**7, allow_nan=False)
STRETCHES = st.lists(st.tuples(MOMENTS, MOMENTS).map(lambda one: (min(one), max(one))), max_size=12)


@given(busy=STRETCHES, moments=st.lists(MOMENTS, min_size=2, max_size=20))
def test_a_later_moment_is_never_further_left_and_all_are_on_the_axis(
    busy: list[Stretch], moments: list[float]
) -> None:
    axis = Axis.of(0, 10**7, busy)
    places = [axis.x(moment) for moment in sorted(moments)]
    assert all(earlier <= later + 1e-6 for earlier, later in pairwise(places))
    assert axis.x(0) == 0
    assert axis.x(10**7) == pytest.approx(100)
    assert axis.x(-5) == axis.x(0)
    assert axis.x(10**9) == axis.x(10**7)


@given(busy=STRETCHES)
def test_no_work_is_left_out_and_what_is_left_out_takes_a_third_at_most(
    busy: list[Stretch],
) -> None:
    axis = Axis.of(0, 10**7, busy)
    assert length(within(merged(busy), axis.gaps)) == 0
    assert sum(axis.x(end) - axis.x(begin) for begin, end in axis.gaps) <= 30 + 1e-6
    assert axis.places[-1] == pytest.approx(100)


@given(busy=STRETCHES, end=st.floats(0, 10**7, allow_nan=False))
def test_ticks_are_few_in_order_and_where_time_is_drawn(busy: list[Stretch], end: float) -> None:
    axis = Axis.of(0, end, busy)
    places = [x for x, _ in axis.ticks()]
    assert 1 <= len(places) <= 7
    assert places == sorted(places)
    assert 0 <= places[0] <= places[-1] <= 100 + 1e-6


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.5, ["0 s", "0.1 s", "0.2 s", "0.3 s", "0.4 s", "0.5 s"]),
        (8, ["0 s", "2 s", "4 s", "6 s", "8 s"]),
        (100, ["0 s", "20 s", "40 s", "60 s", "80 s", "100 s"]),
        (600, ["0 min", "2 min", "4 min", "6 min", "8 min", "10 min"]),
        (4 * 3600, ["0 h", "1 h", "2 h", "3 h", "4 h"]),
        (10 * 86_400, ["0 d", "2 d", "4 d", "6 d", "8 d", "10 d"]),
        (0, ["0 s"]),
    ],
)
def test_ticks_have_the_unit_that_fits_the_length(seconds: float, told: list[str]) -> None:
    assert [text for _, text in Axis.of(50, 50 + seconds, [(50, 50 + seconds)]).ticks()] == told


def test_a_run_that_goes_on_two_days_later_has_room_for_both_parts() -> None:
    day = 86_400.0
    axis = Axis.of(0, 2 * day + 60, [(0, 60), (2 * day, 2 * day + 60)])
    assert axis.gaps == [(60, 2 * day)]
    assert (axis.x(60), axis.x(2 * day)) == (48, 52)
    assert (axis.x(30), axis.x(2 * day + 30)) == (24, 76)
    # Ticks tell the time that is drawn: the second part goes on where the first one ended.
    assert axis.ticks()[-1] == (100, "120 s")


def test_a_short_pause_is_drawn_as_it_is() -> None:
    assert Axis.of(0, 14, [(0, 5), (9, 14)]).gaps == []


def test_stretches_are_joined_cut_and_counted_once() -> None:
    assert merged([(5, 6), (0, 2), (1, 3), (3, 4)]) == [(0, 4), (5, 6)]
    assert without((0, 10), [(2, 3), (8, 20)]) == [(0, 2), (3, 8)]
    assert without((0, 10), [(0, 10)]) == []
    assert length([(0, 2), (5, 6)]) == 3


def test_only_the_longest_idle_stretches_are_left_out() -> None:
    begins = [n * 1000.0 for n in range(40)] + [50_000.0]
    axis = Axis.of(0, 50_001, [(one, one + 1) for one in begins])
    assert len(axis.gaps) == 30
    assert max(end - begin for begin, end in axis.gaps) == 50_000 - 39_001
    assert axis.x(50_001) == pytest.approx(100)
