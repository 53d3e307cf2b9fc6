r"""Halves of characters: what a service leaves that cuts text between two UTF-16 units.

JavaScript counts text in such units, so a piece may end in the middle of an emoji. JSON can spell a
half, as ``\ud83d``, but no file, terminal or database takes it.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole character
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\.",
    re.DOTALL,
)


def whole_characters(text: str) -> tuple[str, str]:
    """A text with its halves joined, and the half that it ends with, which the next piece may join.

    A half that stays alone becomes U+FFFD.
    """
    if text.isascii():
        return text, ""
    half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
    units = text.removesuffix(half).encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace"), half


def readable_json(body: bytes) -> bytes:
    """JSON text in valid UTF-8 whose escapes spell whole characters; the rest becomes U+FFFD."""
    valid = body.decode(errors="replace").encode()
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found["half"] else found[0], valid)
