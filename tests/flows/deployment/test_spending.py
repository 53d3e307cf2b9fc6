"""What deployments may buy: which runs can, what starts them by itself, and how often."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, reject, settings, strategies as st
from prefect import get_client

from rivya_flows.errors import BudgetError, UsageError
from rivya_flows.flows.deployment.deploy import deploy, deployed_spending, other_spending, start_of
from rivya_flows.flows.deployment.desired import DeployOptions, prefect_schedule, read_specs
from rivya_flows.flows.prefect_internals import dates_of
from rivya_flows.language.workflow import Schedule
from rivya_flows.money.live_guard import Start
from rivya_flows.settings import read_settings
from rivya_flows.store.deployments import Most
from rivya_flows.store.journal import Journal
from rivya_flows.up.provisioning import agree_to_others
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import buy_from

SCHEDULED = """\
version: 1
name: NAME
budget: {credits: 2}
steps: {still: {uses: generate, with: {model: z-image, prompt: A lamp}}}
deploy:
  - {name: hourly, schedules: [{interval: 1h}, {cron: "@daily", active: false}]}
  - {name: on-brief, triggers: [{event: brief.came}]}
  - {name: by-hand}
"""
NOW = datetime(2026, 11, 30, 4, 0, 30, tzinfo=UTC)  # a Monday
SPEC = """\
version: 1
name: lamp
labels: {client: acme, shop: "${{ inputs.shop }}"}
inputs: {shop: {type: string, default: a}}
budget: {credits: 60}
steps:
  still: {uses: generate, with: {model: z-image, prompt: A lamp}}
deploy:
  - name: by-hand
  - name: weekly
    schedules: [{cron: "0 9 * * 1", timezone: Asia/Kolkata}, {interval: 10, active: false}]
  - name: on-brief
    triggers: [{event: campaign.*, match: {shop: [a, b], client: acme}}, {event: other, active: false}]
"""
FREE = """\
version: 1
name: free
steps:
  call: {uses: notify, with: {url: "https://example.com"}}
