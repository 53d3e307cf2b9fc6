"""Values of expressions: their kinds, text form and size limits, and the basic filters and tests on them.

Each filter is a pure function. None reads a clock, a file or randomness, so equal inputs give equal plans.
"""

from __future__ import annotations

import hashlib
import json as json_module
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeGuard

from rivya_flows.assets import as_asset
from rivya_flows.errors import RivyaError
from rivya_flows.language.wording import an, preview

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
    `fields_of_each` are those that it reads of a list, which its members may have.
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
        self.fields_of_each: tuple[str, ...] = ()


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


_MAX_MARKS = 30
"""Combining marks in a row that `slug` reads; the longest in any script's words are four or so."""


def _default(value: Any, instead: Any) -> Any:
    """`instead` if the value is null or missing."""
    return instead if value is None else value


def _member(place: int, which: str) -> Callable[[Any], Any]:
    def apply(value: Any) -> Any:
        return _members(value)[place] if _members(value) else None

    apply.__doc__ = f"The {which} item of a list, or null if it is empty."
    return apply


def _of_text(change: Callable[[str], str], gives: str) -> Callable[[Any], str]:
    """A filter that changes a text; `gives` says how."""

    def apply(value: Any) -> str:
        return change(as_text(value))

    apply.__doc__ = gives
    return apply


def _int(value: Any) -> int:
    """A whole number; a fraction is cut off, text is parsed."""
    try:
        if isinstance(value, str):
            return int(checked_number(int(value.strip())))
        return int(checked_number(value))
    except (ValueError, TypeError) as error:
        raise ExpressionError(f"{preview(value)} is not a whole number") from error


def as_json(value: Any) -> str:
    """The value as compact JSON."""
    pieces, size = [], 0
    for piece in json_module.JSONEncoder(ensure_ascii=False, separators=(",", ":")).iterencode(
        value
    ):
        size += len(piece)
        check_length(size)
        pieces.append(piece)
    return "".join(pieces)


def _length(value: Any) -> int:
    """The number of characters of text, or of items of a list or map."""
    if isinstance(value, str | list | dict):
        return len(value)
    raise ExpressionError(f"{an(type_name(value))} has no length")


