"""Characters as a reader counts them: a letter with its marks is one."""

from __future__ import annotations

import unicodedata

_JOINER = "\u200d"
_JOINING = frozenset("\u200c\u200d\u0e33\u0eb3")
# Viramas that bind the next letter into a conjunct: Devanagari, Bengali, Gujarati, Oriya, Telugu,
# Kannada, Malayalam, Myanmar, Khmer.
_BINDING = frozenset("\u094d\u09cd\u0acd\u0b4d\u0c4d\u0ccd\u0d4d\u1039\u17d2")


def graphemes(text: str) -> list[str]:
    """The characters of a text, near to the extended grapheme clusters of Unicode UAX #29."""
    found: list[str] = []
    last = " "
    for char in text:
        if not last.isspace() and _continues(last, char):
            found[-1] += char
        else:
            found.append(char)
        last = char
    return found


def _continues(last: str, char: str) -> bool:
    if char.isspace():
        return False
    category = unicodedata.category(char)
    if category.startswith("M") or char in _JOINING or "\U0001f3fb" <= char <= "\U0001f3ff":
        return True
    return last == _JOINER or (last in _BINDING and category == "Lo")
