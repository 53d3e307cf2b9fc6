"""The deployment of the waker: made once for a server, and left alone while it is as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from prefect import get_client
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.schedules import Interval

from rivya_flows.flows.deploy_blocks import OWNER_TAG
from rivya_flows.flows.deployment.work_pools import workers_online
from rivya_flows.flows.questions.suspension import WAKER, WAKER_DEPLOYMENT
from rivya_flows.flows.recovery.waker import SWEEP

NAME = f"{WAKER}/{WAKER_DEPLOYMENT}"

_ANCHOR = datetime(2024, 1, 1, 0, 7, tzinfo=UTC)
"""Fixed, so that no `deploy` moves a sweep; beside the quarters at which schedules of specs begin."""

_SLUG = "sweep"


async def deploy_waker(pools: Sequence[str]) -> str | None:
    """Makes the waker, or changes what differs: an update makes the server plan its sweeps again.

    It stays in its work pool while that has a worker, or while none of the others has one.

    Args:
        pools: Work pools whose workers reach the store; a new waker gets the first one.

    Returns:
        Where it was moved and why, as a sentence; None if it was not.
    """
    async with get_client() as client:
        try:
            there = await client.read_deployment_by_name(NAME)
        except ObjectNotFound:
            there = None
    before = there.work_pool_name if there else None
    pool = before or pools[0]
    if not await _has_worker(pool):
        pool = next(iter([one for one in pools if await _has_worker(one)]), pool)
    wanted = _wanted(pool, dict(there.job_variables or {}) if there else {})
    if there is None or _differs(wanted, there):
        await wanted.aapply()
    if before is None or pool == before:
        return None
    return f"{NAME}: moved to the work pool {pool}; {before} has no worker"


async def _has_worker(pool: str) -> bool:
    try:
        return bool(await workers_online(pool))
    except ObjectNotFound:
        return False


def _wanted(pool: str, job_variables: dict[str, Any]) -> RunnerDeployment:
    return RunnerDeployment.from_entrypoint(
        "rivya_flows.flows.recovery.waker:wake_overdue",
        name=WAKER_DEPLOYMENT,
        description=(
            "Part of rivya-flows, not a campaign: every 15 minutes it resumes runs whose question"
            " nobody answered in time, and runs that died. It buys nothing by itself."
        ),
        schedules=[Interval(SWEEP, anchor_date=_ANCHOR, slug=_SLUG)],
        # One at a time, none dropped: each may have a deadline of its own.
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE
        ),
        tags=[WAKER_DEPLOYMENT, OWNER_TAG],
        work_pool_name=pool,
        job_variables=job_variables,  # that an operator may have set
    )


def _differs(wanted: RunnerDeployment, there: DeploymentResponse) -> bool:
    limit = there.global_concurrency_limit
    found = {one.slug: one.schedule for one in there.schedules}
    asked = {one.slug: one.schedule for one in wanted.schedules or ()}
    return (
        any(getattr(there, name) != getattr(wanted, name) for name in _FIELDS)
        or limit is None
        or limit.limit != wanted.concurrency_limit
        or found != asked
    )


_FIELDS = ("entrypoint", "description", "tags", "work_pool_name", "concurrency_options")
