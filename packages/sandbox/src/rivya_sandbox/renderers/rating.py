"""Scores of a simulated judge: what is judged, on which scale, and what it is worth."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rivya_sandbox.renderers.review import Review, of_picture, of_text

MOST_CANDIDATES = 50
_SCALE = re.compile(
    r"(?<![\d.,])([01])\s*(?:\([^)\n]{0,40}\)\s*)?(?:-|–|—|\.\.|to|and|bis|से)\s*(1|5|6|7|10|20|100)(?![\d.,]*\d)"
    r"|\b(?:out of|of|von|/)\s*(5|10|100)\s*(?:points|stars)?\b|(?<=\d)/(5|10|100)\b",
    re.IGNORECASE,
)
_JUDGES = re.compile(
    r"\b(?:scor\w+|rat(?:e|es|ed|ing|ings)|judg\w+|grad(?:e|es|ed|ing)|points?|marks?|scale|evaluat\w+)\b"
    r"|अंक",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"^[ \t]*(?:(?:candidate|option|line|version|variant)[ \t]+)?(\d{1,2})[ \t]*[.):][ \t]+(\S.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_LEAST, _SPAN = 0.3, 0.65  # of the scale: 3 to 9.5 of 10


@dataclass(frozen=True)
class Scale:
    """The range of a score, its ends included."""

    low: int
    high: int

    def score(self, merit: float) -> float:
        """The score of something, between 30 % and 95 % of the scale; two digits at most."""
        value = self.low + (self.high - self.low) * (_LEAST + _SPAN * merit)
        return round(value, 2 if self.high == 1 else 0 if self.high >= 20 else 1)


def scale_of(message: str, names: Sequence[str] = ()) -> Scale | None:
    """The scale that a message names, the nearest one after a field's name; None without one."""
    lowered = message.lower()
    if not _JUDGES.search(lowered):
        return None
    found = list(_SCALE.finditer(lowered))
    if not found:
        return None
    places = [at for name in names if (at := lowered.find(name)) >= 0]
    after = [one for one in found if places and one.start() > min(places)]
    chosen = (after or found)[0]
    if chosen[1]:
        low, high = int(chosen[1]), int(chosen[2])
        return Scale(low, high) if low < high else None
    return Scale(0, int(chosen[3] or chosen[4]))


def reviews_of(message: str, pictures: Sequence[Path]) -> tuple[Review, ...]:
    """A judgement of each candidate of a message, in their order; at least one.

    Candidates are JSON objects with ``candidate`` (and ``picture``, the number of an attached
    picture, ``pictures``, those of frames of a film, or ``text``), one on a line; else the attached pictures; else the last list that counts
    from 1, but not the criteria; else what stands after the last colon.
    """
    listed = _find_json_list(message)
    if listed:
        return tuple(_of_listed(one, pictures) for one in listed)
    if pictures:
        return tuple(map(of_picture, pictures))
    texts = _find_numbered_list(message) or [_subject(message)]
    return tuple(map(of_text, texts[:MOST_CANDIDATES]))


def _find_json_list(message: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for line in message.split("\n"):  # a text may have other separators
        if not line.lstrip().startswith('{"candidate"'):
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and value.get("candidate") == len(found) + 1:
            found.append(value)
    return found[:MOST_CANDIDATES]


def _of_listed(candidate: dict[str, Any], pictures: Sequence[Path]) -> Review:
    listed = candidate.get("pictures")
    numbers = listed if isinstance(listed, list) else [candidate.get("picture")]
    seen = [
        of_picture(pictures[one - 1])
        for one in numbers[:MOST_CANDIDATES]
        if isinstance(one, int) and 1 <= one <= len(pictures)
    ]
    if seen:  # a film is as good as its worst frame
        return min(seen, key=lambda one: one.merit)
    return of_text(str(candidate.get("text") or candidate.get("key") or ""))


def _find_numbered_list(message: str) -> list[str]:
    """The entries of the last list that counts from 1, apart from lists of criteria."""
    found: list[str] = []
    current: list[str] = []
    end = 0
    for line in _NUMBERED.finditer(message):
        if int(line[1]) == 1:
            heading = message[end : line.start()].strip().rpartition("\n")[2].lower()
            current = [] if "criteri" in heading else found
            current.clear()
        if int(line[1]) == len(current) + 1:
            current.append(line[2].strip())
        end = line.end()
    return found if len(found) > 1 else []


def _subject(message: str) -> str:
    """The text that a message is about: after its last colon, in quotation marks, or all of it."""
    after = re.split(r":\s+", message)[-1]
    quoted = re.findall(r"[\"“]([^\"“”]{3,})[\"”]|(?<!\w)['‘]([^'‘’]{3,})['’](?!\w)", message)
    if quoted:
        return str(max((one or other for one, other in quoted), key=len))
    return after if len(after.split()) > 1 else message
