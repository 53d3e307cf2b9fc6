"""Reads subtitle files: SubRip (SRT) and WebVTT."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import ConfigDict, Field

from rivya_cut.fields import DrawnText, Flag, Number
from rivya_cut.line_breaks import GLUE, words_of

MAX_SUBTITLE_BYTES = 1_000_000
"""Of a subtitle file, as UTF-8."""

MAX_SUBTITLES = 2_000
MAX_SUBTITLE_SECONDS = 3_600
"""The last moment that a subtitle may end at."""

MAX_SUBTITLE_CHARACTERS = 500
"""Of one subtitle."""

_TIME = r"(?:(\d{1,3}):)?([0-5]?\d):([0-5]\d)[.,](\d{1,3})"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?", re.ASCII)
_SKIPPED = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")
# Tags of both formats, and the overrides that SRT took from SSA.
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|</?[\d:.]+>|\{\\[^{}]*\}")
_WORD_TIME = re.compile(rf"<{_TIME}>", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True)
class Cue:
    """One subtitle or caption; times in seconds of the film, its lines joined by line breaks.

    Attributes:
        burned_in: Whether the picture of a clip shows it already.
        words: When each of its words begins, where that is known.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    start: Annotated[Number, Field(ge=0, le=MAX_SUBTITLE_SECONDS)]
    end: Annotated[Number, Field(ge=0, le=MAX_SUBTITLE_SECONDS)]
    text: Annotated[str, DrawnText(MAX_SUBTITLE_CHARACTERS)]
    burned_in: Flag = False
    words: Annotated[tuple[Number, ...], Field(max_length=MAX_SUBTITLE_CHARACTERS)] = ()


def in_order(cues: tuple[Cue, ...]) -> tuple[Cue, ...]:
    """The same cues.

    Raises:
        ValueError: One overlaps the one before it.
    """
    end = 0.0
    for number, cue in enumerate(cues, 1):
        if not end <= cue.start < cue.end:
            raise ValueError(f"cue {number} overlaps the one before it, or ends before it begins")
        end = cue.end
    return cues


def parse_subtitles(text: str) -> tuple[Cue, ...]:
    """The subtitles of a file, in order and without overlap.

    Formatting is left out, and so are subtitles without text. One that runs into the next ends where
    that begins.

    Raises:
        ValueError: It is too long, has no subtitles, or a line is wrong; says which line and why.
    """
    if len(text.encode("utf-8", "replace")) > MAX_SUBTITLE_BYTES:
        raise ValueError(f"more than {MAX_SUBTITLE_BYTES:,} bytes: split the file")
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    webvtt = lines[0].startswith("WEBVTT")
    found: list[Cue] = []
    at = _end_of_block(lines, 0) if webvtt else 0
    while at < len(lines):
        if timing := _TIMING.fullmatch(lines[at]):
            end = _end_of_block(lines, at)
            _append(found, timing, "\n".join(lines[at + 1 : end]), at + 1)
            at = end
        elif webvtt and _SKIPPED.match(lines[at]):
            at = _end_of_block(lines, at)
        elif not lines[at].strip() or _is_name(lines, at, webvtt):
            at += 1
        else:
            raise ValueError(f"line {at + 1}: expected times such as 00:00:01,000 --> 00:00:02,500")
    if not found:
        raise ValueError("no subtitles: expected SRT or WebVTT")
    return tuple(found)


def _end_of_block(lines: list[str], at: int) -> int:
    return next((i for i in range(at, len(lines)) if not lines[i].strip()), len(lines))


def _is_name(lines: list[str], at: int, webvtt: bool) -> bool:
    """Whether the line is the number of a subtitle, or its name in WebVTT."""
    if "-->" in lines[at] or not (webvtt or lines[at].strip().isdecimal()):
        return False
    return at + 1 == len(lines) or not lines[at + 1].strip() or "-->" in lines[at + 1]


def _append(found: list[Cue], timing: re.Match[str], text: str, line: int) -> None:
    start, end = _seconds(timing.groups()[:4]), _seconds(timing.groups()[4:])
    if end <= start:
        raise ValueError(f"line {line}: ends before it begins: check the times")
    if end > MAX_SUBTITLE_SECONDS:
        raise ValueError(f"line {line}: ends after {MAX_SUBTITLE_SECONDS:,} s: cut the file")
    words = _words(text)
    if len(words) > MAX_SUBTITLE_CHARACTERS:
        raise ValueError(
            f"line {line}: more than {MAX_SUBTITLE_CHARACTERS} characters: split the subtitle"
        )
    if not words:
        return
    if found and start <= found[-1].start:
        raise ValueError(f"line {line}: begins before the subtitle above it: sort them by time")
    if len(found) == MAX_SUBTITLES:
        raise ValueError(f"line {line}: more than {MAX_SUBTITLES:,} subtitles: split the file")
    if found and start < found[-1].end:
        found[-1] = replace(found[-1], end=start)
    found.append(Cue(start, end, words, words=_word_times(text, start, end)))


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return round(whole + int(fraction.ljust(3, "0")) / 1000, 3)


def _word_times(text: str, start: float, end: float) -> tuple[float, ...]:
    """When each word begins by the times inside a WebVTT cue, evenly between two of them; none without."""
    letters, at = 0, 0
    places = [(0, start)]  # letters before each time
    for time in _WORD_TIME.finditer(text):
        letters, at = letters + _letters(_words(text[at : time.start()])), time.end()
        places.append((letters, min(end, max(places[-1][1], _seconds(time.groups())))))
    if len(places) == 1:
        return ()
    places.append((letters + _letters(_words(text[at:])), end))
    found, letters = [], 0
    for word in words_of(_words(text)):
        known = max(index for index, (place, _) in enumerate(places) if place <= letters)
        (place, begin), (following, until) = places[known], places[min(known + 1, len(places) - 1)]
        share = (letters - place) / max(1, following - place)
        found.append(round(begin + share * (until - begin), 3))
        letters += _letters(word.removeprefix(GLUE))
    return tuple(found)


def _letters(text: str) -> int:
    return len("".join(text.split()))


def _words(text: str) -> str:
    plain = _CONTROL.sub("", html.unescape(_TAG.sub("", text)))
    lines = (" ".join(line.split()) for line in plain.split("\n"))
    return "\n".join(line for line in lines if line)
