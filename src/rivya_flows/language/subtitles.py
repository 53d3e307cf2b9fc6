"""Read subtitles: SRT and WebVTT."""

from __future__ import annotations

import html
import re

MAX_CUES = 5_000
"""Captions of one file."""

Triple = tuple[float, float, str]
"""Start and end of a caption in seconds, and its text; lines are joined by a line break."""

_TIME = r"(?:(\d{1,3}):)?([0-5]?\d):([0-5]?\d)[,.](\d{1,3})"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?$")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}")
_NOT_CUES = ("WEBVTT", "NOTE", "STYLE", "REGION")


def parse_subtitles(text: str) -> tuple[Triple, ...]:
    """The captions of a subtitle file in the order of their start; marks of style are dropped.

    Raises:
        ValueError: It is neither SRT nor WebVTT; the message says line and reason.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    found: list[Triple] = []
    place = 0
    while place < len(lines):
        begin = place
        while place < len(lines) and lines[place].strip():
            place += 1
        block = lines[begin:place]
        place += 1
        if block and (block[0].split() or [""])[0] not in _NOT_CUES:
            cue = _cue(block, begin + 1)
            if cue[2]:
                found.append(cue)
        if len(found) > MAX_CUES:
            raise ValueError(f"line {begin + 1}: more than {MAX_CUES:,} captions")
    if not found:
        raise ValueError("line 1: there is no caption")
    return tuple(sorted(found, key=lambda cue: cue[:2]))


def _cue(block: list[str], line: int) -> Triple:
    # A number or a name may stand above the times.
    at = 0 if "-->" in block[0] else 1
    if at >= len(block) or "-->" not in block[at]:
        raise ValueError(f"line {line}: expected times such as 00:00:01,000 --> 00:00:02,500")
    times = _TIMES.match(block[at])
    if times is None:
        message = f"line {line + at}: {block[at].strip()!r:.60} is not two times"
        raise ValueError(f"{message} such as 00:00:01,000 --> 00:00:02,500")
    start, end = _seconds(times.groups()[:4]), _seconds(times.groups()[4:])
    if end <= start:
        raise ValueError(f"line {line + at}: the caption ends before it starts")
    said = (html.unescape(_TAG.sub("", one)).strip() for one in block[at + 1 :])
    return start, end, "\n".join(one for one in said if one)


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = parts
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return whole + int((fraction or "0").ljust(3, "0")) / 1000
