"""What the service has asked in this run so far, by its own word: truer than any catalogue."""

from __future__ import annotations

from collections.abc import Mapping

from rivya_flows.planning.expansion.item_requests import ItemRequest
from rivya_flows.planning.queue.state import State

QuotedPrices = Mapping[str, Mapping[int, int]]
"""By model and by what counts of the text's length: the most credits that were asked."""


def quoted_prices(state: State) -> QuotedPrices:
    """All that was told of purchases of this run."""
    told: dict[str, dict[int, int]] = {}
    for _, item in state.each():
        for purchase in item.purchases:
            if purchase.named is not None:
                lengths = told.setdefault(purchase.priced_by.model, {})
                length = purchase.priced_by.length
                lengths[length] = max(purchase.named, lengths.get(length, 0))
    return told


def quoted_price(told: QuotedPrices, request: ItemRequest) -> int | None:
    """What the service asked for such a request; None where it has not said yet.

    Where the text's length counts, the shortest one that is no shorter than this one tells.
    """
    if request.is_function:
        return request.price.max  # no service has a say in it
    asked = request.priced_by
    lengths = told.get(asked.model, {})
    enough = [length for length in lengths if length >= asked.length]
    return lengths[min(enough)] if enough else None