def _replace(value: Any, old: str, new: str) -> str:
    """The text with every `old` replaced by `new`."""
    text, old, new = as_text(value), as_text(old), as_text(new)
    check_length(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _round(value: Any, digits: Any = 0) -> Any:
    """The number rounded; without `digits` a whole number."""
    if not is_number(value) or not isinstance(digits, int) or not 0 <= digits <= 15:
        raise ExpressionError("round takes a number, and 0 to 15 digits")
    return round(value, digits) if digits else round(value)


_PLACE = re.compile(r"%(?:%|[-+ 0]{0,4}\d{0,2}(?:\.\d{1,2})?([dfs])|)")


def format_letters(text: str) -> list[str]:
    """The letters of the places for values in a text, such as ``f`` of ``%.2f``."""
    letters = []
    for found in _PLACE.finditer(text):
        if found[0] == "%":
            message = f"{preview(text[found.start() :][:12])} is no place for a value"
            raise ExpressionError(message, "write %d, %.2f or %s, and %% for the sign itself")
        letters += [found[1]] if found[1] else []
    return letters


def check_format(text: str, values: int) -> None:
    """Refuses so many values for a text with places."""
    places = len(format_letters(text))
    if places != values:
        message = f"the text has {places} places for {values} value{'' if values == 1 else 's'}"
        raise ExpressionError(message, FORMAT_HINT)


FORMAT_HINT = "write `'%.2f' | format(VALUE)`"


def _format(value: Any, *values: Any) -> str:
    """The text with values in its places: `'%.2f' | format(49.9)` is `49.90`, `%d` a whole number, `%s` text."""
    text = as_text(value)
    check_format(text, len(values))
    made: list[Any] = []
    for letter, one in zip(format_letters(text), values, strict=True):
        if letter != "s" and not is_number(one):
            raise ExpressionError(f"%{letter} takes a number, not {an(type_name(one))}")
        made.append(as_text(one) if letter == "s" else one)
    check_length(len(text) + sum(len(one) for one in made if isinstance(one, str)))
    return text % tuple(made)


def _seed(value: Any, least: Any = 0, greatest: Any = 2_147_483_647) -> int:
    """A whole number from `least` to `greatest` that is always the same for the same value."""
    if not (isinstance(least, int) and isinstance(greatest, int) and least <= greatest):
        raise ExpressionError("seed takes two whole numbers, the least and the greatest")
    digest = hashlib.sha256((value if isinstance(value, str) else as_json(value)).encode()).digest()
    return least + int.from_bytes(digest[:8]) % (greatest - least + 1)


def slug(value: Any) -> str:
    """The text as part of a file name: ``Aurora desk lamp`` becomes ``aurora-desk-lamp``."""
    text = unicodedata.normalize("NFC", _few_marks(as_text(value))).lower()
    return "-".join("".join(map(_in_slug, text)).split())


@lru_cache(maxsize=4_096)
def _in_slug(letter: str) -> str:
    # Accents of Latin letters go; vowel signs of other scripts are part of the word.
    plain = unicodedata.normalize("NFKD", letter)
    letter = plain[0] if plain[0].isascii() else letter
    return letter if unicodedata.category(letter)[0] in "LMN" else " "


def _few_marks(text: str) -> str:
    """The text with at most 30 marks in a row; Python takes quadratic time to normalize more.

    Source: Unicode Standard Annex 15, "Stream-Safe Text Format".
    """
    if text.isascii():
        return text
    rest, marks = [], 0
    for letter in text:
        marks = marks + 1 if unicodedata.combining(letter) else 0
        if marks <= _MAX_MARKS:
            rest.append(letter)
    return "".join(rest)


def _split(value: Any, separator: Any = None) -> list[str]:
    """The parts of a text between separators, or its words."""
    text, between = as_text(value), None if separator is None else as_text(separator)
    if between == "":
        raise ExpressionError("split takes a separator of at least one character")
    if between is not None and text.count(between) >= MAX_MEMBERS:
        raise ExpressionError(f"the text has more than {MAX_MEMBERS:,} parts")
    return text.split(between, MAX_MEMBERS)


def _capitalize(text: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))


def _truncate(value: Any, length: Any = 255, end: str = "…") -> str:
    """The text cut at a word, at most `length` characters with `end`."""
    text, end = as_text(value), as_text(end)
    if not isinstance(length, int) or isinstance(length, bool) or length < len(end):
        raise ExpressionError(f"truncate takes a length of at least {len(end)} characters")
    if len(text) <= length:
        return text
    room = length - len(end)
    rest = text[:room]
    inside_word = rest.strip() and not rest[-1].isspace() and not text[room].isspace()
    parts = rest.rsplit(None, 1) if inside_word else []
    if len(parts) > 1:
        rest = parts[0]
    return rest.rstrip() + end


def _members(value: Any) -> Sequence[Any]:
    if isinstance(value, list):
        return value
    raise ExpressionError(f"expected a list, not {an(type_name(value))}")


BASIC_FILTERS: Mapping[str, Callable[..., Any]] = {
    "default": _default,
    "first": _member(0, "first"),
    "format": _format,
    "int": _int,
    "json": as_json,
    "last": _member(-1, "last"),
    "length": _length,
    "lower": _of_text(str.lower, "The text in lowercase."),
    "replace": _replace,
    "round": _round,
    "seed": _seed,
    "slug": slug,
    "split": _split,
    "string": _of_text(str, "A scalar as text."),
    "title": _of_text(_capitalize, "The text With Each Word Capitalized."),
    "trim": _of_text(str.strip, "The text without space at both ends."),
    "truncate": _truncate,
    "upper": _of_text(str.upper, "The text in uppercase."),
}
"""The filters that know no more than a value; `filters` has the others."""

TESTS: Mapping[str, Callable[[Any], bool]] = {
    "boolean": lambda value: isinstance(value, bool),
    "defined": lambda value: value is not None,
    "mapping": lambda value: isinstance(value, dict),
    "none": lambda value: value is None,
    "number": is_number,
    "sequence": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
}
"""The tests, written after ``is``; null is not defined: outputs of skipped steps are null."""
