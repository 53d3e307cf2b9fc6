"""The most dates of a schedule in a day and in a month, and the recurrences that have none or too many.

Calculated from what a schedule says, not from its next dates: a year without a leap day, or between two
`RDATE`, is no bound of the following ones.

Prefect's server looks for the next dates in its event loop, one candidate after the other, from 2020 on if a
rule has no DTSTART: ``FREQ=SECONDLY`` blocks it for minutes, a 31st of February for seconds, each time it
plans runs. Source: `prefect.server.schemas.schedules.RRuleSchedule`.
"""

from __future__ import annotations

import math
from calendar import monthrange
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, WEEKLY, YEARLY, rrule, rruleset, rrulestr

from rivya_flows.language.syntax.cron import Cron, read_cron
from rivya_flows.language.workflow import Schedule

_MOST_TIMES_A_DAY = 24
_EARLIEST_YEAR = 2000
_DAY, _LONGEST_MONTH = 86_400, 31
_WEEKS, _WEEKS_OF_MONTH = 53, 5
_BEGIN, _YEARS = datetime(2024, 1, 1), 50  # 40 years lie between two Mondays that are leap days
_ANCHOR = datetime(2020, 1, 1)  # `DEFAULT_ANCHOR_DATE` of Prefect


def most_dates(schedule: Schedule, now: datetime) -> tuple[int, int]:
    """The most dates in a day and in a month of its time zone; ValueError for a cron that cannot be read."""
    zone = ZoneInfo(schedule.timezone or "UTC")
    midnights = [datetime(now.year, 1, 1, tzinfo=zone) + timedelta(days=n) for n in range(731)]
    if (every := schedule.interval) is not None:
        longer = 0.0
        if every % _DAY:  # a day on which clocks go back has more of them
            offsets = [(one.utcoffset() or timedelta()).total_seconds() for one in midnights]
            longer = max(offsets) - min(offsets)
        a_day, a_month = ((days * _DAY + longer) / every for days in (1, _LONGEST_MONTH))
        return math.ceil(a_day), math.ceil(a_month)
    if schedule.cron is not None:
        cron = read_cron(schedule.cron.strip())
        times, a_day = cron.times, len(cron.times)
        a_month = a_day * _days_of_cron(cron)
    else:
        times, a_day, a_month = _most_of_rule(_parse(schedule.rrule or ""))
    if any(map(_is_skipped_beside, midnights)):
        # Clocks skip the first or the last hour of a day: its dates move to the next day or the last.
        moved = sum(one.hour in (0, 23) for one in times)
        a_day, a_month = a_day + moved, a_month + moved
    return a_day, a_month


def _is_skipped_beside(midnight: datetime) -> bool:
    """Whether no clock shows a midnight, or the moment before."""
    return any(
        one.astimezone(UTC).astimezone(one.tzinfo).replace(tzinfo=None) != one.replace(tzinfo=None)
        for one in (midnight, midnight - timedelta(seconds=1))
    )


def _days_of_cron(cron: Cron) -> int:
    """Most days in a month: those of the month, those of the week, or both together."""
    longest = _longest(cron.months)
    if cron.days is None and cron.weekdays is None:
        return longest
    return min(longest, (cron.days or 0) + _weekdays(cron.weekdays or (), longest))


def _most_of_rule(rules: rruleset) -> tuple[list[time], int, int]:
    """The times of day of a parsed recurrence, and its most dates in a day and in a month."""
    rule: Any = rules._rrule[0]
    longest, times = _longest(rule._bymonth), list(rule._timeset)
    weekdays, positions = rule._byweekday or (), len(rule._bysetpos or ())
    length = {DAILY: 1, WEEKLY: 7}.get(rule._freq)  # of a period; a month has a part of two of them
    periods = math.ceil((longest + length - 1) / (length * rule._interval)) if length else 1
    days = (
        longest,
        periods * min(length, len(weekdays) or 7) if length else longest,
        _weekdays(weekdays, longest) + len(rule._bynweekday or ()),
        len(rule._bymonthday) + len(rule._bynmonthday),
        len(rule._byyearday or ()),
        7 * len(rule._byweekno or ()),
    )  # each is a bound of its own; 0: the rule has no such part
    a_day = min(filter(None, (len(times), positions, rule._count)))
    a_month = len(times) * min(filter(None, days))
    a_month = min(filter(None, (a_month, periods * positions, rule._count)))
    further: list[datetime] = rules._rdate
    times += [one.time() for one in further]
    a_day += max(Counter(one.date() for one in further).values(), default=0)
    a_month += max(Counter((one.year, one.month) for one in further).values(), default=0)
    return times, a_day, a_month


def _longest(months: Collection[int] | None) -> int:
    """Days of the longest of these months, None for all of them, in a leap year."""
    return max(monthrange(2024, month)[1] for month in months or (1,))


def _weekdays(weekdays: Collection[int], longest: int) -> int:
    """Most dates on these weekdays in a month: four of each, and of those after the 28th."""
    after = range(longest - 28)
    return 4 * len(weekdays) + max(
        sum((first + n) % 7 in weekdays for n in after) for first in range(7)
    )


def rule_problem(text: str) -> str | None:
    """Why a recurrence cannot be parsed, or would block Prefect's server; None if neither."""
    try:
        rules = _parse(text)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        return f"the rule cannot be parsed: {error}"
    found: list[Any] = rules._rrule
    if len(found) != 1 or rules._exrule or found[0]._freq > DAILY:
        return "a rule has one FREQ, of DAILY, WEEKLY, MONTHLY, YEARLY; `interval` can be shorter"
    rule = found[0]
    if len(rule._timeset) > _MOST_TIMES_A_DAY:
        return f"a rule gives at most {_MOST_TIMES_A_DAY} times a day; `interval` can give more"
    if rule._interval < 1:
        return "INTERVAL is at least 1"
    if rule._byeaster:
        return "BYEASTER is not of RFC 5545"
    most = _WEEKS if rule._freq == YEARLY and not rule._bymonth else _WEEKS_OF_MONTH
    if any(abs(nth) > most for _, nth in rule._bynweekday or ()):
        return f"BYDAY counts to {most} at most in this rule"
    if rule._dtstart.year < _EARLIEST_YEAR:
        return f"DTSTART is before {_EARLIEST_YEAR}"
    last = _BEGIN.replace(year=_BEGIN.year + _YEARS)
    dates: rrule = rule.replace(dtstart=_BEGIN, count=None, until=last)
    if next(iter(dates), None) is None:
        return f"the rule gives no date within {_YEARS} years"
    return None


def _parse(text: str) -> rruleset:
    return rrulestr(text, dtstart=_ANCHOR, forceset=True)
