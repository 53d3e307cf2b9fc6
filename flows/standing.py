"""What a Prefect server needs so that campaigns run on it: pool, automations, waker, deployments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from prefect import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import WorkerStatus
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from flows.automations import ensure_automations
from flows.deployments import WORK_POOL
from flows.waker import deploy_waker
from rivya_flows.settings import Settings


@dataclass(frozen=True)
class Standing:
    """What stands on the server now.

    Attributes:
        deployments: As ``flow/deployment``.
        automations: Names of those that were made or changed.
    """

    deployments: tuple[str, ...]
    automations: tuple[str, ...]


async def set_up(
    specs: Sequence[Path], settings: Settings, *, heartbeat_seconds: float
) -> Standing:
    """Makes the work pool, the automations, the waker, and the deployments of the specs.

    Raises:
        SpecError: A spec is wrong.
        UsageError: The server refuses something.
        StoreError: The store, where deployed specs are kept, cannot be written.
    """
    from flows.deploy import Order, deploy

    await ensure_work_pool(WORK_POOL)
    changed = await ensure_automations(heartbeat_seconds=heartbeat_seconds)
    await deploy_waker(WORK_POOL)
    names: tuple[str, ...] = ()
    if specs:
        done = await deploy(Order(tuple(specs)), settings)
        names = tuple(change.name for change in done.changes)
    return Standing(names, tuple(changed))


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
