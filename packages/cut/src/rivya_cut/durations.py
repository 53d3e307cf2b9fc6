"""Durations as people write them: ``1.5s``, ``15m``, ``1h30m``, ``PT15M``, or a number of seconds."""

from __future__ import annotations

import re
from typing import Any

DURATION_FORMS = "2s, 15m, 48h or a number of seconds"
"""What to write, for errors."""

DURATION_PATTERN = r"^(?=.*[1-9])\s*((\d{1,9}(\.\d{1,6})?(ms|[smhdw]))+|P[0-9TWDHMS]+)\s*$"
"""What a duration as a text looks like, for schemas."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|[smhdw])")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+$")
_ISO = re.compile(
    r"P(?:(\d{1,5})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?$"
)
_UNIT_NAMES = {
    "ms": ("msec", "msecs", "millisecond", "milliseconds"),
    "s": ("sec", "secs", "second", "seconds"),
    "m": ("min", "mins", "minute", "minutes"),
    "h": ("hr", "hrs", "hour", "hours"),
    "d": ("day", "days"),
    "w": ("week", "weeks"),
}
_UNITS = {word: unit for unit, names in _UNIT_NAMES.items() for word in (unit, *names)}
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,6})?")
_SPELLED = re.compile(r"(\d{1,9}(?:\.\d{1,6})?) *([a-z]+)")
_BETWEEN = re.compile(r"[ ,]*(?:and )? *")


class DurationError(ValueError):
    """A text is not a duration; `instead` is what it surely means, such as ``20m`` for ``20 min``."""

    def __init__(self, message: str, instead: str | None) -> None:
        super().__init__(message)
        self.instead = instead


def respell(text: str) -> str | None:
    """``1h30m`` for ``1 hour and 30 minutes``; None if the text is not numbers with units."""
    parts = _SPELLED.findall(text.casefold())
    if not parts or _BETWEEN.sub("", _SPELLED.sub("", text.casefold())):
        return None
    units = [_UNITS.get(unit, "") for _, unit in parts]
    sizes = [_SECONDS.get(unit, 0) for unit in units]
    if not all(sizes) or sorted(set(sizes), reverse=True) != sizes:
        return None
    return "".join(number + unit for (number, _), unit in zip(parts, units, strict=True))


def seconds_of(value: Any) -> Any:
    """A text as a number of seconds; another type as it is, for a model to refuse.

    Raises:
        DurationError: The text is not a duration.
    """
    return _read(value.strip()) if isinstance(value, str) else value


def _read(text: str) -> float:
    if _WHOLE.match(text):
        return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    iso = _ISO.match(text)
    if iso and any(iso.groups()):
        units = (604_800, 86_400, 3_600, 60, 1)
        parts = zip(iso.groups(), units, strict=True)
        return float(sum(int(number) * unit for number, unit in parts if number))
    message = f"{text!r:.40} is not a duration; write {DURATION_FORMS}"
    raise DurationError(message, f"{text}s" if _NUMBER.fullmatch(text) else respell(text))
