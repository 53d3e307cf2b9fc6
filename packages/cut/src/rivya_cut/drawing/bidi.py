"""The order in which a text with right-to-left letters is seen."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_PAIRS = {"(": ")", "[": "]", "{": "}", "⟨": "⟩"}


def levels(characters: Sequence[str]) -> list[int]:
    """The level of each character of a text: even is left-to-right, odd right-to-left.

    The rules of Unicode UAX #9 for a paragraph without embeddings and isolates.
    """
    base = int(right_to_left("".join(characters)))
    kinds, around = [_kind(char) for char in characters], "R" if base else "L"
    _resolve_numbers(kinds, around)
    _resolve_brackets(characters, kinds, around)
    sides = ["R" if kind in ("R", "EN", "AN") else kind for kind in kinds]
    found: list[int] = []
    for index, kind in enumerate(kinds):
        side = kind
        if kind not in ("L", "R", "EN", "AN"):
            before = next((s for s in reversed(sides[:index]) if s in ("L", "R")), around)
            after = next((s for s in sides[index:] if s in ("L", "R")), around)
            side = before if before == after else around
        found.append({"L": 2 * base, "R": 1}.get(side, 2))
    return found


def visual_order(of_levels: Sequence[int]) -> list[int]:
    """The indexes of the characters of a line, from left to right."""
    order = list(range(len(of_levels)))
    for level in range(max(of_levels, default=0), 0, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and of_levels[order[end]] >= level:
                end += 1
            order[start:end] = reversed(order[start:end])
            start = end + 1
    return order


def right_to_left(text: str) -> bool:
    """Whether a text is read from the right: its first letter says so."""
    return next((kind for kind in map(_kind, text) if kind in ("L", "R", "AL")), "L") != "L"


def in_direction_of(text: str, part: str) -> str:
    """A part of a text, with a mark where its own first letter would turn it round."""
    rtl = right_to_left(text)
    return part if right_to_left(part) == rtl else "\u200e\u200f"[rtl] + part


def _kind(char: str) -> str:
    return unicodedata.bidirectional(char[0])


def _resolve_numbers(kinds: list[str], around: str) -> None:
    """A number after Arabic letters is an Arabic one, and after left-to-right ones belongs to them.

    Signs that touch other numbers belong to them, and separators to both kinds.
    """
    strong = around
    for index, kind in enumerate(kinds):
        if kind in ("L", "R", "AL"):
            strong, kinds[index] = kind, "R" if kind == "AL" else kind
        elif kind == "EN" and strong == "AL":
            kinds[index] = "AN"
    for index in range(1, len(kinds) - 1):
        before, kind, after = kinds[index - 1 : index + 2]
        if before == after and (kind, before) in (("CS", "EN"), ("ES", "EN"), ("CS", "AN")):
            kinds[index] = before
    for order in (range(1, len(kinds)), range(len(kinds) - 2, -1, -1)):
        step = -1 if order.step > 0 else 1
        for index in order:
            if kinds[index] == "ET" and kinds[index + step] == "EN":
                kinds[index] = "EN"
    strong = around
    for index, kind in enumerate(kinds):
        if kind in ("L", "R"):
            strong = kind
        elif kind == "EN" and strong == "L":
            kinds[index] = "L"


def _resolve_brackets(characters: Sequence[str], kinds: list[str], around: str) -> None:
    """Both of a pair go with the line if a letter between them does, else with those between and before."""
    opened: list[tuple[str, int]] = []
    pairs: list[tuple[int, int]] = []
    for index, char in enumerate(characters):
        if char in _PAIRS:
            opened.append((_PAIRS[char], index))
        elif char in _PAIRS.values() and any(closing == char for closing, _ in opened):
            while opened[-1][0] != char:
                opened.pop()
            pairs.append((opened.pop()[1], index))
    for first, last in sorted(pairs):
        strong = ["R" if kind in ("EN", "AN") else kind for kind in kinds[:last]]
        inside = {kind for kind in strong[first + 1 :] if kind in ("L", "R")}
        if not inside:
            continue
        before = next((kind for kind in reversed(strong[:first]) if kind in ("L", "R")), around)
        kinds[first] = kinds[last] = around if around in inside else before
