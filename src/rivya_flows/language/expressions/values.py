"""Values of expressions: their kinds, their text form and their size limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, TypeGuard

from rivya_flows.assets import as_asset
from rivya_flows.errors import RivyaError
from rivya_flows.language.wording import an

MAX_BYTES = 1 << 20
"""Size of the result of one expression, in bytes of UTF-8."""

MAX_MEMBERS = 100_000
"""Values inside the result of one expression, all levels counted."""


class ExpressionError(RivyaError):
    """An expression is wrong, or a value in it does not fit.

    Attributes:
        offset: Start of the expression in the text, counted from 0; 0 if unknown.
        about: The part of the expression that the message is about, or None for all of it.
        among: The names that could stand instead of the last one of `about`.
    """

    code = "expression"
    among: Iterable[str] = ()

    def __init__(
        self, message: str, hint: str | None = None, offset: int = 0, about: str | None = None
    ) -> None:
        super().__init__(message, hint, offset, about)
        self.message, self.hint, self.offset, self.about = message, hint, offset, about

    def __str__(self) -> str:
        return self.message


class MissingError(ExpressionError):
    """The data lacks a field; `default` handles it."""


class InferenceError(ExpressionError):
    """An unknown name or a value of the wrong type, found before anything runs.

    `find_hint` finds a hint that takes time to find; it is called only if the hint is shown.
    """

    def __init__(
        self,
        code: str,
        message: str,
        hint: str | None = None,
        about: str | None = None,
        *,
        find_hint: Callable[[], str | None] | None = None,
        among: Iterable[str] | None = None,
    ) -> None:
        super().__init__(message, hint, about=about)
        self.args = (code, message, hint, about)  # for pickle, which passes them again
        self.code, self.find_hint, self.among = code, find_hint, among or ()


class UsesNull(RivyaError):
    """A null is used where a value is needed: not a mistake; the step that uses it is skipped."""

    code = "uses_null"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} is null"


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether it is a number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def type_name(value: Any) -> str:
    """The kind of a value in the words of the language."""
    if value is None:
        return "null"
    if as_asset(value) is not None:
        return "asset"
    if isinstance(value, bool):
        return "boolean"
    for name, kinds in (("number", (int, float)), ("text", str), ("list", list), ("map", dict)):
        if isinstance(value, kinds):
            return name
    return type(value).__name__


def as_text(value: Any) -> str:
    """A scalar as text: ``true``, ``2.5``, ``100000`` and never ``1e5``; raises `ExpressionError` for others."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        plain = format(Decimal(repr(value)), "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    kind = type_name(value)
    hint = {
        "asset": "name one of its fields, such as .url",
        "list": "write `| join(', ')`, or pick one item with [0]",
    }.get(kind, "name one of its fields, or write `| json`")
    raise ExpressionError(f"{an(kind)} cannot be used in text", hint)


def checked_number(value: int | float) -> int | float:
    """The number, if JSON and the API can carry it; else raises `ExpressionError`."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ExpressionError("the result is not a finite number")
    if isinstance(value, int) and abs(value) >= 1 << 63:
        raise ExpressionError("the result is an integer of more than 64 bits")
    return value


def check_length(characters: int) -> None:
    """Refuses text of so many characters before it is built."""
    if characters > MAX_BYTES:
        raise ExpressionError(f"the result would be larger than {MAX_BYTES:,} bytes")


def checked_size(value: Any) -> Any:
    """The value; raises `ExpressionError` beyond `MAX_BYTES` or `MAX_MEMBERS`."""
    left_bytes, left_members = MAX_BYTES, MAX_MEMBERS
    waiting = [value]
    while waiting:
        part = waiting.pop()
        left_members -= 1
        if isinstance(part, str):  # a character takes 1 to 4 bytes
            exact = len(part) <= left_bytes and not part.isascii()
            left_bytes -= len(part.encode("utf-8", "replace")) if exact else len(part)
        elif isinstance(part, dict | list | tuple):
            waiting += [*part, *part.values()] if isinstance(part, dict) else part
        else:
            left_bytes -= 8
        if left_bytes < 0 or left_members < 0:
            raise ExpressionError(f"the result would be larger than {MAX_BYTES:,} bytes")
    return value


def memory_of(value: Any, most: float = math.inf) -> int:
    """Approximate bytes of a JSON value in memory, each use of a value counted; ends beyond `most`."""
    size, waiting = 0, [value]
    while waiting and size <= most:
        part = waiting.pop()
        size += _OF_ANY
        if isinstance(part, str):
            size += len(part) if part.isascii() else 4 * len(part)
        elif isinstance(part, dict | list | tuple):
            waiting += [*part, *part.values()] if isinstance(part, dict) else part
    return size


_OF_ANY = 64  # an object, and the reference to it
