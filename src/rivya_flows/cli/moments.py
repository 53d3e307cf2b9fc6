"""Moments: options such as `30d` and `2026-11-01`, and deadlines for people."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

from rivya_flows.cli.progress import roughly

_AGO = re.compile(r"(\d{1,6})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?")


def moment(text: str, *, ends: bool = False) -> datetime:
    """A time ago, or an ISO date or time, in UTC where it names no zone.

    Args:
        text: As it was written.
        ends: A date means its end, not its begin.

    Raises:
        click.BadParameter: It is neither.
    """
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


def until(at: datetime) -> str:
    """A moment in the zone of this machine, and how far it is: ``2026-12-02 06:45 IST, in 23 h``."""
    seconds = (at - datetime.now(UTC)).total_seconds()
    far = f"in {roughly(seconds)}" if seconds > 0 else f"{roughly(-seconds)} ago"
    return f"{at.astimezone():%Y-%m-%d %H:%M %Z}, {far}"
