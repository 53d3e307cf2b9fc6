"""How messages show a value, and name a kind of value."""

from __future__ import annotations

from typing import Any


def an(kind: str) -> str:
    """A kind of value or of media with its article: ``an asset``, ``a list``, ``text``."""
    if kind in ("text", "audio"):
        return kind
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def count_noun(number: int, noun: str, many: str = "") -> str:
    """``1 result``, ``2 results``; `many` is the plural where it is irregular."""
    return f"{number} {noun if number == 1 else many or f'{noun}s'}"


def preview(value: Any) -> str:
    """A value in at most 60 characters; a map or a list by its kind alone."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a map" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        text = repr(value)
        return text if len(text) <= 60 else cut(text[:-1], 59) + text[-1]
    return str(value).lower() if isinstance(value, bool) else cut(repr(value))


def cut(text: str, length: int = 60) -> str:
    """The text in at most `length` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"
