"""Schedules of specs as Prefect's, and the recurrence rules that its server cannot follow.

The server looks for the next dates in its event loop, one candidate after the other, from 2020 on
if a rule has no DTSTART: ``FREQ=SECONDLY`` blocks it for minutes, a 31st of February for seconds,
each time it plans runs. Source: `prefect.server.schemas.schedules.RRuleSchedule`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import datetime
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
from rivya_flows.language.workflow import Schedule, Workflow

LONGEST_SCHEDULE = 500
"""Characters of a `cron` or an `rrule`."""

MOST_TIMES_A_DAY = 24
EARLIEST_YEAR = 2000
_FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
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
    lists = re.findall(r"BY(?:HOUR|MINUTE|SECOND)=([^;\s]*)", upper)
    if math.prod(len(values.split(",")) for values in lists) > MOST_TIMES_A_DAY:
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
