"""Prices that the service has charged."""

from __future__ import annotations

from hypothesis import given, strategies as st

from rivya_flows.queue.state import QuotedPrices, note_price, quoted_price
from rivya_flows.steps.request import PriceClass, PricedBy


@given(
    charged=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 50)), max_size=30),
    asked=st.integers(0, 25),
)
def test_a_text_costs_what_the_next_longer_one_was_charged(
    charged: list[tuple[int, int]], asked: int
) -> None:
    quoted: QuotedPrices = {}
    for length, credits in charged:
        note_price(quoted, PricedBy("speech", length), credits)
    lengths = [length for length, _ in charged if length >= asked]
    expected = max(c for length, c in charged if length == min(lengths)) if lengths else None
    assert quoted_price(quoted, PriceClass(PricedBy("speech", asked), 1, None, False)) == expected
    assert quoted_price(quoted, PriceClass(PricedBy("other", asked), 1, None, False)) is None


def test_the_service_does_not_decide_what_a_function_costs() -> None:
    quoted: QuotedPrices = {}
    note_price(quoted, PricedBy("cut"), 9)
    assert quoted_price(quoted, PriceClass(PricedBy("cut"), 2, 2, True)) == 2
