"""Prices that the service has charged in this run; they override the catalogue."""

from __future__ import annotations

from bisect import bisect_left
from typing import TypeAlias

from rivya_flows.steps.request import PriceClass, PricedBy

QuotedPrices: TypeAlias = dict[str, list[tuple[int, int]]]
"""Highest credits charged, by model and parameters: billed length and credits, shortest first."""


def note_price(quoted: QuotedPrices, by: PricedBy, credits: int) -> None:
    """Adds a price that the service charged."""
    lengths = quoted.setdefault(by.model, [])
    at = bisect_left(lengths, (by.length, 0))
    if at == len(lengths) or lengths[at][0] != by.length:
        lengths.insert(at, (by.length, credits))
    elif lengths[at][1] < credits:
        lengths[at] = (by.length, credits)


def quoted_price(quoted: QuotedPrices, price: PriceClass) -> int | None:
    """What the service charged for such a request; None if it has not yet.

    If the length of the text is billed, the price of the next longer text counts.
    """
    if price.is_function:
        return price.max  # the service does not bill it
    lengths = quoted.get(price.by.model, ())
    at = bisect_left(lengths, (price.by.length, 0))
    return lengths[at][1] if at < len(lengths) else None


def reserve_of(quoted: QuotedPrices, price: PriceClass) -> int:
    """Credits that a purchase reserves: what the service charged before, else the catalogue price."""
    charged = quoted_price(quoted, price)
    if charged is not None:
        return max(price.min, charged)
    return price.min if price.max is None else price.max
