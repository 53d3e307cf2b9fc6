"""What `doctor` says of a Prefect server and its work pools."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from unittest.mock import AsyncMock, Mock
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import Worker, WorkerStatus, WorkPool

from rivya_flows.flows.deployment.infrastructure import (
    _check_pool,
    _check_settings,
    lacks_package,
    server_checks,
)
from rivya_flows.flows.prefect_api import PAGE
from rivya_flows.flows.prefect_internals import LEASES_ON_DISK
from rivya_flows.flows.questions import WAKER
from rivya_flows.preparation.deploy_blocks import OWNER_TAG
from rivya_flows.settings import read_settings
from support.prefect_workers import Server


def answering(pool_type: str) -> Mock:
    """A client of a server with one pool and one worker."""
    one = Worker(
        id=uuid4(),
        name="one@here",
        work_pool_id=uuid4(),
        last_heartbeat_time=datetime.now(UTC),
        status=WorkerStatus.ONLINE,
    )
    pool = WorkPool(name="warm", type=pool_type, default_queue_id=uuid4())
    return Mock(
        read_work_pool=AsyncMock(return_value=pool),
        read_workers_for_work_pool=AsyncMock(return_value=[one]),
    )


@pytest.mark.parametrize(
    ("pool_type", "status"), [("campaign", "ok"), ("process", "warning"), ("docker", "ok")]
)
async def test_a_pool_of_the_type_process_is_a_warning(pool_type: str, status: str) -> None:
    check, online = await _check_pool(answering(pool_type), "warm", used=True)
    assert (check.status, online) == (status, 1)
    if status == "warning":
        assert check.message == "warm is of type process; warm workers need campaign"


IN_MEMORY = "prefect.server.concurrency.lease_storage.memory"


@pytest.mark.parametrize(
    ("status", "batch_size", "broker", "escapes", "leases", "workers"),
    [
        ("ok", 100, "memory", True, LEASES_ON_DISK, 1),
        ("warning", 1, "memory", True, LEASES_ON_DISK, 1),  # loses rows
        ("warning", 100, "prefect.server.utilities.messaging.memory", True, LEASES_ON_DISK, 2),
        ("ok", 100, "prefect_redis.messaging", True, LEASES_ON_DISK, 2),
        ("problem", 100, "redis", False, IN_MEMORY, 1),  # SQLite under a worker
        ("ok", 100, "redis", False, IN_MEMORY, 0),
        ("ok", 100, "redis", False, LEASES_ON_DISK, 1),  # of `up`
        ("ok", 100, "redis", True, "prefect_redis.lease_storage", 1),  # PostgreSQL
    ],
)
async def test_settings_of_a_server_that_lose_rows_or_messages_or_lock_its_database_are_told(
    status: str, batch_size: int, broker: str, escapes: bool, leases: str, workers: int
) -> None:
    async def read_flows(*, flow_filter: Any, limit: int) -> list[str]:
        pattern = flow_filter.name.like_
        return [WAKER] if escapes or "\\" not in pattern else []

    server = {
        "services": {"task_run_recorder": {"batch_size": batch_size}},
        "events": {"messaging_broker": broker},
        "concurrency": {"lease_storage": leases},
    }
    answer = AsyncMock(return_value=Mock(json=lambda: {"server": server}))
    client = Mock(request=answer, read_flows=read_flows)
    assert [check.status for check in await _check_settings(client, workers)] == [status]


@pytest.mark.prefect
def test_the_pool_of_each_deployment_is_checked_however_many_there_are(server: Server) -> None:
    """A pool with one deployment, which the server lists after a whole page of others."""
    flow = server.ask("POST", "/flows/", {"name": f"many-{uuid4().hex[:8]}"})["id"]
    deployment = {"flow_id": flow, "tags": [OWNER_TAG]}
    try:
        for number in range(PAGE):
            server.ask("POST", "/deployments/", deployment | {"name": f"{number:03}"})
        pool = f"pool-{uuid4().hex[:8]}"
        server.ask("POST", "/work_pools/", {"name": pool, "type": "campaign"})
        last = {"name": "zz-last", "work_pool_name": pool}
        server.ask("POST", "/deployments/", deployment | last)

        async def said() -> list[str]:
            return [one.message async for one in server_checks(read_settings())]

        assert f"{pool} has no worker, so its runs do not start" in asyncio.run(said())
    finally:
        server.ask("DELETE", f"/flows/{flow}")


def pool(**defaults: Any) -> WorkPool:
    """A pool whose template has these variables with these defaults."""
    properties = {name: {"default": value} for name, value in defaults.items()}
    template = {"variables": {"properties": properties}, "job_configuration": {}}
    return WorkPool(
        name="pods", type="kubernetes", base_job_template=template, default_queue_id=uuid4()
    )


@pytest.mark.parametrize(
    ("defaults", "job_variables"),
    [
        ({"image": None}, {}),
        ({"image": "prefecthq/prefect:3.9.1-python3.11"}, {}),
        ({"image": "studio:7"}, {"image": "docker.io/prefecthq/prefect:3-latest"}),
        ({"image": None, "env": {"BRAND": "x"}}, {"env": {"BRAND": "y"}}),
    ],
)
def test_prefects_own_image_lacks_the_package(
    defaults: dict[str, Any], job_variables: dict[str, Any]
) -> None:
    assert lacks_package(pool(**defaults), job_variables)


@pytest.mark.parametrize(
    ("defaults", "job_variables"),
    [
        ({}, {}),  # processes
        ({"image": "studio:7"}, {}),
        ({"image": None}, {"image": "studio:7"}),
        ({"image": "prefecthq/prefect-studio:7"}, {}),
        ({"image": None}, {"env": {"EXTRA_PIP_PACKAGES": "rivya-flows"}}),
        ({"image": None, "env": {"EXTRA_PIP_PACKAGES": "rivya-flows"}}, {"env": {"BRAND": "y"}}),
    ],
)
def test_any_other_image_is_taken_as_it_is(
    defaults: dict[str, Any], job_variables: dict[str, Any]
) -> None:
    assert not lacks_package(pool(**defaults), job_variables)
