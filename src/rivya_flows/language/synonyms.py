"""What people write who know another tool: other names of keys and choices, and units."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, get_args

from rivya_cut.terms import TransitionKind

_WORDS = [
    line.split(": ")
    for line in """\
fade: crossfade dissolve
slide: wipe
push-in: zoom-in
pull-out: zoom-out
crop: fill cover
pad: contain fit letterbox
poster: thumbnail
plate: box
plain: outline
9:16: vertical portrait story 1080x1920
16:9: horizontal landscape widescreen 1920x1080
1:1: square 1080x1080
seconds: duration
level: volume
kind: type
media: video image file
audio: file
image: logo file
language: lang
narration: voice voiceover voice_over speech
music: soundtrack background_music bgm
captions: subtitle subtitles
judge: vote ai llm auto
human: manual person ask
first: random
max: desc descending highest
min: asc ascending lowest
best: score rank top highest
by: score key sort_by
count: top n number limit
rounds: max_rounds retries
regenerate: retry again
criteria: rubric criterion
least: threshold min_score minimum
sign: signature signed
fallback: alternatives backup or_else
string: str
integer: int
number: float
boolean: bool""".splitlines()
]
"""Each word of the language, and what people write instead; the likeliest first where one has several."""

SHARES = ("width", "warn_at")
"""Numbers that are shares, 0 to 1."""

_UNITS: Mapping[str, float] = {"ms": 0.001, "m": 60, "min": 60}
"""What the number before them is multiplied by; that before another word stays."""

_PLAIN = re.compile(r"\w[\w./-]*( [\w./-]+)*")
_NUMBER = re.compile(r"\s*(-?\d{1,9}(?:\.\d{1,9})?)\s*(%|[A-Za-z]*)\s*")


def own_word(word: str, choices: Collection[str]) -> str | None:
    """The one of the choices that a word of another tool means."""
    word = word.lower()
    return next((own for own, others in _WORDS if word in others.split() and own in choices), None)


def number_hint(key: str, value: str, wanted: str) -> str:
    """What to write instead of a text where a number is wanted, such as `2s` or `18%`."""
    found = _NUMBER.fullmatch(value)
    if found is None:
        return f"write {wanted}"
    number, unit = float(found[1]), found[2]
    if not unit:
        return "write the number without quotes"
    if key in SHARES:
        return share_hint(number if unit == "%" else None)
    return f"write the number alone: {number * _UNITS.get(unit.lower(), 1):g}"


def surely(kind: str, key: str, value: Any) -> str | float | bool | None:
    """The value that a value of the wrong type surely stands for; None if a person must decide.

    `kind` is the type of Pydantic's error, such as ``int_type``.
    """
    if kind == "string_type" and isinstance(value, bool | int | float):
        return str(value)
    if kind == "bool_type" and isinstance(value, str):
        return _FLAGS.get(value.strip().lower())
    found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if found is None or kind not in ("int_type", "float_type"):
        return None
    number, unit = Decimal(found[1]), found[2].lower()
    if unit == "%" and key in SHARES:
        number /= 100
    elif unit and unit not in _UNIT_WORDS.get(key, ()):
        return None
    if unit:
        number *= Decimal(str(_UNITS.get(unit, 1)))
    if number == number.to_integral_value():
        return int(number)
    return float(number) if kind == "float_type" else None


_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_SECONDS = ("s", "sec", "secs", "second", "seconds", *_UNITS)
_UNIT_WORDS: Mapping[str, tuple[str, ...]] = {
    "credits": ("credit", "credits"),
    "level": ("lufs",),
    "loudness": ("lufs",),
    "seconds": _SECONDS,
    "start": _SECONDS,
}
"""The units that a number of these keys has anyway, or that `_UNITS` converts."""


def share_hint(percent: Any) -> str:
    """What to write instead of a number that is no share."""
    known = isinstance(percent, int | float) and 0 < percent <= 100 and not 1 < percent < 2
    return f"it is a share, 0 to 1: write {percent / 100 if known else 0.18:g}"


def map_hint(key: str, value: Any) -> str | None:
    """How a part of a film, or a budget, that must be a map is written with what stands in its place."""
    if value is False:
        return "remove it: without it there is none"
    if key == "budget":
        credits = surely("int_type", "credits", str(value))
        return None if credits is None else f"write `budget: {{credits: {credits}}}`"
    inner = _TEXT_OF.get(key)
    if inner is None or not isinstance(value, str) or len(value) > 60:
        return None
    if key == "transition":
        value = own_word(value, get_args(TransitionKind)) or value
        if value not in get_args(TransitionKind):
            return None
    is_file = re.search(r"\.(srt|vtt|png|jpe?g|webp)$", value, re.IGNORECASE)
    inner = _FILE_OF.get(key, inner) if is_file else inner
    return f"write `{key}: {{{inner}: {_quoted(value)}}}`"


_TEXT_OF = {"captions": "text", "music": "audio", "end_card": "title", "transition": "kind"}
_FILE_OF = {"captions": "file", "end_card": "image"}
"""The keys inside these parts that a text, or the path of a file, alone stands for."""


def list_hint(value: Any) -> str | None:
    """How a list is written of what stands in its place."""
    if isinstance(value, dict):
        return "write [ ] around it, or `- ` before its first line"
    return f"write [{_quoted(value)}]" if isinstance(value, str) and 0 < len(value) <= 60 else None


def _quoted(text: str) -> str:
    """A text in YAML, in quotes if it may need them."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
