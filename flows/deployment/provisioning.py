"""What a Prefect server needs so that campaigns run on it: pool, automations, waker, deployments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import State, StateType, WorkerStatus
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.states import AwaitingRetry, Cancelled

from rivya_flows.flows.deploy_blocks import OWNER_TAG, WORK_POOL
from rivya_flows.flows.recovery.automations import ensure_automations
from rivya_flows.flows.recovery.waker import deploy_waker
from rivya_flows.settings import Settings

_PAGE = 200


@dataclass(frozen=True)
class ProvisioningResult:
    """What stands on the server now.

    Attributes:
        deployments: As ``flow/deployment``.
        automations: Names of those that were made or changed.
    """

    deployments: tuple[str, ...]
    automations: tuple[str, ...]


async def set_up(
    specs: Sequence[Path], settings: Settings, *, heartbeat_seconds: float
) -> ProvisioningResult:
    """Makes the work pool, the automations, the waker, and the deployments of the specs.

    Raises:
        SpecError: A spec is wrong.
        UsageError: The server refuses something.
        StoreError: The store, where deployed specs are kept, cannot be written.
    """
    from rivya_flows.flows.deployment.deploy import DeployOptions, deploy

    await ensure_work_pool(WORK_POOL)
    changed = await ensure_automations(heartbeat_seconds=heartbeat_seconds)
    await deploy_waker(WORK_POOL)
    names: tuple[str, ...] = ()
    if specs:
        done = await deploy(DeployOptions(tuple(specs)), settings)
        names = tuple(change.name for change in done.changes)
    return ProvisioningResult(names, tuple(changed))


async def ensure_work_pool(name: str) -> None:
    """Makes a work pool of processes unless there is one of that name."""
    async with get_client() as client:
        try:
            await client.read_work_pool(name)
            return
        except ObjectNotFound:
            pass
        from prefect.workers.process import ProcessWorker

        template = ProcessWorker.get_default_base_job_template()
        try:
            await client.create_work_pool(
                WorkPoolCreate(name=name, type="process", base_job_template=template)
            )
        except ObjectAlreadyExists:  # another process was faster
            return


async def put_back(pool: str, worker: str) -> int:
    """Schedules the runs anew that a worker left in the middle; gives how many there were.

    For a worker that has died with all its processes. The automations would do the same later: a
    server that has just been started waits a quarter of an hour for the event ahead of a crash.

    Args:
        pool: The work pool. While other workers of it are online nothing is touched.
        worker: Name of the one that died.
    """
    if set(await workers_online(pool)) - {worker}:
        return 0
    unfinished = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[OWNER_TAG]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(_LEFT))),
    )
    in_pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    async with get_client() as client:
        found = await client.read_flow_runs(
            flow_run_filter=unfinished, work_pool_filter=in_pool, limit=_PAGE
        )
        for one in found:
            if one.state_type is not None:
                await client.set_flow_run_state(one.id, _LEFT[one.state_type](), force=True)
    return len(found)


def _again() -> State[Any]:
    return AwaitingRetry(message="its worker ended; it goes on from its journal")


def _cancelled() -> State[Any]:
    return Cancelled(message="its worker ended while it was being cancelled")


# States of a run whose worker is gone, and what they become.
_LEFT: dict[StateType, Callable[[], State[Any]]] = {
    StateType.RUNNING: _again,
    StateType.PENDING: _again,
    StateType.CANCELLING: _cancelled,
}


async def workers_online(pool: str, *, since: datetime | None = None) -> list[str]:
    """Names of the workers of a pool that are online.

    Args:
        pool: The work pool.
        since: Only those that gave a sign of life after this moment; None: all.

    Raises:
        prefect.exceptions.ObjectNotFound: There is no such pool.
    """
    async with get_client() as client:
        found = await client.read_workers_for_work_pool(pool)
    return [
        one.name
        for one in found
        if one.status == WorkerStatus.ONLINE
        and (since is None or (one.last_heartbeat_time or datetime.min.replace(tzinfo=UTC)) > since)
    ]
