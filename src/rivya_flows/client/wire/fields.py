"""Types of fields of answers, each with a bound."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

MAX_ID_LENGTH = 512
"""Characters of an id; ids appear in addresses, database columns and log lines."""

MAX_WORD_LENGTH = 1_000
"""Characters of a name, a date or another short string."""

MAX_SENTENCE_LENGTH = 2_000
"""Characters of a message of the service; longer ones are cut."""

MAX_URL_LENGTH = 8_192
"""Characters of an address of a file."""

MAX_CREDITS = 10**9
"""A higher cost or price is not valid."""

_EXACT = 2**53
"""JSON does not distinguish larger whole numbers."""


def is_id(value: Any) -> bool:
    """Whether a value is a valid id: 1 to `MAX_ID_LENGTH` printable characters.

    ``.`` and ``..`` are not: in an address they mean another path, however they are quoted.
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
    # No database accepts NUL in a string.
    return text[:MAX_SENTENCE_LENGTH].replace("\0", "\ufffd")


def _number(value: Any) -> Any:
    """Credits as a number; decimals are often sent as strings."""
    if isinstance(value, bool):
        return None
    try:
        number = Decimal(value) if isinstance(value, str) else Decimal(repr(value))
        # Rounding errors of binary fractions are not credits.
        return round(number, 6) if number.is_finite() else None
    except (InvalidOperation, TypeError, ValueError):
        return value


def _round_up(value: Any) -> Any:
    """A cost is never shown too small."""
    number = _number(value)
    return math.ceil(number) if isinstance(number, Decimal) else number


def _round_down(value: Any) -> Any:
    """A balance is never shown too large."""
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
