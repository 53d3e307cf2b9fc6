"""Which late runs of a schedule are made up for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled, Scheduled

from rivya_flows.flows.execution.execute import decide
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
