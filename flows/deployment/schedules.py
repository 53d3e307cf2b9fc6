"""Schedules of specs as Prefect's, and the recurrence rules that its server cannot follow.

The server looks for the next dates in its event loop, one candidate after the other, from 2020 on
if a rule has no DTSTART: ``FREQ=SECONDLY`` blocks it for minutes, a 31st of February for seconds,
each time it plans runs. Source: `prefect.server.schemas.schedules.RRuleSchedule`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from prefect.client.schemas.schedules import (
    SCHEDULE_TYPES,
    CronSchedule,
    IntervalSchedule,
    RRuleSchedule,
)
from pydantic import ValidationError

from rivya_flows.errors import Diagnostic, UsageError
from rivya_flows.flows.prefect_internals import dates_of
from rivya_flows.language.syntax.cron import once_a_day
from rivya_flows.language.workflow import Schedule, Workflow

LONGEST_SCHEDULE = 500
"""Characters of a `cron` or an `rrule`."""

MOST_TIMES_A_DAY = 24
EARLIEST_YEAR = 2000
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_DAY, _LONGEST_MONTH = 86_400, 31
_A_YEAR = timedelta(days=13 * _LONGEST_MONTH)
_MOST_DATES = 1_000
_BEGIN, _YEARS = datetime(2024, 1, 1), 50  # 40 years lie between two Mondays that are leap days


def prefect_schedule(schedule: Schedule) -> SCHEDULE_TYPES:
    """The schedule as Prefect's; intervals count from midnight of Monday, 2024-01-01.

    Raises:
        ValidationError: Prefect refuses it.
        UsageError: It would block Prefect's server.
    """
    written = schedule.cron or schedule.rrule or ""
    if len(written) > LONGEST_SCHEDULE:
        raise UsageError(
            f"a schedule has {len(written):,} characters; at most {LONGEST_SCHEDULE} are allowed"
        )
    zone: dict[str, Any] = {"timezone": schedule.timezone} if schedule.timezone else {}
    if schedule.cron is not None:
        return CronSchedule(cron=schedule.cron.strip(), **zone)
    if schedule.rrule is not None:
        made = RRuleSchedule(rrule=schedule.rrule, **zone)
        if wrong := _rule_problem(schedule.rrule):
            raise UsageError(wrong)
        return made
    anchor = datetime(2024, 1, 1, tzinfo=ZoneInfo(schedule.timezone or "UTC"))
    return IntervalSchedule.model_validate(
        {"interval": schedule.interval, "anchor_date": anchor, **zone}
    )


@dataclass(frozen=True)
class Dates:
    """When a schedule starts runs.

    Attributes:
        next: In its time zone.
        a_day: Most runs in a day.
        a_month: Most runs in a month of the year that follows the next one.
    """

    next: datetime
    a_day: int
    a_month: int


async def dates_from(schedule: Schedule, now: datetime) -> Dates | None:
    """The dates of a checked schedule from a moment on; None if there are none."""
    made, times = prefect_schedule(schedule), 1
    found = await dates_of(made, 1, now.astimezone(ZoneInfo(schedule.timezone or "UTC")))
    if not found:
        return None
    first = found[0]
    if schedule.interval is not None:
        every = schedule.interval
        return Dates(first, math.ceil(_DAY / every), math.ceil(_LONGEST_MONTH * _DAY / every))
    if isinstance(made, CronSchedule):
        # Each of its days once: an hour of `* * * * *` is as much as a month of these.
        days, times = once_a_day(made.cron)
        made = made.model_copy(update={"cron": days})
    # From the first of its month, so that each month of the year is whole.
    begin = first.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    found = await dates_of(made, _MOST_DATES, begin, begin + _A_YEAR)
    if len(found) == _MOST_DATES:  # more than two a day
        times, more = _times_a_day(schedule.rrule or ""), _further_dates(schedule.rrule or "")
        return Dates(first, times + more, times * _LONGEST_MONTH + more)
    days_of = Counter(one.date() for one in found)
    months = Counter((one.year, one.month) for one in found)
    return Dates(first, max(days_of.values()) * times, max(months.values()) * times)


def schedule_problems(workflow: Workflow, file: str) -> Iterator[Diagnostic]:
    """What is wrong with a spec's schedules that only Prefect knows, such as RFC 5545."""
    for deploy in workflow.deploy:
        for number, schedule in enumerate(deploy.schedules, 1):
            try:
                prefect_schedule(schedule)
            except (ValidationError, UsageError) as error:
                reason = str(error)
                if isinstance(error, ValidationError):
                    reason = error.errors(include_url=False, include_input=False)[0]["msg"]
                message = f"deploy {deploy.name!r}: schedule {number}: {reason}"
                hint = "see schedules in docs/reference/spec.md"
                yield Diagnostic("bad-schedule", message, hint, file=file)


def _rule_problem(rule: str) -> str | None:
    """Why a rule that Prefect can parse would block its server; None if it would not."""
    upper = rule.upper()
    found = re.findall(r"FREQ\s*=\s*(\w+)", upper)
    if len(found) != 1 or found[0] not in _FREQUENCIES:
        return f"a rule has one FREQ, of {', '.join(_FREQUENCIES)}; `interval` can be shorter"
    if _times_a_day(upper) > MOST_TIMES_A_DAY:
        return f"a rule gives at most {MOST_TIMES_A_DAY} times a day; `interval` can give more"
    begins = [int(year) for year in re.findall(r"DTSTART[^:]*:(\d{4})", upper)]
    if any(year < EARLIEST_YEAR for year in begins):
        return f"DTSTART is before {EARLIEST_YEAR}"
    # Without its end, which does not matter here and may have a time zone.
    parts = re.sub(r"(?:UNTIL|COUNT)=[^;]*;?", "", "".join(re.findall(r"\S*FREQ\S*", upper)))
    last = _BEGIN.replace(year=_BEGIN.year + _YEARS)
    try:
        dates = rrulestr(parts.strip(";"), dtstart=_BEGIN).replace(until=last)
    except ValueError as error:
        return f"the rule cannot be parsed: {error}"
    if next(iter(dates), None) is None:
        return f"the rule gives no date within {_YEARS} years"
    return None


def _times_a_day(rule: str) -> int:
    lists = re.findall(r"BY(?:HOUR|MINUTE|SECOND)=([^;\s]*)", rule.upper())
    return math.prod(len(values.split(",")) for values in lists)


def _further_dates(rule: str) -> int:
    return sum(len(dates.split(",")) for dates in re.findall(r"RDATE[^:]*:(\S+)", rule.upper()))
