"""Work pools: made if missing, the workers that are online, and the machines they run on."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from prefect import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import Worker, WorkerStatus, WorkPool
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from rivya_flows.app.shared_store_checks import UNKNOWN_MACHINE, machine_of, this_machine
from rivya_flows.hosts import is_loopback

_PREFECTS_IMAGE = re.compile(r"(docker\.io/)?prefecthq/prefect(?![\w-])")
_INSTALLS = "EXTRA_PIP_PACKAGES"
"""The variable with packages that Prefect's image installs when its container starts."""


async def ensure_work_pool(name: str) -> None:
    """Makes a work pool for the warm worker unless there is one of that name."""
    async with get_client() as client:
        try:
            await client.read_work_pool(name)
            return
        except ObjectNotFound:
            pass
        from rivya_flows.flows.worker.campaign_worker import CampaignWorker

        template = CampaignWorker.get_default_base_job_template()
        try:
            await client.create_work_pool(
                WorkPoolCreate(name=name, type=CampaignWorker.type, base_job_template=template)
            )
        except ObjectAlreadyExists:  # another process was faster
            return


async def runs_at_once(pool: str) -> int:
    """How many flow runs a worker of a pool executes at once, unless it is told.

    A process for each run takes a core while it starts, and 110 MB while it waits.
    """
    from rivya_flows.flows.worker.campaign_worker import LIMIT, CampaignWorker

    async with get_client() as client:
        kind = (await client.read_work_pool(pool)).type
    return LIMIT if kind == CampaignWorker.type else max(2, os.cpu_count() or 2)


async def workers_online(pool: str, *, since: datetime | None = None) -> list[str]:
    """Names of the workers of a pool that are online.

    Args:
        since: Only those with a heartbeat after this moment; None: all.

    Raises:
        prefect.exceptions.ObjectNotFound: There is no such pool.
    """
    async with get_client() as client:
        found = _online(await client.read_workers_for_work_pool(pool))
    never = datetime.min.replace(tzinfo=UTC)
    return [
        one.name for one in found if since is None or (one.last_heartbeat_time or never) > since
    ]


async def machines_of(pool: str) -> set[str]:
    """The machines of a pool's workers; this machine if it is the only one known.

    Prefect knows a worker's name only. One called ``NAME@MACHINE`` names its machine; others run
    here if the server itself is on loopback, and on an unknown machine otherwise.
    """
    async with get_client() as client:
        local = is_loopback(str(client.api_url))
        try:
            kind = (await client.read_work_pool(pool)).type
            workers = await client.read_workers_for_work_pool(pool)
        except ObjectNotFound:
            kind, workers = "campaign", []
    if kind not in ("campaign", "process"):
        return {f"the containers of the {kind} pool {pool!r}"}
    found = {machine_of(one.name) for one in _online(workers)}
    if (local and UNKNOWN_MACHINE in found) or not found:
        found = found - {UNKNOWN_MACHINE} | {this_machine() if local else UNKNOWN_MACHINE}
    return found


def lacks_package(pool: WorkPool, job_variables: Mapping[str, Any]) -> bool:
    """Whether a run with these job variables gets Prefect's own image, which lacks this package.

    The workers of Docker, Kubernetes and ECS call the variable ``image``, and take Prefect's where
    it has no value.
    """
    template: Mapping[str, Any] = pool.base_job_template.get("variables", {}).get("properties", {})
    if "image" not in template:  # processes, or an image that the template alone decides
        return False

    def value(name: str) -> Any:
        return job_variables.get(name) or template.get(name, {}).get("default")

    environment = {**template.get("env", {}).get("default", {}), **(value("env") or {})}
    image = value("image")
    return not environment.get(_INSTALLS) and (not image or bool(_PREFECTS_IMAGE.match(str(image))))


def _online(workers: list[Worker]) -> list[Worker]:
    return [one for one in workers if one.status == WorkerStatus.ONLINE]
