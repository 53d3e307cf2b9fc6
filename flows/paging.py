"""Reads rows of a Prefect server, whose API answers at most 200 of them at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    FlowFilter,
    FlowRunFilter,
    TaskRunFilter,
    WorkPoolFilter,
)
from prefect.client.schemas.objects import FlowRun, StateType, TaskRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import TaskRunSort

PAGE = 200
UNFINISHED = (StateType.PENDING, StateType.RUNNING)
"""States of a task run that has begun and not ended."""

T = TypeVar("T")


async def read_all(read: Callable[[int], Awaitable[list[T]]]) -> list[T]:
    """All rows, in the order of the server."""
    found: list[T] = []
    while True:
        page = await read(len(found))
        found += page
        if len(page) < PAGE:
            return found


async def read_deployments(
    client: PrefectClient, *, tag: str | None = None, flows: Collection[str] | None = None
) -> list[DeploymentResponse]:
    """All deployments with this tag, and of one of the flows with these names; None: with any."""
    tagged = DeploymentFilter.model_validate({"tags": tag and {"all_": [tag]}})
    named = FlowFilter.model_validate({"name": _any(flows)})
    return await read_all(
        lambda at: client.read_deployments(
            deployment_filter=tagged, flow_filter=named, limit=PAGE, offset=at
        )
    )


def flow_runs_with(
    *,
    ids: Collection[UUID] | None = None,
    tags: Collection[str] | None = None,
    states: Collection[StateType] | None = None,
    deployment: UUID | None = None,
    ended_before: datetime | None = None,
) -> FlowRunFilter:
    """Flow runs with all of these properties; None: with any."""
    wanted = {
        "id": _any(ids),
        "tags": None if tags is None else {"all_": list(tags)},
        "state": None if states is None else {"type": _any(states)},
        "deployment_id": None if deployment is None else _any([deployment]),
        "end_time": None if ended_before is None else {"before_": ended_before},
    }
    return FlowRunFilter.model_validate(wanted)


async def read_flow_runs(
    client: PrefectClient, wanted: FlowRunFilter, *, pool: str | None = None
) -> list[FlowRun]:
    """All of these flow runs; with `pool`, those of one work pool."""
    there = None if pool is None else WorkPoolFilter.model_validate({"name": _any([pool])})
    return await read_all(
        lambda at: client.read_flow_runs(
            flow_run_filter=wanted, work_pool_filter=there, limit=PAGE, offset=at
        )
    )


async def read_task_runs(
    client: PrefectClient, of: FlowRunFilter, states: Collection[StateType] | None = None
) -> list[TaskRun]:
    """All task runs of flow runs, or those in some states, in the order of their beginning."""
    wanted = TaskRunFilter.model_validate({"state": states and {"type": _any(states)}})
    order = TaskRunSort.EXPECTED_START_TIME_ASC
    return await read_all(
        lambda at: client.read_task_runs(
            flow_run_filter=of, task_run_filter=wanted, sort=order, limit=PAGE, offset=at
        )
    )


def _any(values: Collection[T] | None) -> dict[str, list[T]] | None:
    return None if values is None else {"any_": list(values)}
