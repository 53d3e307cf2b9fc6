"""What deployments need of a server: their work pools with workers, and the waker."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from prefect import get_client
from prefect.client.schemas.actions import (
    DeploymentScheduleCreate,
    DeploymentUpdate,
    WorkPoolCreate,
)
from prefect.client.schemas.objects import (
    ConcurrencyLimitStrategy,
    ConcurrencyOptions,
    Worker,
    WorkerStatus,
    WorkPool,
)
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from rivya_client.hosts import is_loopback
from rivya_flows.flows.deployment.sync import Desired, reconcile
from rivya_flows.flows.questions import WAKER, WAKER_DEPLOYMENT
from rivya_flows.flows.recovery.waker import SWEEP
from rivya_flows.preparation.deploy_blocks import OWNER_TAG
from rivya_flows.store.shared_store_checks import UNKNOWN_MACHINE, machine_of, this_machine

_PREFECTS_IMAGE = re.compile(r"(docker\.io/)?prefecthq/prefect(?![\w-])")


async def ensure_work_pool(name: str) -> None:
    """Makes a work pool for the warm worker unless there is one of that name."""
    from rivya_flows.flows.worker.campaign_worker import CampaignWorker

    template = CampaignWorker.get_default_base_job_template()
    pool = WorkPoolCreate(name=name, type=CampaignWorker.type, base_job_template=template)
    async with get_client() as client:
        with suppress(ObjectAlreadyExists):
            await client.create_work_pool(pool)


async def runs_at_once(pool: str) -> int:
    """How many flow runs a worker of a pool executes at once, unless it is told."""
    from rivya_flows.flows.worker.campaign_worker import LIMIT, CampaignWorker

    async with get_client() as client:
        kind = (await client.read_work_pool(pool)).type
    return LIMIT if kind == CampaignWorker.type else max(2, os.cpu_count() or 2)


async def workers_online(pool: str, *, since: datetime | None = None) -> list[str]:
    """Names of the workers of a pool that are online, and had a heartbeat `since` then; none if it is gone."""
    workers: list[Worker] = []
    async with get_client() as client:
        with suppress(ObjectNotFound):
            await client.read_work_pool(pool)
            workers = await client.read_workers_for_work_pool(pool)
    never = datetime.min.replace(tzinfo=UTC)
    return [
        one.name
        for one in workers
        if one.status == WorkerStatus.ONLINE
        and (since is None or (one.last_heartbeat_time or never) > since)
    ]


async def machines_of(pool: str) -> set[str]:
    """The machines of a pool's workers, which ``NAME@MACHINE`` names; others run here if the server is on loopback."""
    kind = "campaign"
    async with get_client() as client:
        local = is_loopback(str(client.api_url))
        with suppress(ObjectNotFound):
            kind = (await client.read_work_pool(pool)).type
    if kind not in ("campaign", "process"):
        return {f"the containers of the {kind} pool {pool!r}"}
    found = {machine_of(name) for name in await workers_online(pool)}
    if (local and UNKNOWN_MACHINE in found) or not found:
        found = found - {UNKNOWN_MACHINE} | {this_machine() if local else UNKNOWN_MACHINE}
    return found


def lacks_package(pool: WorkPool, variables: Mapping[str, Any]) -> bool:
    """Whether a run with these job variables gets Prefect's own image, which lacks this package."""
    template = pool.base_job_template.get("variables", {}).get("properties", {})
    if "image" not in template:  # processes, or an image that the template alone decides
        return False
    defaults = {name: template.get(name, {}).get("default") for name in ("env", "image")}
    # Prefect's image installs the packages of this variable when its container starts.
    if {**(defaults["env"] or {}), **variables.get("env", {})}.get("EXTRA_PIP_PACKAGES"):
        return False
    image = variables.get("image") or defaults["image"]
    return not image or bool(_PREFECTS_IMAGE.match(str(image)))


WAKER_NAME = f"{WAKER}/{WAKER_DEPLOYMENT}"

_SLUG = "sweep"
_SWEEPS = IntervalSchedule(interval=SWEEP, anchor_date=datetime(2024, 1, 1, 0, 7, tzinfo=UTC))
"""Fixed, so that no `deploy` moves a sweep; beside the quarters at which schedules of specs begin."""


async def deploy_waker(pools: Sequence[str]) -> str | None:
    """Makes the waker, or changes what differs: an update makes the server plan its sweeps again.

    It stays in its work pool while that has a worker, or while none of the others has one; a new one gets the
    first pool. Gives where it was moved and why, as a sentence; None if it was not.
    """
    async with get_client() as client:
        try:
            there = await client.read_deployment_by_name(WAKER_NAME)
        except ObjectNotFound:
            there = None
        before = there.work_pool_name if there else None
        staffed = [one for one in (before, *pools) if one and await workers_online(one)]
        pool = next(iter(staffed), before or pools[0])
        schedules = there.schedules if there else ()
        active = next((one.active for one in schedules if one.slug == _SLUG), True)
        fields = DeploymentUpdate(
            entrypoint="rivya_flows.flows.recovery.waker:wake_overdue",
            description="Part of rivya-flows, not a campaign: every 15 minutes it resumes runs whose question"
            " nobody answered in time, and runs that died. It buys nothing by itself.",
            tags=[WAKER_DEPLOYMENT, OWNER_TAG],
            work_pool_name=pool,
            pull_steps=[],
            # One at a time, none dropped: each may have a deadline of its own.
            concurrency_limit=1,
            concurrency_options=ConcurrencyOptions(
                collision_strategy=ConcurrencyLimitStrategy.ENQUEUE
            ),
        )
        sweeps = DeploymentScheduleCreate(schedule=_SWEEPS, active=active, slug=_SLUG)
        await reconcile(client, Desired(WAKER_NAME, fields, {_SLUG: sweeps}), there, prune=True)
    if before is None or pool == before:
        return None
    return f"{WAKER_NAME}: moved to the work pool {pool}; {before} has no worker"
