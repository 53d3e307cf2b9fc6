"""Restarts runs that died unnoticed because the Prefect server lost an event.

The automations depend on events, and a server can lose one: its database is locked, its queue is
full, it restarts. This module reads tables only.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, State, StateType
from prefect.states import AwaitingRetry
from sqlalchemy import Engine, select

from rivya_flows.flows.deploy_blocks import OWNER_TAG
from rivya_flows.flows.paging import PAGE, read_all
from rivya_flows.flows.recovery.automations import AGAIN, EXECUTIONS, missing_automations
from rivya_flows.flows.run_ids import run_id_of
from rivya_flows.store.database import reading
from rivya_flows.store.tables import LEASES

PATIENCE = timedelta(minutes=5)
"""How long a run must be dead: until then the automations act."""

OLDEST = timedelta(hours=2)
"""A person decides about older crashes: a restart may buy what is still missing."""


async def restart_lost_runs(
    engine: Engine,
    *,
    pool: str | None = None,
    patience: timedelta = PATIENCE,
    now: datetime | None = None,
) -> list[UUID]:
    """Reschedules runs that have been dead for `patience`; returns their flow runs.

    A run is dead if it is Crashed, or Running with a lease that expired without being released: an
    executing process renews it every few seconds. Does nothing while somebody has switched off the
    automation for crashed runs.

    Args:
        pool: Only runs of this work pool; None: of all.
        now: The time; None is the present.
    """
    now = now or datetime.now(UTC)
    if await missing_automations([AGAIN]):
        return []
    async with get_client() as client:
        found = await _unfinished(client, pool)
        dead = [*_crashed(found, now, patience), *_lost(found, engine, now, patience)]
        for one in dead:
            again: State[None] = AwaitingRetry(
                message="it died unnoticed; it resumes from its journal"
            )
            await client.set_flow_run_state(one.id, again, force=True)
        await _close_abandoned(client, now, patience)
    return [one.id for one in dead]


async def _close_abandoned(client: PrefectClient, now: datetime, patience: timedelta) -> None:
    """Closes the open task runs of runs that have ended: nobody continues them.

    What a process told last may be recorded after the end of its run, or its end be lost.
    """
    ended = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[OWNER_TAG]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(TERMINAL_STATES))),
        end_time=FlowRunFilterEndTime(before_=now - patience),
    )
    states = [StateType.PENDING, StateType.RUNNING]
    left_open = TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=states)))
    for one in await read_all(
        lambda at: client.read_task_runs(
            flow_run_filter=ended, task_run_filter=left_open, limit=PAGE, offset=at
        )
    ):
        state: State[None] = State(type=StateType.CRASHED, message="its process ended")
        await client.set_task_run_state(one.id, state, force=True)


async def _unfinished(client: PrefectClient, pool: str | None) -> list[FlowRun]:
    """Our crashed and running flow runs that a worker can execute again."""
    kinds = [StateType.CRASHED, StateType.RUNNING]
    ours = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[OWNER_TAG]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=kinds)),
    )
    there = None if pool is None else WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    found = await read_all(
        lambda at: client.read_flow_runs(
            flow_run_filter=ours, work_pool_filter=there, limit=PAGE, offset=at
        )
    )
    return [one for one in found if one.deployment_id is not None and one.run_count < EXECUTIONS]


def _crashed(found: list[FlowRun], now: datetime, patience: timedelta) -> list[FlowRun]:
    return [
        one
        for one in found
        if one.state is not None
        and one.state_type == StateType.CRASHED
        and patience <= now - one.state.timestamp <= OLDEST
    ]


def _lost(
    found: list[FlowRun], engine: Engine, now: datetime, patience: timedelta
) -> Iterator[FlowRun]:
    running = {run_id_of(str(one.id)): one for one in found if one.state_type == StateType.RUNNING}
    query = select(LEASES.c.run_id).where(
        LEASES.c.run_id.in_(running),
        LEASES.c.expires_at > 0,  # 0: released
        LEASES.c.expires_at <= (now - patience).timestamp(),
    )
    with reading(engine) as connection:
        for (run_id,) in connection.execute(query):
            yield running[run_id]
