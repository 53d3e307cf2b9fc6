"""The price of a request as far as the catalogue knows it, in credits.

`base_credits` is the price of the default request. How a price moves with resolution, length
or text is not documented, so anything else is "at least".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rivya_client.catalogue.catalogue import Model, option_text


@dataclass(frozen=True)
class Price:
    """Bounds of a price in credits, both included.

    Attributes:
        max: Greatest, or None if only the service knows it.
    """

    min: int
    max: int | None
    assumption: str

    def __str__(self) -> str:
        return price_of(self.min, self.max)


def price_range(least: int, most: int | None) -> str:
    """``20``, ``0–2``, or ``from 3`` where only the service knows the most."""
    if most is None:
        return f"from {least}"
    return str(least) if least == most else f"{least}–{most}"


def price_of(least: int, most: int | None) -> str:
    """The same with its unit."""
    return f"{price_range(least, most)} credit{'' if least == most == 1 else 's'}"


def price(model: Model, params: Mapping[str, Any], prompt: str | None = None) -> Price:
    """The price of one request.

    A parameter that is not yet known counts as changed, and a `prompt` that is not is None. One that
    the model does not have, or an option of it, is named in the assumption, without a greatest price.

    Source: contract, sections 3.1 and 7.
    """
    base = model.base_credits
    if base is None:
        return Price(0, None, "the service lists no price for this model")
    if model.billing_type == "TOKEN_BASED":
        return Price(0, base, "settled by tokens, up to the reserve of one turn")
    if wrong := "; ".join(_wrong(model, params)):
        return Price(base, None, f"the service may refuse this: {wrong}")
    if model.billing_type == "METERED":
        length = f" ({len(prompt):,} characters)" if prompt else ""
        known = f"only its base price of {price_of(base, base)} is published"
        return Price(base, None, f"metered by length{length}, and {known}")
    if model.billing_type != "FIXED":
        return Price(base, None, f"unknown billing type {model.billing_type!r}")
    changed = [
        param.key
        for param in model.params
        if param.bears_price
        and params.get(param.key) is not None
        and option_text(params[param.key]) != option_text(param.default)
    ]
    if changed:
        return Price(base, None, f"{', '.join(changed)} may change the base price")
    return Price(base, base, "fixed price of the default request")


def _wrong(model: Model, params: Mapping[str, Any]) -> Iterator[str]:
    for key, value in params.items():
        param = model.param(key)
        if param is None:
            if key != "referenceMediaItems" and not model.params_may_go_on:
                yield f"{model.id} has no parameter {key!r}"
        elif param.type == "select" and param.options and isinstance(value, str | int | float):
            names = [voice.name for voice in param.voices]
            if option_text(value) not in (*param.options, *names):
                yield f"{key} cannot be {value!r}"
