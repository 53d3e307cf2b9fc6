"""Moments and times: options such as `30d` and `2026-11-01`, and what people read."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

import click

_AGO = re.compile(r"(\d{1,6})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_AGE = re.compile(r"(\d{1,5}(?:\.\d{1,5})?)([hdw]?)")
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?")


def moment(text: str, *, ends: bool = False) -> datetime:
    """A time ago, or an ISO date or time, in UTC where it names no zone; `ends`: the end of a date."""
    try:
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if written := _ISO.fullmatch(text):
            found = datetime.fromisoformat(text) + timedelta(days=ends and written[1] is None)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise click.BadParameter(f"{text!r:.60} is not a moment; write 30d, 12h or 2026-11-01.")


def end_moment(text: str) -> datetime:
    """The same as the end of a time."""
    return moment(text, ends=True)


LONGEST = timedelta(days=36_500)  # nothing is that old
AGES = "30d, 12h, 4w, or 0 for everything"
"""What an age is, for people. No minutes: `1m` may mean a month, and would delete nearly everything."""


def age(text: str) -> timedelta:
    """How old something is, `LONGEST` at most: ``30d``, ``12h``, ``4w``, or a number of days."""
    written = _AGE.fullmatch(text)
    if written is None:
        raise click.BadParameter(
            f"{text!r:.60} is not an age of hours, days or weeks; write {AGES}."
        )
    return min(LONGEST, timedelta(**{_UNITS[written[2] or "d"]: float(written[1])}))


def local_now() -> datetime:
    """Now, in the zone of this machine, with the offset that this has now."""
    return datetime.now().astimezone()


def until(at: datetime) -> str:
    """A moment in the zone of this machine, and how far it is: ``2026-12-02 06:45 IST, in 23 h``."""
    seconds = (at - datetime.now(UTC)).total_seconds()
    far = f"in {roughly(seconds)}" if seconds > 0 else f"{roughly(-seconds)} ago"
    return f"{at.astimezone():%Y-%m-%d %H:%M %Z}, {far}"


def roughly(seconds: float) -> str:
    """A time that is not known well: ``25 s``, ``2 min``, ``5 h``, ``3 days``."""
    if seconds < 55:
        return f"{max(5, 5 * math.ceil(seconds / 5))} s"
    for unit, worth, most in (("min", 60, 90), ("h", 3_600, 48)):
        if (many := round(seconds / worth)) <= most:
            return f"{many} {unit}"
    return f"{round(seconds / 86_400)} days"


def clock(seconds: float) -> str:
    """A time that always has the same shape: ``0:07``, ``1:05``, ``2:03:00``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def elapsed(seconds: float) -> str:
    """A time for people: ``7 s``, ``1 min 05 s``, ``2 h 03 min``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02} min"
