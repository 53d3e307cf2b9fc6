"""What a misspelled name was meant to be: a suggestion, or the only thing that it can be."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


def nearest(word: str, choices: Iterable[str], *, alike: float = 0.6) -> str | None:
    """The choice most similar to `word`, at least `alike` of 0 to 1, ignoring case and separators."""
    plain = {_plain(choice): choice for choice in choices}
    if _plain(word) in plain:
        return plain[_plain(word)]
    found = difflib.get_close_matches(_plain(word), plain, n=1, cutoff=alike)
    return plain[found[0]] if found else None


def certain(word: str, choices: Iterable[str]) -> str | None:
    """The only choice that `word` can be a misspelling of; None if a person must decide.

    Much stricter than `nearest`, because the wrong model or step costs money: another number is
    another thing (`veo3`, `veo2`), another first letter another word (`light`, `night`).
    """
    known = [one for one in dict.fromkeys(choices) if abs(len(one) - len(word)) <= _MOST_EDITS + 4]
    if not 3 <= len(word) <= 64 or len(known) > 1_000:
        return None
    equal = [one for one in known if _plain(one) == _plain(word)]
    if equal:
        return equal[0] if len(equal) == 1 and _digits(equal[0]) == _digits(word) else None
    near = sorted((_edits(word, one), one) for one in known)
    edits, one = near[0] if near else (_MOST_EDITS, "")
    margin = 0 if sorted(word) == sorted(one) else 1  # two letters swapped are a slip for sure
    alone = len(near) < 2 or near[1][0] > edits + margin
    return one if alone and edits <= (2 if len(one) > 8 else 1) and _is_slip(word, one) else None


_MOST_EDITS = 2
_SEPARATED = re.compile(r"[-_. ]+")


def _is_slip(word: str, choice: str) -> bool:
    """Whether a hand may write the one for the other: no other digit, first letter or short word."""
    if _digits(word) != _digits(choice):
        return False
    right, wrong = _SEPARATED.split(choice), _SEPARATED.split(word)
    for target, wrote in zip(right, wrong, strict=False) if len(right) == len(wrong) else ():
        swapped = sorted(target) == sorted(wrote)
        similar = target[0] == wrote[:1] and (len(target) > 4 or len(target) != len(wrote))
        if target != wrote and (len(target) < 4 or not (swapped or similar)):
            return False
    return len(right) == len(wrong) or choice[0] == word[0]


def _digits(word: str) -> str:
    return "".join(letter for letter in word if letter.isdigit())


def _edits(one: str, other: str) -> int:
    """Letters left out, added or replaced, or neighbours swapped; beyond the limit, some number over it."""
    earlier, before, row = list[int](), list[int](), list(range(len(other) + 1))
    for i, left in enumerate(one):
        earlier, before, row = before, row, [i + 1]
        for j, right in enumerate(other):
            row.append(min(before[j + 1] + 1, row[j] + 1, before[j] + (left != right)))
            if i and j and left == other[j - 1] and one[i - 1] == right:
                row[-1] = min(row[-1], earlier[j - 1] + 1)
        if min(row) > _MOST_EDITS + 2:
            break
    return max(row[-1], min(row))


def _plain(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter not in " -_.")
