"""Which late runs of a schedule are made up for, and when a schedule wanted a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import DeploymentSchedule, FlowRun, State
from prefect.client.schemas.schedules import CronSchedule, NoSchedule
from prefect.states import Cancelled, Scheduled

from rivya_flows.flows.execution.execute import decide, in_zone_of
from rivya_flows.language.workflow import Schedule

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
GRACE = timedelta(minutes=5)


def hours(count: float, *, cancelled: bool = False) -> FlowRun:
    state: State[Any] = Cancelled() if cancelled else Scheduled()
    at = NOON + timedelta(hours=count)
    return FlowRun(flow_id=uuid4(), expected_start_time=at, state=state)


@pytest.mark.parametrize(
    ("catchup", "late", "others", "runs"),
    [
        pytest.param("skip", timedelta(seconds=40), [], True, id="on time"),
        pytest.param("skip", timedelta(hours=3), [], False, id="late"),
        pytest.param("all", timedelta(days=30), [hours(1)], True, id="all"),
        pytest.param("latest", timedelta(hours=3), [], True, id="the only one"),
        pytest.param("latest", timedelta(hours=3), [hours(-1)], True, id="the latest"),
        pytest.param("latest", timedelta(hours=3), [hours(1), hours(2)], False, id="an older one"),
        pytest.param(
            "latest", timedelta(hours=3), [hours(1, cancelled=True)], True, id="latest cancelled"
        ),
        pytest.param("latest", timedelta(seconds=40), [hours(0.01)], True, id="latest on time"),
    ],
)
def test_catchup_decides_about_late_runs(
    catchup: Any, late: timedelta, others: list[FlowRun], runs: bool
) -> None:
    schedule = Schedule(cron="0 * * * *", catchup=catchup)
    found = decide(schedule, NOON, NOON + late, GRACE, others)
    assert (found is None) == runs
    if found is not None:
        assert found.status == "skipped"
        assert "3 h late" in found.sentence
        assert "nothing was bought" in found.sentence


def test_a_run_knows_when_it_was_wanted_in_the_zone_of_its_schedule() -> None:
    late = datetime(2026, 11, 8, 19, 30, tzinfo=UTC)
    daily = CronSchedule(cron="0 1 * * *", timezone="Asia/Kolkata")
    made = DeploymentSchedule(deployment_id=uuid4(), schedule=daily)
    assert in_zone_of(made, late).isoformat() == "2026-11-09T01:00:00+05:30"
    odd = made.model_copy(update={"schedule": NoSchedule()})
    for one in (None, odd):
        assert in_zone_of(one, late).isoformat() == "2026-11-08T19:30:00+00:00"
