"""Durations as people write them: ``90s``, ``15m``, ``1h30m``, ``PT15M``, or seconds."""

from __future__ import annotations

import math
import re
from typing import Any

from rivya_flows.language.wording import shown

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|[smhdw])")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+$")
_ISO = re.compile(
    r"P(?:(\d{1,5})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?$"
)
_MAX_SECONDS = 400 * 86_400.0


_WORDS = {
    "ms": ("msec", "msecs", "millisecond", "milliseconds"),
    "s": ("sec", "secs", "second", "seconds"),
    "m": ("min", "mins", "minute", "minutes"),
    "h": ("hr", "hrs", "hour", "hours"),
    "d": ("day", "days"),
    "w": ("week", "weeks"),
}
_UNITS = {word: unit for unit, words in _WORDS.items() for word in (unit, *words)}
_SPELLED = re.compile(r"(\d{1,9}(?:\.\d{1,6})?) *([a-z]+)")
_BETWEEN = re.compile(r"[ ,]*(?:and )? *")


class DurationError(ValueError):
    """A text is not a duration.

    Attributes:
        instead: How the language writes what it surely means, such as ``20m`` for ``20 min``; None
            if that is not certain.
    """

    def __init__(self, message: str, instead: str | None = None) -> None:
        super().__init__(message, instead)
        self.instead = instead

    def __str__(self) -> str:
        return str(self.args[0])


def respelled(text: str) -> str | None:
    """``1h30m`` for ``1 hour and 30 minutes``; None if the text is not numbers with units."""
    parts = _SPELLED.findall(text.casefold())
    if not parts or _BETWEEN.sub("", _SPELLED.sub("", text.casefold())):
        return None
    units = [_UNITS.get(unit, "") for _, unit in parts]
    sizes = [_SECONDS.get(unit, 0) for unit in units]
    if not all(sizes) or sorted(set(sizes), reverse=True) != sizes:
        return None
    return "".join(number + unit for (number, _), unit in zip(parts, units, strict=True))


def seconds(value: Any) -> Any:
    """The duration in seconds; another type is returned as is, for the model to refuse.

    Raises:
        ValueError: Text that is not a duration, or one that is 0 or over 400 days.
    """
    if isinstance(value, str):
        length = _read(value.strip())
    elif isinstance(value, int | float) and not isinstance(value, bool):
        length = float(value)
    else:
        return value
    if not math.isfinite(length) or not 0 < length <= _MAX_SECONDS:
        raise ValueError(
            f"a duration must be more than 0 and at most 400 days, not {value!r}; "
            "write 90s, 15m, 48h or a number of seconds"
        )
    return length


def _read(text: str) -> float:
    if _WHOLE.match(text):
        return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    iso = _ISO.match(text)
    if iso and any(iso.groups()):
        units = (604_800, 86_400, 3_600, 60, 1)
        parts = zip(iso.groups(), units, strict=True)
        return float(sum(int(number) * unit for number, unit in parts if number))
    message = f"{shown(text)} is not a duration; write 90s, 15m, 48h or a number of seconds"
    raise DurationError(message, respelled(text))
