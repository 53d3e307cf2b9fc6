"""Where a line may end, in scripts with spaces between words and without them.

Thai is parted into words by the model of BudouX. Lao, Khmer and Myanmar break between syllables, as far as
their signs show them, and only where a stretch without a space is too long.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache

import budoux

_MOST_MERGED = 24  # characters: a flood of signs does not become one part

GLUE = "\u200b"
"""Begins a word before which no space stands: Unicode's own sign of a place to break."""

_THAI = re.compile("([\u0e00-\u0e7f]+)")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\ua9e0-\ua9ff\uaa60-\uaa7f]"
)
# Vowels and signs after their consonant, though no marks; and vowels before it.
_TRAILING = frozenset("\u0e2f\u0e30\u0e32\u0e33\u0e45\u0e46\u0eaf\u0eb0\u0eb2\u0eb3\u0ec6\u17d7")
_LEADING = frozenset("\u0e40\u0e41\u0e42\u0e43\u0e44\u0ec0\u0ec1\u0ec2\u0ec3\u0ec4")
_LAO_FINAL = re.compile("[\u0e81-\u0eae\u0edc-\u0edf]")
_FINAL = re.compile(
    "[\u1000-\u102a\u103f][\u1037]?\u103a"
)  # a consonant of Myanmar without a vowel
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


def words_of(text: str) -> list[str]:
    """The words of a text; those that follow without a space begin with `GLUE`.

    A number and its sign, as in ``€ 640`` and ``50 %``, are one word.
    """
    parts = _joined_if(text.split(), _are_amount, " ")
    return [word for part in parts for word in _with_glue(_words(part))]


def join_words(words: Iterable[str]) -> str:
    """The words as one line."""
    return " ".join(words).replace(f" {GLUE}", "").replace(GLUE, "")


def pieces(word: str, most: float, size_of: Callable[[str], float]) -> list[str]:
    """A word in as few parts as fit, of similar size; all but the first begin with `GLUE`."""
    sized = [(part, size_of(part)) for part in _merge_parts(graphemes(word.removeprefix(GLUE)))]
    total = sum(size for _, size in sized)
    share = total / max(1, math.ceil(total / most))
    found, filled = [word[:1] if word.startswith(GLUE) else ""], 0.0
    for part, size in sized:
        if filled and (filled + size > most or filled + size / 2 > share):
            found.append(GLUE)
            filled = 0.0
        found[-1] += part
        filled += size
    return found


def is_unspaced(word: str) -> bool:
    """Whether it has letters of a script without spaces between words."""
    return _UNSPACED.search(word) is not None


def _continues(last: str, char: str) -> bool:
    if char.isspace():
        return False
    category = unicodedata.category(char)
    if category.startswith("M") or char in _JOINING or "\U0001f3fb" <= char <= "\U0001f3ff":
        return True
    return last == _JOINER or (last in _BINDING and category == "Lo")


def _with_glue(words: Iterable[str]) -> Iterator[str]:
    for index, word in enumerate(words):
        yield GLUE + word if index else word


def _words(part: str) -> list[str]:
    found: list[str] = []
    for stretch in filter(None, part.split(GLUE)):
        # Thai and what stands beside it, such as a number, are not parted.
        found.append("")
        for run in _THAI.split(stretch):
            first, *rest = _merge_parts(_thai().parse(run)) if _THAI.match(run) else [run]
            found[-1] += first
            found += rest
    return found


def _merge_parts(parts: Iterable[str]) -> list[str]:
    """The same parts, those joined that may not be in two lines."""
    found = _joined_if(parts, lambda before, part: _leans_back(part) or _leans_forward(before))
    # Lao writes each vowel: a consonant without one ends the syllable before it.
    return _joined_if(found, lambda before, part: _LAO_FINAL.fullmatch(part) is not None)


def _joined_if(
    parts: Iterable[str], belong: Callable[[str, str], bool], between: str = ""
) -> list[str]:
    found: list[str] = []
    for part in parts:
        fits = found and len(found[-1]) + len(part) <= _MOST_MERGED
        if fits and belong(found[-1], part):
            found[-1] += between + part
        else:
            found.append(part)
    return found


def _are_amount(before: str, after: str) -> bool:
    if _is_sign(before[-1]):
        sign, digit = before, after.lstrip("+-−")[:1]
    elif _is_sign(after[0]):
        sign, digit = after, before[-1]
    else:
        return False
    return digit.isdigit() and not any(map(str.isdigit, sign))


def _is_sign(char: str) -> bool:
    return char in "%‰" or unicodedata.category(char) == "Sc"


def _leans_back(part: str) -> bool:
    category = unicodedata.category(part[0])
    closes = category[0] == "M" or category in ("Pe", "Pf", "Po")
    return closes or part[0] in _TRAILING or _FINAL.match(part) is not None


def _leans_forward(part: str) -> bool:
    return part[-1] in _LEADING or unicodedata.category(part[-1]) in ("Ps", "Pi")


@cache
def _thai() -> budoux.Parser:
    return budoux.load_default_thai_parser()