deploy: [{name: by-hand}]
"""


async def test_schedules_and_triggers_that_are_active_start_runs(tmp_path: Path) -> None:
    (tmp_path / "lamp.yaml").write_text(SPEC)
    (tmp_path / "free.yaml").write_text(FREE)
    found = await deployed_spending(read_specs([tmp_path]), NOW)
    free, by_hand, weekly, on_brief = found
    assert (free.buys, free.budget) == (False, None)
    assert (by_hand.buys, by_hand.labels, by_hand.most) == (True, {"client": "acme"}, Most(60))
    [start] = weekly.starts
    assert start == Start("next on Mon 2026-12-07 at 09:00 Asia/Kolkata", 1, 5)
    assert weekly.most == Most(60, 1, 5)
    assert on_brief.starts == (Start("on each event campaign.* (client=acme, shop=a|b)"),)
    assert on_brief.most == Most(60, events=("on each event campaign.* (client=acme, shop=a|b)",))


@pytest.mark.parametrize(
    ("schedule", "following", "a_day", "a_month"),
    [
        ({"interval": "10s"}, "2026-11-30 04:00", 8_640, 267_840),
        ({"interval": "7h"}, "2026-11-30 07:00", 4, 107),
        ({"interval": "1h", "timezone": "Europe/Berlin"}, "2026-11-30 06:00", 25, 745),
        ({"interval": "24h", "timezone": "Europe/Berlin"}, "2026-12-01 00:00", 1, 31),
        ({"interval": "240h"}, "2026-12-06 00:00", 1, 4),
        ({"cron": "* * * * *"}, "2026-11-30 04:01", 1_440, 44_640),
        ({"cron": "@hourly"}, "2026-11-30 05:00", 24, 744),
        ({"cron": "0 9,18 * * 1"}, "2026-11-30 09:00", 2, 10),
        ({"cron": "0 9 31 * *"}, "2026-12-31 09:00", 1, 1),
        ({"cron": "34 */20 24-28 1 3"}, "2027-01-06 00:34", 2, 20),
        ({"cron": "0 9 31 * 1"}, "2026-11-30 09:00", 1, 6),
        ({"cron": "0 9 30,1-15 * *"}, "2026-11-30 09:00", 1, 16),
        ({"cron": "0 9 * * 1-5"}, "2026-11-30 09:00", 1, 23),
        ({"cron": "0 9 * * 1", "timezone": "Africa/Cairo"}, "2026-11-30 09:00", 1, 5),
        ({"cron": "0 9 * 1 *"}, "2027-01-01 09:00", 1, 31),
        ({"cron": "0 9 1 1 *"}, "2027-01-01 09:00", 1, 1),
        ({"rrule": "FREQ=WEEKLY;BYDAY=MO,TH;BYHOUR=9;BYMINUTE=0;BYSECOND=0"}, "2026-11-30 09:00", 1, 9),
        ({"rrule": f"FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))};BYMINUTE=0;BYSECOND=0"},
         "2026-11-30 05:00", 24, 744),
        ({"rrule": f"RRULE:FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))};BYMINUTE=0;BYSECOND=0\nRDATE:20261215T010101,20261215T010102"},
         "2026-11-30 05:00", 26, 746),
        ({"rrule": f"RRULE:FREQ=YEARLY;INTERVAL=3;BYHOUR={','.join(map(str, range(24)))};BYMINUTE=0;BYSECOND=0;BYMONTH=1;BYMONTHDAY={','.join(map(str, range(1, 32)))}\nRDATE:20270701T000000"},
         "2027-07-01 00:00", 25, 745),
        ({"rrule": "DTSTART:20200101T000000\nRRULE:FREQ=WEEKLY;BYHOUR=5,17;BYMINUTE=38,32,53;BYDAY=WE,MO,SU;BYMONTHDAY=5,19,18,25,4,11,2,14;BYMONTH=3,6;COUNT=602", "timezone": "Asia/Kolkata"},
         "2027-03-14 05:32", 6, 48),
        ({"rrule": "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;BYHOUR=9"}, "2026-12-07 09:00", 1, 3),
        ({"rrule": "FREQ=DAILY;INTERVAL=2;BYHOUR=9;BYMONTH=2"}, "2027-02-01 09:00", 1, 15),
        ({"rrule": "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYSETPOS=-1"}, "2026-11-30 09:00", 1, 1),
        ({"rrule": "DTSTART:20261201T090000\nRRULE:FREQ=DAILY;COUNT=3"}, "2026-12-01 09:00", 1, 3),
        ({"rrule": "FREQ=DAILY;BYHOUR=0,9,22;BYMINUTE=30", "timezone": "Africa/Cairo"}, "2026-11-30 09:30", 4, 94),
    ],
)  # fmt: skip
async def test_the_most_runs_in_a_day_and_in_a_month(
    schedule: dict[str, str], following: str, a_day: int, a_month: int
) -> None:
    start = await start_of(Schedule.model_validate(schedule), NOW)
    assert start is not None
    assert following.replace(" ", " at ") in start.when
    assert (start.a_day, start.a_month) == (a_day, a_month)


_BOUND = {
    "interval": st.integers(20_000, 400_000),
    "cron": st.builds(
        "30 {} {} {} {}".format,
        st.sampled_from(["9", "0,23", "*/20"]),
        st.sampled_from(["*", "31", "1-7", "24-28"]),
        st.sampled_from(["*", "3", "2,10"]),
        st.sampled_from(["*", "3", "1-5", "sun,mon"]),
    ),
    "rrule": st.builds(
        "DTSTART:2026{}T003000\nRRULE:FREQ={};INTERVAL={}{}{}{}{}".format,
        st.sampled_from(["0101", "0831"]),
        st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
        st.integers(1, 3),
        st.sampled_from(["", ";BYDAY=MO", ";BYDAY=SA,SU,MO", ";BYDAY=1MO,-1FR"]),
        st.sampled_from(["", ";BYMONTHDAY=-1,31,1", ";BYWEEKNO=1,53", ";BYYEARDAY=1,60,-1"]),
        st.sampled_from(["", ";BYHOUR=0,22", ";BYHOUR=9;BYSETPOS=-1", ";BYHOUR=0,9;BYSETPOS=1,3"]),
        st.sampled_from(["", "\nRDATE:20270101T000000,20270101T090000,20281031T233000"]),
    ),
}


@given(st.sampled_from(sorted(_BOUND)).flatmap(lambda kind: st.fixed_dictionaries({kind: _BOUND[kind]})),
       st.sampled_from(["UTC", "Europe/Berlin", "Africa/Cairo", "America/Nuuk"]),
       st.integers(2026, 2032))  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_no_day_and_no_month_of_prefect_has_more_runs_than_people_are_told(
    written: dict[str, Any], zone: str, year: int
) -> None:
    schedule = Schedule.model_validate({**written, "timezone": zone})
    begin = datetime(year, 1, 1, tzinfo=ZoneInfo(zone))
    try:
        start = asyncio.run(start_of(schedule, begin))
    except UsageError:  # no date in 50 years
        reject()
    end = begin.replace(year=year + 1)
    found = asyncio.run(dates_of(prefect_schedule(schedule), 1_000, begin, end))
    a_day = Counter(one.date() for one in found)
    a_month = Counter((one.year, one.month) for one in found)
    said = (start.a_day or 0, start.a_month or 0) if start else (0, 0)
    assert max(a_day.values(), default=0) <= said[0]
    assert max(a_month.values(), default=0) <= said[1]


async def test_a_rule_whose_dates_have_passed_starts_nothing() -> None:
    rule = "DTSTART:20250101T090000\nRRULE:FREQ=DAILY;COUNT=3"
    assert await start_of(Schedule(rrule=rule), NOW) is None


@pytest.mark.prefect
async def test_what_a_rehearsal_deployed_is_asked_for_before_a_worker_buys_with_a_real_wallet(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy_from(sandbox, monkeypatch)
    name = f"spec-{uuid.uuid4().hex[:8]}"
    path = tmp_path / f"{name}.yaml"
    path.write_text(SCHEDULED.replace("NAME", name))
    await deploy(DeployOptions((path,)), read_settings())
    monkeypatch.setenv("RIVYA_FLOWS_LIVE", "true")
    settings, told = read_settings(), list[str]()
    with pytest.raises(BudgetError) as refused:
        await agree_to_others(None, settings, told.append, None)
    assert f"{name}/hourly, {name}/on-brief" in refused.value.message
    assert "prefect deployment delete" in str(refused.value.hint)
    lines = [one for one in told if one.startswith(name)]
    assert [one.partition(": ")[2] for one in lines] == [
        "at most 2 credits a run, 48 credits a day, 1,488 credits a month",
        "at most 2 credits a run, and no bound over time",
    ]
    given = {f"{name}/hourly"}
    async with get_client() as client:
        with closing(Journal(settings.store_url)) as journal:
            found = await other_spending(client, given, journal, NOW)
    assert [one.name for one in found if one.name.startswith(name)] == [f"{name}/on-brief"]
