"""What a prompt wants lettered, and what its capitalised words name: a product or a place."""

from __future__ import annotations

import re
from calendar import day_name, month_name
from itertools import takewhile

from rivya_sandbox.renderers.palettes import COLOURS
from rivya_sandbox.renderers.things import GLYPH_OF_WORD, TURNED_OF_WORD
from rivya_sandbox.renderers.vocabulary import (
    AT,
    EMPTY_WORDS,
    LOOKS,
    PLACE_OF_HINT,
    PLACE_OF_NAME,
    TOWN,
)

# A quotation mark after a digit is an inch; an apostrophe within a word does not end a quotation.
_QUOTED = re.compile(
    r"(?<!\d)\"([^\"]{2,80})\"|[“”„]([^“”„]{2,80})[“”]|«([^«»]{2,80})»"
    r"|‘((?:[^‘’]|(?<=\w)’(?=\w)){2,80})’(?!\w)|(?<!\w)'((?:[^']|(?<=\w)'(?=\w)){2,80})'(?!\w)"
)
_QUOTES = re.compile(r"[\"“”„«»‘’]|(?<!\w)'|'(?!\w)")
LETTERS = frozenset(
    ["text", "letters", "lettering", "words", "title", "titles", "typography", "logo"]
)
_NO_LETTERS = re.compile(
    rf"\b(?:no|without)\s+(?:any\s+)?(?:{'|'.join(sorted(LETTERS))})\b", re.IGNORECASE
)
_WHERE = r"in|on|at|by|from|near|over|under|above|below|across|beside|with|for"
_ASKED = re.compile(
    r"\b((?:(?:that|which)\s+(?:says?|reads?)|(?:labell?ed|titled)(?=\s*:?\s+(?-i:[A-ZÀ-Þ\d]))"
    r"|with\s+the\s+(?:text|words?|title|headline|slogan|lettering))\s*:?\s+)"
    rf"(?!(?:{_WHERE}|of|that|to)\b)(\w[^\"“”„«»‘,.;:!?()\n]{{1,79}}?)"
    rf"(?=\s+(?:{_WHERE})\s+(?:an?|the)\b|[,.;:!?()\n]|\s*$)",
    re.IGNORECASE,
)
_CAPITALISED = r"[A-ZÀ-ÞČĐĞİŁŌŘŚŞŠŽ][\w'’-]+"
_NAME = re.compile(rf"{_CAPITALISED}(?:\s+(?:(?:de|da|do|del|la)\s+)?{_CAPITALISED})*")
_LOCATED = re.compile(
    rf"\b((?i:in|at|near|over|overlooking|through|around|across|outside))\s+(?:the\s+)?({_NAME.pattern})"
    r"(?!\s+(?:styles?|colou?rs?|tones|fashion|fonts?|type|mode|quality)\b)"
)
_CALENDAR = frozenset(name.lower() for name in (*month_name, *day_name) if name)
# Adjectives of countries, such as Turkish, Italian and Japanese.
_OF_COUNTRY = re.compile(r".{3,}(?:ian|ean|can|ese|ish)|french|dutch|greek|german|swiss|thai")
_SCENIC = EMPTY_WORDS.union(COLOURS, PLACE_OF_NAME, PLACE_OF_HINT, _CALENDAR, *LOOKS.values())


def wants_no_letters(prompt: str) -> bool:
    """Whether the prompt says that there is no lettering, not even on a label."""
    return bool(_NO_LETTERS.search(prompt))


def with_quotations(prompt: str) -> str:
    """The prompt with quotation marks around the words that it wants lettered.

    "That says …", "with the text …" and "labelled …" ask for letters without marks. Where the
    prompt wants no lettering, there are no marks at all.
    """
    if wants_no_letters(prompt):
        return _QUOTES.sub(" ", _NO_LETTERS.sub(" ", prompt))
    return _ASKED.sub(r'\1"\2"', prompt)


def title_of(prompt: str) -> str | None:
    """The first words in quotation marks, 2 to 80 characters; None without any."""
    quoted = _QUOTED.search(prompt)
    return next(filter(None, quoted.groups())).strip() if quoted else None


def without_quotations(text: str) -> str:
    """The text without words in quotation marks."""
    return _QUOTED.sub(" ", text)


def brand_of(prompt: str) -> str | None:
    """The first name that stands before a product with a label, or is one; None without any.

    The first word of a sentence, names of places and words for scenery are no brands.
    """
    for match in _NAME.finditer(prompt):
        name, (start, end) = match.group(), match.span()
        before, after = prompt[max(0, start - 80) : start], prompt[end : end + 80]
        own = name.lower().split()
        words = before.lower().split()
        if _starts_sentence(before) or not AT.isdisjoint((*own, *words[-1:])):
            continue
        if words[-1:] in (["called"], ["named"]):
            return name
        rest = [word for word in own if word not in TURNED_OF_WORD]
        if all(word in _SCENIC or _OF_COUNTRY.fullmatch(word) for word in rest):
            continue
        clause = re.split(r"[^\w\s'’-]", after.lower(), maxsplit=1)[0].split()
        following = list(takewhile(lambda word: word not in EMPTY_WORDS, clause))[:3]
        if not TURNED_OF_WORD.keys().isdisjoint((*own, *following)):
            return name
    return None


def _starts_sentence(before: str) -> bool:
    ends = before.rstrip(" \"'“‘(")
    return not ends or ends[-1] in ".!?:\n"


def with_towns(prompt: str) -> str:
    """The prompt with a plain word for each unknown name that follows a preposition of place."""

    def plain(match: re.Match[str]) -> str:
        name = match.group(2)
        known = any(
            word in _SCENIC or word in TURNED_OF_WORD or word in GLYPH_OF_WORD
            for word in name.lower().split()
        )
        known = known or name.isupper() or bool(_OF_COUNTRY.fullmatch(name.lower()))
        return match.group() if known else f"{match.group(1)} {TOWN}"

    return _LOCATED.sub(plain, prompt)
