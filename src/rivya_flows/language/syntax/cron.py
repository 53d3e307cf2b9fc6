"""The cron schedules that Prefect's server follows: five fields, or a name such as `@daily`."""

from __future__ import annotations

import re
from datetime import time
from typing import NamedTuple

NAMES = {
    "@hourly": "0 * * * *",
    "@midnight": "0 0 * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_PART = r"(?:\*|\?|[0-9A-Za-z]+(?:-[0-9A-Za-z]+)?)(?:/[0-9]+|#[0-9])?"
_FIELD = rf"{_PART}(?:,{_PART})*"
_CRON = re.compile(rf"(?:{_FIELD}\s+){{4}}{_FIELD}$")


class _Field(NamedTuple):
    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()  # names of its values, from `least` on


class Cron(NamedTuple):
    """When a cron schedule has dates.

    Attributes:
        days: How many days of a month it names; None for any.
        weekdays: Sunday is 0; None for any.
        nth_weekdays: How many it names such as fri#2: a month has each of them once.
    """

    times: list[time]
    days: int | None
    months: frozenset[int]
    weekdays: frozenset[int] | None
    nth_weekdays: int


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 7, _WEEKDAYS),
)
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LAST = "l"
_ANY = ("*", "?")
_READ = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?")


def cron_problem(text: str) -> str | None:
    """Why no scheduler could follow a cron schedule; None if Prefect's does."""
    label = f"{text!r:.60}"
    if text.startswith("@"):
        listed = f"there are {', '.join(NAMES)}"
        return None if text.lower() in NAMES else f"{label} is no name of a schedule; {listed}"
    fields = text.lower().split()
    if len(fields) != len(_FIELDS) or not _CRON.match(text):
        return f"{label} is not a cron schedule"
    try:
        _, _, days, months, weekdays = map(_values, _FIELDS, fields)
    except ValueError as error:
        return f"{label}: {error}"
    if not weekdays and fields[2] not in _ANY:  # no date meets both in the server's reading
        return f"{label}: such as fri#2 takes no day beside it; write * for the day"
    if fields[4] in _ANY and min(days) > max(_LONGEST[month - 1] for month in months):
        return f"{label} has no date: no month of it has {min(days)} days"
    return None


def read_cron(text: str) -> Cron:
    """A cron schedule that passes `cron_problem`, by its parts."""
    fields = NAMES.get(text.lower(), text.lower()).split()
    minutes, hours, days, months, weekdays = map(_values, _FIELDS, fields)
    named = weekdays and fields[4] not in _ANY
    return Cron(
        [time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes)],
        None if fields[2] in _ANY else len(days),
        frozenset(months),
        frozenset(one % 7 for one in weekdays) if named else None,
        0 if weekdays else len(fields[4].split(",")),
    )


def _values(field: _Field, written: str) -> set[int]:
    """The values that a field names: 0 for the last day; none for an nth weekday."""
    if written == "?":
        if field.name not in ("day", "weekday"):
            raise ValueError(f"the {field.name} cannot be '?'")
        return set(range(field.least, field.most + 1))
    parts = written.split(",")
    if field.name == "weekday" and any(map(_is_special, parts)):
        if not all(map(_is_special, parts)):
            raise ValueError("the weekday has either days or such as fri#2, not both")
        for part in parts:
            _value(field, part.partition("#")[0] if "#" in part else part[1:])
        return set()
    values: set[int] = set()
    for part in parts:
        values |= {0} if part == _LAST and field.name == "day" else _range(field, part)
    return values


def _is_special(part: str) -> bool:
    """Whether it is an nth or a last weekday of the month: ``fri#2``, ``l5``."""
    return re.fullmatch(r"[0-9a-z]+#[1-5]|l[0-9]", part) is not None


def _range(field: _Field, part: str) -> set[int]:
    read = _READ.fullmatch(part)
    if read is None:
        raise ValueError(f"the {field.name} cannot be {part!r}")
    first, last, step = read.groups()
    if step is not None and int(step) == 0:
        raise ValueError(f"the step of the {field.name} is at least 1")
    if first == "*" and last:
        raise ValueError(f"the {field.name} cannot be {part!r}")
    low = field.least if first == "*" else _value(field, first)
    days = 7 if field.name == "weekday" else field.most + 1  # of weekdays 0 and 7 are the same
    if last is None:
        high = days - 1 if first == "*" or step else low
    else:
        high = field.most if last == _LAST and field.name == "day" else _value(field, last)
    if first != "*" and (last or step) and low % days == high % days:
        names = f"is one value, which Prefect reads as every one; write {first} or *"
        raise ValueError(f"the {field.name} {part!r} {names}")
    every = int(step or 1)
    if low > high:  # over the end, such as fri-mon
        if every > 1:  # where it begins again is odd
            raise ValueError(f"the {field.name} {part!r} goes over its end, and takes no step")
        return {*range(low, field.most + 1), *range(field.least, high + 1)}
    return set(range(low, high + 1, every))


def _value(field: _Field, written: str) -> int:
    if written in field.names:
        return field.names.index(written) + field.least
    if written.isascii() and written.isdigit() and field.least <= int(written) <= field.most:
        return int(written)
    names = f", or {field.names[0]} to {field.names[-1]}" if field.names else ""
    raise ValueError(
        f"the {field.name} is {field.least} to {field.most}{names}, not {written!r:.20}"
    )
