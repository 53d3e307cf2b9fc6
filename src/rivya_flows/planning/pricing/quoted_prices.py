"""Prices that the service has charged in this run; they override the catalogue."""

from __future__ import annotations

from collections.abc import Mapping

from rivya_flows.planning.expansion.item_requests import ItemRequest
from rivya_flows.planning.queue.state import State

QuotedPrices = Mapping[str, Mapping[int, int]]
"""Highest credits charged, by model and parameters, and by billed length of the text."""


def quoted_prices(state: State) -> QuotedPrices:
    """All prices that the service charged in this run."""
    quoted: dict[str, dict[int, int]] = {}
    for _, item in state.each():
        for purchase in item.purchases:
            if purchase.named is not None:
                lengths = quoted.setdefault(purchase.priced_by.model, {})
                length = purchase.priced_by.length
                lengths[length] = max(purchase.named, lengths.get(length, 0))
    return quoted


def quoted_price(quoted: QuotedPrices, request: ItemRequest) -> int | None:
    """What the service charged for such a request; None if it has not yet.

    If the length of the text is billed, the price of the next longer text counts.
    """
    if request.is_function:
        return request.price.max  # the service does not bill it
    asked = request.priced_by
    lengths = quoted.get(asked.model, {})
    enough = [length for length in lengths if length >= asked.length]
    return lengths[min(enough)] if enough else None
