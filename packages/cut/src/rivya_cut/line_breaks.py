"""Characters as readers count them, and where a line may end in every script, by ICU.

Thai, Lao, Khmer, Myanmar, Chinese and Japanese write no spaces: their lines end between words, or phrases.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from icu4py.breakers import BaseBreaker, CharacterBreaker, LineBreaker, WordBreaker

GLUE = "\u200b"
"""Begins a word before which no space stands: Unicode's own sign of a place to break."""

_CLOSING = "[\"'”’»)\\]」』）】》]*$"
SENTENCE_END = re.compile("[.!?…।॥؟۔։።။។。．！？]" + _CLOSING)
PHRASE_END = re.compile("[,;:،؛՝፣፤၊៖、，；：—–-]" + _CLOSING)
"""What ends a word that ends a sentence, or a part of one."""

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\ua9e0-\ua9ff\uaa60-\uaa7f"
    "\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)
_KANA = re.compile("[\u3041-\u30ff]")
# Vowels and signs after their consonant, though no marks; and vowels before it.
_TRAILING = frozenset("\u0e2f\u0e30\u0e32\u0e45\u0e46\u0eaf\u0eb0\u0eb2\u0ec6\u17d7")
_LEADING = frozenset("\u0e40\u0e41\u0e42\u0e43\u0e44\u0ec0\u0ec1\u0ec2\u0ec3\u0ec4")
_ASAT = "\u103a"  # Myanmar: the consonant ends the syllable before it
_BINDING = frozenset("\u0ccd\u1039\u17d2")  # Kannada, Myanmar, Khmer: the next letter goes below


def graphemes(text: str) -> list[str]:
    """The characters of a text: the extended grapheme clusters of Unicode UAX #29."""
    return _parts(CharacterBreaker, text)


def words_of(text: str) -> list[str]:
    """The words of a text; those that follow without a space begin with `GLUE`.

    A number and its sign, as in ``€ 640`` and ``50 %``, are one word, and so are words with hyphens.
    """
    found: list[str] = []
    spaced = True
    for part in _segments(text):
        word = part.strip(f" \n\t{GLUE}")
        if word and spaced and found and _are_amount(found[-1], word):
            found[-1] += f" {word}"
        elif word:
            found.append(word if spaced or not found else GLUE + word)
        spaced = part[-1].isspace() or (not word and spaced)
    return found


def join_words(words: Iterable[str]) -> str:
    """The words as one line."""
    return " ".join(words).replace(f" {GLUE}", "").replace(GLUE, "")


def pieces(word: str, most: float, size_of: Callable[[str], float]) -> list[str]:
    """A word in as few parts as fit, of similar size; all but the first begin with `GLUE`."""
    sized = [(part, size_of(part)) for part in _syllables(word.removeprefix(GLUE))]
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


def _parts(breaker: type[BaseBreaker], text: str, locale: str = "en") -> list[str]:
    try:
        return [*breaker(text, locale)]
    except UnicodeEncodeError:  # half of a surrogate pair, which ICU does not take
        return [*text]


def _segments(text: str) -> Iterator[str]:
    """The text from each place where a line may begin to the next."""
    kana = _KANA.search(text)
    words = {*accumulate(map(len, _parts(WordBreaker, text)))}
    # Dictionaries part words that they do not know inside syllables.
    syllables = {*accumulate(map(len, _syllables(text)))}
    open_part, at = "", 0
    for part in _parts(LineBreaker, text, "ja-u-lw-phrase" if kana else "en"):
        open_part += part
        at += len(part)
        # Others break without a space, too: after hyphens, in addresses, inside a word of Hangul.
        beside = _UNSPACED.search(text[at - 1 : at + 1]) and (kana or at in words & syllables)
        beside = beside and not text[at - 1].isdigit()  # nor between a number and its unit
        if part[-1].isspace() or part[-1] == GLUE or beside:
            yield open_part
            open_part = ""
    if open_part:
        yield open_part


def _syllables(word: str) -> list[str]:
    """Its characters, those joined that may not be in two lines."""
    found: list[str] = []
    for part in graphemes(word):
        before = found[-1][-1] if found else ""
        leans = (
            part[0] in _TRAILING
            or _ASAT in part
            or unicodedata.category(part[0]) in ("Mc", "Mn", "Pe", "Pf", "Po")
        )
        if before and len(found[-1]) < 24 and (leans or before in _LEADING | _BINDING):
            found[-1] += part
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
