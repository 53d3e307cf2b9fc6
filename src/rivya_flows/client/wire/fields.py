"""Fields of answers with their bounds: what is odd is not told, and nothing is without a size."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

MAX_ID_LENGTH = 512
"""Characters of an id; it stands in addresses, columns of databases and lines of logs."""

MAX_WORD_LENGTH = 1_000
"""Characters of a name, a date or another short text."""

MAX_SENTENCE_LENGTH = 2_000
"""Characters of the service's own words that are kept."""

MAX_URL_LENGTH = 8_192
"""Characters of an address of a file."""

MAX_CREDITS = 10**9
"""A cost or price above this is none."""

_EXACT = 2**53
"""Beyond this JSON does not tell two whole numbers apart."""


def is_id(value: Any) -> bool:
    """Whether a value can be an id: 1 to `MAX_ID_LENGTH` characters, each of them printable.

    In an address the names ``.`` and ``..`` mean another path, however they are quoted.
    """
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_ID_LENGTH
        and value.isprintable()
        and value not in (".", "..")
    )


def _checked_id(value: str) -> str:
    if not is_id(value):
        raise ValueError(f"is not an id of 1 to {MAX_ID_LENGTH} printable characters")
    return value


def _cut(text: str) -> str:
    # No database takes NUL in a text.
    return text[:MAX_SENTENCE_LENGTH].replace("\0", "\ufffd")


def _number(value: Any) -> Any:
    """Credits as a number, also where they are text, as decimals often are."""
    if isinstance(value, bool):
        return None
    try:
        number = Decimal(value) if isinstance(value, str) else Decimal(repr(value))
        # Rounding errors of binary fractions are not credits.
        return round(number, 6) if number.is_finite() else None
    except (InvalidOperation, TypeError, ValueError):
        return value


def _round_up(value: Any) -> Any:
    """A cost is never shown smaller than it was."""
    number = _number(value)
    return math.ceil(number) if isinstance(number, Decimal) else number


def _round_down(value: Any) -> Any:
    """A balance is never shown larger than it is."""
    number = _number(value)
    return math.floor(number) if isinstance(number, Decimal) else number


Id = Annotated[str, AfterValidator(_checked_id)]
Word = Annotated[str, Field(max_length=MAX_WORD_LENGTH)]
Sentence = Annotated[str, AfterValidator(_cut)]
Address = Annotated[str, Field(max_length=MAX_URL_LENGTH)]
Count = Annotated[int, Field(ge=0, le=_EXACT)]
Seconds = Annotated[float, Field(ge=0, le=_EXACT, allow_inf_nan=False)]
Price = Annotated[float, Field(ge=0, le=MAX_CREDITS, allow_inf_nan=False)]
Cost = Annotated[int, BeforeValidator(_round_up), Field(ge=0, le=MAX_CREDITS)]
Balance = Annotated[int, BeforeValidator(_round_down), Field(ge=-_EXACT, le=_EXACT)]
