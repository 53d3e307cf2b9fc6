"""Schedules of specs as Prefect's, and the rules that would block its server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rivya_flows.errors import UsageError
from rivya_flows.flows.deployment.desired import prefect_schedule, schedule_problems
from rivya_flows.flows.prefect_internals import dates_of
from rivya_flows.language.workflow import Deploy, Schedule, Workflow


@pytest.mark.parametrize(("hours", "zone"), [(24, "Asia/Kolkata"), (25, "UTC"), (1, "UTC")])
def test_intervals_count_from_midnight_of_their_zone_and_whole_days_in_it(
    hours: int, zone: str
) -> None:
    made = prefect_schedule(Schedule(interval=hours * 3600, timezone="Asia/Kolkata"))
    found = made.model_dump(mode="json")
    assert (found["anchor_date"], found["timezone"]) == ("2024-01-01T00:00:00+05:30", zone)


async def test_a_later_look_finds_no_other_dates_of_an_interval() -> None:
    made = prefect_schedule(Schedule(interval=25 * 3600, timezone="America/New_York"))
    begin, end = datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)
    change = datetime(2026, 11, 5, tzinfo=UTC)  # behind the end of summer time
    planned = [one for one in await dates_of(made, 99, begin, end) if one >= change]
    assert planned == await dates_of(made, 99, change, end)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("FREQ=SECONDLY", "a rule has one FREQ"),
        ("RRULE:FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30", "a rule has one FREQ"),
        ("RRULE:FREQ=DAILY\nEXRULE:FREQ=DAILY", "a rule has one FREQ"),
        ("RRULE:FREQ=DAILY\nRRULE:INTERVAL=2", "cannot be parsed"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL is at least 1"),
        ("FREQ=MONTHLY;BYDAY=20SU,1MO", "BYDAY counts to 5 at most"),
        ("FREQ=YEARLY;BYDAY=54SU,1MO", "BYDAY counts to 53 at most"),
        ("FREQ=YEARLY;BYEASTER=0,300", "BYEASTER is not of RFC 5545"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31", "no date within 50 years"),
        ("FREQ=DAILY;BYHOUR=1,2,3,4,5;BYMINUTE=1,2,3,4,5", "at most 24 times a day"),
        ("DTSTART:00010101T000000\nRRULE:FREQ=DAILY", "before 2000"),
        ("FREQ=DAILY;BYDAY=" + ",".join(["MO"] * 200), "616 characters; at most 500"),
    ],
)
def test_a_recurrence_that_would_block_the_server_is_refused(rule: str, reason: str) -> None:
    schedule = Schedule(rrule=rule)
    with pytest.raises(UsageError, match=reason):
        prefect_schedule(schedule)
    deploy = Deploy(name="d", schedules=(schedule,))
    (found,) = schedule_problems(
        Workflow(version=1, name="a", steps={}, deploy=(deploy,)), "a.yaml"
    )
    assert (found.code, found.file) == ("bad-schedule", "a.yaml")
    assert reason in found.message


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=WEEKLY;BYDAY=MO,WE;BYHOUR=9;BYMINUTE=30",
        "RRULE:FREQ=DAILY;COUNT=3",
        "DTSTART:20240101T090000Z\nRRULE:FREQ=MONTHLY;BYDAY=1MO;UNTIL=20300101T000000Z",
        "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO\nEXDATE:20200229T000000",
    ],
)
def test_a_recurrence_of_some_dates_is_accepted(rule: str) -> None:
    assert prefect_schedule(Schedule(rrule=rule)).rrule == rule  # type: ignore[union-attr]
