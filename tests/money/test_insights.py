"""Shares with their intervals: what they say, and when they say nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from rivya_flows.money.insights import LEAST, share_of


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.2129),
        (10, 10, 0.7871, 1.0),
        (5, 10, 0.2693, 0.7307),
        (31, 100, 0.2398, 0.3903),
    ],
)
def test_the_interval_is_that_of_wilson(count: int, n: int, low: float, high: float) -> None:
    found = share_of(count, n)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), abs=2e-4)


@given(st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_lies_in_its_interval_and_too_few_have_none(of: tuple[int, int]) -> None:
    count, n = of
    found = share_of(count, n)
    assert (found is None) == (n < LEAST)
    if found is not None:
        assert 0 <= found.low <= found.share <= found.high <= 1
        assert (found.count, found.n) == of
