"""Cron schedules that Prefect's server follows: five fields, or a name such as `@daily`.

The last and the nth day of a month are left to recurrence rules.
"""

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
    """

    times: list[time]
    days: int | None
    months: frozenset[int]
    weekdays: frozenset[int] | None


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
_READ = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?")


def cron_problem(text: str) -> str | None:
    """Why no scheduler could follow a cron schedule; None if Prefect's does."""
    label = f"{text!r:.60}"
    if text.startswith("@"):
        listed = f"there are {', '.join(NAMES)}"
        return None if text.lower() in NAMES else f"{label} is no name of a schedule; {listed}"
    fields = text.lower().split()
    if len(fields) != len(_FIELDS):
        return f"{label} is not a cron schedule"
    try:
        _, _, days, months, _ = map(_values, _FIELDS, fields)
    except ValueError as error:
        return f"{label}: {error}"
    if fields[4] == "*" and min(days) > max(_LONGEST[month - 1] for month in months):
        return f"{label} has no date: no month of it has {min(days)} days"
    return None


def read_cron(text: str) -> Cron:
    """A cron schedule that passes `cron_problem`, by its parts."""
    fields = NAMES.get(text.lower(), text.lower()).split()
    minutes, hours, days, months, weekdays = map(_values, _FIELDS, fields)
    return Cron(
        [time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes)],
        None if fields[2] == "*" else len(days),
        frozenset(months),
        None if fields[4] == "*" else frozenset(one % 7 for one in weekdays),
    )


def _values(field: _Field, written: str) -> set[int]:
    """The values that a field names."""
    return {value for part in written.split(",") for value in _range(field, part)}


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
    high = low if last is None else _value(field, last)
    if last is None and (first == "*" or step):
        high = days - 1
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
