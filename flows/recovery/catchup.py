"""Decides which runs of a schedule run: none of one that is gone, late ones by its `catchup`.

Prefect keeps the scheduled runs that no worker picked up, also after their schedule was switched
off; a worker that returns executes them all, oldest first. A skipped run buys nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound

from rivya_flows.flows.deploy_blocks import schedule_of
from rivya_flows.flows.prefect_internals import made_by, schedule_slug
from rivya_flows.language.workflow import Schedule, Workflow

_NEWEST = 200
"""How many of a deployment's newest runs are searched for a newer one of the same schedule."""


@dataclass(frozen=True)
class PassedOver:
    """The outcome of a skipped run."""

    sentence: str
    status: str = "skipped"


@dataclass(frozen=True)
class Due:
    """A past date of a schedule."""

    at: datetime
    cancelled: bool


def decide(
    schedule: Schedule, at: datetime, now: datetime, grace: timedelta, others: Sequence[Due]
) -> PassedOver | None:
    """Decides whether to skip a run; None lets it run.

    Args:
        grace: A run is late only after this time.
    """
    late = now - at
    if late <= grace or schedule.catchup == "all":
        return None
    due = f"due at {at:%Y-%m-%d %H:%M} UTC, {_duration(late)} late"
    if schedule.catchup == "skip":
        return PassedOver(f"{due}; its schedule says `catchup: skip`; nothing was bought")
    newer = [other.at for other in others if other.at > at and not other.cancelled]
    if not newer:
        return None
    return PassedOver(
        f"{due}; the run of {max(newer):%Y-%m-%d %H:%M} UTC replaces it; nothing was bought"
    )


async def skipped_run(workflow: Workflow, grace_seconds: float) -> PassedOver | None:
    """Decides whether to skip the flow run of this process; None lets it run.

    Skips only runs that a schedule made, and only when they first begin: a retry is deliberate.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None or not run.auto_scheduled or run.run_count > 1:
        return None
    now, grace = datetime.now(UTC), timedelta(seconds=grace_seconds)
    async with get_client() as client:
        deployment = await _deployment(client, run)
        made = None if deployment is None else made_by(run, deployment.schedules)
        if deployment is None or made is None:
            return PassedOver("its schedule was taken away; nothing was bought")
        if not made.active or deployment.paused:
            return PassedOver("its schedule is switched off; nothing was bought")
        if run.expected_start_time is None or now - run.expected_start_time <= grace:
            return None
        schedule = schedule_of(workflow, deployment.name, made.slug or "")
        if schedule is None:  # a person added it
            return None
        others = await _others(client, run, now) if schedule.catchup == "latest" else []
    return decide(schedule, run.expected_start_time, now, grace, others)


async def _deployment(client: PrefectClient, run: FlowRun) -> DeploymentResponse | None:
    with suppress(ObjectNotFound):
        if run.deployment_id is not None:
            return await client.read_deployment(run.deployment_id)
    return None


async def _others(client: PrefectClient, run: FlowRun, now: datetime) -> list[Due]:
    """Later runs of the same schedule that are due by now."""
    assert run.deployment_id is not None  # a schedule made it
    found = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[run.deployment_id]),
            expected_start_time=FlowRunFilterExpectedStartTime(
                after_=run.expected_start_time, before_=now
            ),
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=_NEWEST,
    )
    # By slug: deploying again may give a schedule another id.
    return [
        Due(one.expected_start_time, one.state is not None and one.state.is_cancelled())
        for one in found
        if one.id != run.id
        and one.expected_start_time is not None
        and schedule_slug(one) == schedule_slug(run)
    ]


def _duration(late: timedelta) -> str:
    minutes = int(late.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
