"""On which machines the runs of a work pool are made, as far as the server can tell."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from prefect import get_client
from prefect.client.schemas.objects import WorkerStatus
from prefect.exceptions import ObjectNotFound

from rivya_flows.app.shared_store_checks import UNKNOWN_MACHINE, machine_of, this_machine


async def machines_of(pool: str) -> set[str]:
    """The machines of a pool's workers; that of this process where it is the only one in sight.

    Prefect knows workers by their names alone: one that is called ``NAME@MACHINE`` tells. Others
    run here where the server itself is on loopback, and else somewhere.
    """
    async with get_client() as client:
        local = is_loopback(str(client.api_url))
        try:
            kind = (await client.read_work_pool(pool)).type
            workers = await client.read_workers_for_work_pool(pool)
        except ObjectNotFound:
            kind, workers = "process", []
    if kind != "process":
        return {f"the containers of the {kind} pool {pool!r}"}
    found = {machine_of(one.name) for one in workers if one.status == WorkerStatus.ONLINE}
    if (local and UNKNOWN_MACHINE in found) or not found:
        found = found - {UNKNOWN_MACHINE} | {this_machine() if local else UNKNOWN_MACHINE}
    return found


def is_loopback(url: str) -> bool:
    """Whether an address leads to this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
