"""Reads rows of a Prefect server, whose API answers at most 200 of them at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    FlowRunFilter,
    TaskRunFilter,
    WorkPoolFilter,
)
from prefect.client.schemas.objects import FlowRun, StateType, TaskRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import TaskRunSort

PAGE = 200
UNFINISHED = (StateType.PENDING, StateType.RUNNING)  # of a task run that has begun

T = TypeVar("T")


async def read_all(read: Callable[..., Awaitable[list[T]]], **options: Any) -> list[T]:
    """All rows that a method of the client reads with these options, in the order of the server."""
    found: list[T] = []
    while True:
        page = await read(**options, limit=PAGE, offset=len(found))
        found += page
        if len(page) < PAGE:
            return found


async def read_deployments(client: PrefectClient, *, tag: str) -> list[DeploymentResponse]:
    tagged = DeploymentFilter.model_validate({"tags": {"all_": [tag]}})
    return await read_all(client.read_deployments, deployment_filter=tagged)


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
        "id": None if ids is None else {"any_": list(ids)},
        "tags": None if tags is None else {"all_": list(tags)},
        "state": None if states is None else {"type": {"any_": list(states)}},
        "deployment_id": deployment and {"any_": [deployment]},
        "end_time": ended_before and {"before_": ended_before},
    }
    return FlowRunFilter.model_validate(wanted)


async def read_flow_runs(
    client: PrefectClient, wanted: FlowRunFilter, *, pool: str | None = None
) -> list[FlowRun]:
    """All of these flow runs; with `pool`, those of one work pool."""
    there = pool and WorkPoolFilter.model_validate({"name": {"any_": [pool]}})
    return await read_all(client.read_flow_runs, flow_run_filter=wanted, work_pool_filter=there)


async def read_task_runs(
    client: PrefectClient, of: FlowRunFilter, states: Collection[StateType] = ()
) -> list[TaskRun]:
    """All task runs of flow runs, or those in some states, in the order of their beginning."""
    wanted = states and TaskRunFilter.model_validate({"state": {"type": {"any_": list(states)}}})
    order = TaskRunSort.EXPECTED_START_TIME_ASC
    return await read_all(
        client.read_task_runs, flow_run_filter=of, task_run_filter=wanted or None, sort=order
    )
