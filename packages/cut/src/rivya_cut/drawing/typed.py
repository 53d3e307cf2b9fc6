"""Texts that are written letter by letter: what of their letters is seen."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from rivya_cut.line_breaks import GLUE, graphemes, words_of

# Arabic and its like, and the scripts of India: letters of a word are joined.
_JOINED = re.compile("[\u0600-\u08ff\u0900-\u0dff\u1800-\u18af\ufb50-\ufdff\ufe70-\ufefc]")


def count_letters(text: str) -> int:
    """The characters of a text without its spaces."""
    return len(graphemes("".join(text.split())))


def steps_of(text: str) -> list[int]:
    """How many letters are seen after each step: one more, or a word more of a script that joins letters."""
    found: list[int] = []
    count = 0
    for word in words_of(text):
        letters = count_letters(word.removeprefix(GLUE))
        count += letters
        found += [count] if _JOINED.search(word) else range(count - letters + 1, count + 1)
    return found


def ends_of(lines: Iterable[str], count: int | None) -> Iterator[int]:
    """Where in each line the first so many letters end; None: all."""
    left = math.inf if count is None else count
    for line in lines:
        characters = graphemes(line)
        places = [at for at, one in enumerate(characters) if not one.isspace()]
        visible = len(characters) if len(places) <= left else places[max(0, int(left))]
        left -= min(left, len(places))
        yield sum(map(len, characters[:visible]))
