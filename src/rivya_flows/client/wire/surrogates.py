r"""Joins surrogates: halves of characters that remain when a service cuts text by UTF-16 units.

JavaScript counts in such units, so a piece of text may end in the middle of an emoji. JSON can
spell a half, as ``\ud83d``, but no file, terminal or database accepts it.
"""

from __future__ import annotations

import contextlib
import json
import math
import re

_MAX_DIGITS = 309  # of a whole number that is finite as a float

_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole character
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\.",
    re.DOTALL,
)


def whole_characters(text: str) -> tuple[str, str]:
    """A text with its halves joined, and a half at its end, which the next piece may complete.

    Any other single half becomes U+FFFD.
    """
    if text.isascii():
        return text, ""
    half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
    units = text.removesuffix(half).encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace"), half


def readable_json(body: bytes) -> bytes:
    """JSON in valid UTF-8 whose escapes spell whole characters; other ones become U+FFFD.

    A whole number of more than 309 digits becomes ``Infinity``, since no reader accepts it.
    """
    valid = body.decode(errors="replace").encode()
    whole = _ESCAPE.sub(lambda found: rb"\ufffd" if found["half"] else found[0], valid)
    if re.search(rb"(?<![0-9])[0-9]{%d}" % (_MAX_DIGITS + 1), whole):
        with contextlib.suppress(ValueError, RecursionError):
            return json.dumps(json.loads(whole, parse_int=_number)).encode()
    return whole


def _number(digits: str) -> int | float:
    if len(digits) <= _MAX_DIGITS:
        return int(digits)
    return -math.inf if digits.startswith("-") else math.inf
