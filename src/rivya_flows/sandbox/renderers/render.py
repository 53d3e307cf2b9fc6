"""The one door to all renderers."""

from __future__ import annotations

from rivya_flows.sandbox.renderers.order import Order, Rendered
from rivya_flows.sandbox.renderers.plain import plain


def render(order: Order) -> list[Rendered]:
    """The media for an order, equal bytes for an equal order and seed.

    May be called from several threads at once.

    Raises:
        ValueError: A reference cannot be used.
    """
    return plain(order)
