"""Recurrence rules that Prefect's server can follow without standing still.

The server looks for the next dates in its event loop and one candidate after the other, from 2020
on where no DTSTART is given: ``FREQ=SECONDLY`` stops it for minutes, a 31st of February for
seconds, each time that it plans runs. Source: `prefect.server.schemas.schedules.RRuleSchedule`.
"""

from __future__ import annotations

import math
import re
from datetime import datetime

from dateutil.rrule import rrulestr

LONGEST_SCHEDULE = 500
"""Characters of a `cron` or an `rrule`."""

MOST_TIMES_A_DAY = 24
EARLIEST_YEAR = 2000
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_BEGIN, _YEARS = datetime(2024, 1, 1), 50  # 40 years lie between two Mondays that are leap days


def complaint(rule: str) -> str | None:
    """Why the server should not be given a rule that Prefect can read; None where it may be."""
    text = rule.upper()
    found = re.findall(r"FREQ\s*=\s*(\w+)", text)
    if len(found) != 1 or found[0] not in _FREQUENCIES:
        return f"a rule has one FREQ, of {', '.join(_FREQUENCIES)}; `interval` can be shorter"
    lists = re.findall(r"BY(?:HOUR|MINUTE|SECOND)=([^;\s]*)", text)
    if math.prod(len(values.split(",")) for values in lists) > MOST_TIMES_A_DAY:
        return f"a rule gives at most {MOST_TIMES_A_DAY} times a day; `interval` can give more"
    begins = [int(year) for year in re.findall(r"DTSTART[^:]*:(\d{4})", text)]
    if any(year < EARLIEST_YEAR for year in begins):
        return f"DTSTART is before {EARLIEST_YEAR}"
    # By itself: when it ends does not matter, and its end may have a time zone.
    words = re.sub(r"(?:UNTIL|COUNT)=[^;]*;?", "", "".join(re.findall(r"\S*FREQ\S*", text)))
    last = _BEGIN.replace(year=_BEGIN.year + _YEARS)
    try:
        recurs = rrulestr(words.strip(";"), dtstart=_BEGIN).replace(until=last)
    except ValueError as error:
        return f"the rule cannot be read: {error}"
    if next(iter(recurs), None) is None:
        return f"the rule gives no date within {_YEARS} years"
    return None
