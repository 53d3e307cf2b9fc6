"""Cron schedules: what Prefect's server follows, and nothing that has no date."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time

import pytest
from hypothesis import given, strategies as st
from prefect.server.schemas.schedules import CronSchedule

from rivya_flows.language.syntax.cron import NAMES, Cron, cron_problem, read_cron

_VALUES = st.one_of(
    st.integers(0, 70).map(str),
    st.sampled_from(
        ["jan", "feb", "sun", "mon", "sat", "L", "l5", "?", "*", "R", "H", "xyz", "07"]
    ),
)
_PARTS = st.one_of(
    _VALUES,
    st.tuples(_VALUES, _VALUES).map("-".join),
    st.tuples(_VALUES, st.integers(0, 9)).map(lambda two: f"{two[0]}/{two[1]}"),
    st.tuples(_VALUES, _VALUES, st.integers(0, 9)).map(lambda all_: "{}-{}/{}".format(*all_)),
    st.tuples(_VALUES, st.integers(0, 6)).map(lambda two: f"{two[0]}#{two[1]}"),
)
_FIELDS = st.one_of(
    st.just("*"), st.just("*"), st.lists(_PARTS, min_size=1, max_size=2).map(",".join)
)


@given(st.lists(_FIELDS, min_size=5, max_size=5).map(" ".join))
def test_prefect_finds_a_date_for_each_schedule_that_passes(text: str) -> None:
    if cron_problem(text) is None:
        schedule = CronSchedule(cron=text, timezone="UTC")
        assert asyncio.run(schedule.get_dates(1, datetime(2026, 1, 1, tzinfo=UTC)))


def test_a_cron_is_read_by_its_parts() -> None:
    noon = [time(12, 30)]
    assert read_cron("30 12 * * *") == Cron(noon, None, frozenset(range(1, 13)), None)
    assert read_cron("30 12 20,1-15 feb *") == Cron(noon, 16, frozenset({2}), None)
    assert read_cron("30 12 * 3 fri-7") == Cron(noon, None, frozenset({3}), frozenset({5, 6, 0}))
    assert read_cron("@Hourly").times == [time(hour) for hour in range(24)]


@pytest.mark.parametrize(
    "text",
    [*NAMES, "@Daily", "0 9 * * 1", "*/15 8-18 * * mon-fri", "0 9 29 2 *",
     "0 9 31 2 mon", "5/20 0 1,15 jan-mar *", "0 9 * * fri-mon", "0 9 * * 7"],
)  # fmt: skip
def test_a_schedule_of_prefect_passes(text: str) -> None:
    assert cron_problem(text) is None
    assert CronSchedule(cron=text).cron == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("61 9 * * 1", "the minute is 0 to 59, not '61'"),
        ("0 24 * * *", "the hour is 0 to 23, not '24'"),
        ("0 9 0 * *", "the day is 1 to 31, not '0'"),
        ("0 9 * 13 *", "the month is 1 to 12, or jan to dec, not '13'"),
        ("0 9 * * 8", "the weekday is 0 to 7, or sun to sat, not '8'"),
        ("0 9 * * monday", "not 'monday'"),
        ("*/0 * * * *", "the step of the minute is at least 1"),
        ("? 9 * * *", "the minute cannot be '?'"),
        ("0 9 L * *", "the day is 1 to 31, not 'l'"),
        ("0 9 * * fri#2", "the weekday cannot be 'fri#2'"),
        ("0 9 31 2,4,jun *", "has no date: no month of it has 31 days"),
        ("0 9 * *", "is not a cron schedule"),
        ("0 9 * * 1 *", "is not a cron schedule"),
        ("0 9-9 * * *", "'9-9' is one value, which Prefect reads as every one; write 9 or *"),
        ("59/5 9 * * *", "'59/5' is one value"),
        ("0 9 * * 6/4", "'6/4' is one value"),
        ("0 20-8/5 * * *", "'20-8/5' goes over its end, and takes no step"),
        ("@reboot", "there are @hourly, @midnight, @daily"),
    ],
)
def test_a_schedule_that_no_calendar_has_is_told_with_its_field(text: str, message: str) -> None:
    assert message in (cron_problem(text) or "")
