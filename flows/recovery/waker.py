"""The waker: a flow that resumes suspended runs whose question has passed its deadline, and restarts runs that
died unnoticed.

A run that is suspended with a deadline schedules one run of this flow for that moment. A sweep finds what
was missed, for example while the server was down. The automations depend on events, and a server can lose
one: its database is locked, its queue is full, it restarts. This module reads tables only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from prefect import flow, get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, State, StateType
from prefect.states import AwaitingRetry, Completed
from sqlalchemy import Engine, select

from rivya_flows.flows.deploy_blocks import OWNER_TAG
from rivya_flows.flows.paging import (
    PAGE,
    UNFINISHED,
    flow_runs_with,
    read_flow_runs,
    read_task_runs,
)
from rivya_flows.flows.questions import WAKER, wake
from rivya_flows.flows.recovery.automations import AGAIN, EXECUTIONS, missing_automations
from rivya_flows.flows.recovery.orphans import close_cancelled
from rivya_flows.flows.run_ids import flow_run_of, run_id_of
from rivya_flows.flows.run_logger import run_logger
from rivya_flows.settings import read_settings
from rivya_flows.store.database import in_thread, reading
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_flows.store.suspended_runs import is_overdue, maybe_overdue, record_sweep, waiting_runs
from rivya_flows.store.tables import LEASES

SWEEP = timedelta(minutes=15)


@flow(name=WAKER, retries=0, persist_result=False)
async def wake_overdue() -> State[None]:
    """Resumes suspended runs whose deadline has passed; restarts runs that died unnoticed."""
    logger = run_logger()
    journal = Journal(read_settings().store_url)
    woken = 0
    try:
        for run_id in await record_cancellations(journal):
            logger.info("%s: cancelled while it waited", run_id)
        for flow_run_id in await restart_lost_runs(journal.engine):
            logger.info("%s: died unnoticed; restarted", flow_run_id)
        now = datetime.now(UTC)
        for run_id, flow_run_id in await _in_state(maybe_overdue(journal, now), StateType.PAUSED):
            if is_overdue(journal, run_id, now) and await wake(flow_run_id):
                woken += 1
                logger.info("%s: resumed after its deadline", run_id)
        record_sweep(journal.engine, time.time())
    finally:
        journal.close()
    return Completed(message=f"{woken} resumed" if woken else "nothing is overdue")


async def _in_state(run_ids: Sequence[str], state: StateType) -> list[tuple[str, UUID]]:
    """The runs whose flow run is in this state now, with it; a run of the command line has none."""
    flow_runs = {found: run_id for run_id in run_ids if (found := flow_run_of(run_id))}
    ids = list(flow_runs)
    there: list[tuple[str, UUID]] = []
    if not ids:
        return there
    async with get_client() as client:
        for first in range(0, len(ids), PAGE):
            some = flow_runs_with(ids=ids[first : first + PAGE], states=[state])
            page = await client.read_flow_runs(flow_run_filter=some, limit=PAGE)
            there += [(flow_runs[one.id], one.id) for one in page]
    return there


async def record_cancellations(journal: Journal) -> tuple[str, ...]:
    """Closes the waiting runs whose flow runs were cancelled in Prefect, without a process; returns their ids."""
    leases = Leases(journal.engine)
    waiting = await in_thread(partial(waiting_runs, journal))
    cancelled = [run_id for run_id, _ in await _in_state(waiting, StateType.CANCELLED)]
    return tuple(
        [
            one
            for one in cancelled
            if await in_thread(partial(close_cancelled, journal, leases, one))
        ]
    )


PATIENCE = timedelta(minutes=5)
"""How long a run must be dead: until then the automations act."""

OLDEST = timedelta(hours=2)
"""A person decides about older crashes: a restart may buy what is still missing."""


async def restart_lost_runs(
    engine: Engine, *, pool: str | None = None, now: datetime | None = None
) -> list[UUID]:
    """Reschedules runs that have been dead for `PATIENCE`; returns their flow runs.

    A run is dead if it is Crashed, or Running with a lease that expired without being released: an
    executing process renews it every few seconds. Does nothing while somebody has switched off the
    automation for crashed runs.
    """
    now = now or datetime.now(UTC)
    if await missing_automations([AGAIN]):
        return []
    async with get_client() as client:
        found = await _unfinished(client, pool)
        dead = [*_crashed(found, now), *_lost(found, engine, now)]
        for one in dead:
            again: State[None] = AwaitingRetry(
                message="it died unnoticed; it resumes from its journal"
            )
            await client.set_flow_run_state(one.id, again, force=True)
        await _close_abandoned(client, now)
    return [one.id for one in dead]


async def _close_abandoned(client: PrefectClient, now: datetime) -> None:
    """Closes the open task runs of runs that have ended: nobody continues them, or their end was lost."""
    ended = flow_runs_with(tags=[OWNER_TAG], states=TERMINAL_STATES, ended_before=now - PATIENCE)
    for one in await read_task_runs(client, ended, UNFINISHED):
        state: State[None] = State(type=StateType.CRASHED, message="its process ended")
        await client.set_task_run_state(one.id, state, force=True)


async def _unfinished(client: PrefectClient, pool: str | None) -> list[FlowRun]:
    """Our crashed and running flow runs that a worker can execute again."""
    ours = flow_runs_with(tags=[OWNER_TAG], states=[StateType.CRASHED, StateType.RUNNING])
    found = await read_flow_runs(client, ours, pool=pool)
    return [one for one in found if one.deployment_id is not None and one.run_count < EXECUTIONS]


def _crashed(found: list[FlowRun], now: datetime) -> list[FlowRun]:
    return [
        one
        for one in found
        if one.state is not None
        and one.state_type == StateType.CRASHED
        and PATIENCE <= now - one.state.timestamp <= OLDEST
    ]


def _lost(found: list[FlowRun], engine: Engine, now: datetime) -> Iterator[FlowRun]:
    running = {run_id_of(str(one.id)): one for one in found if one.state_type == StateType.RUNNING}
    query = select(LEASES.c.run_id).where(
        LEASES.c.run_id.in_(running),
        LEASES.c.expires_at > 0,  # 0: released
        LEASES.c.expires_at <= (now - PATIENCE).timestamp(),
    )
    with reading(engine) as connection:
        for (run_id,) in connection.execute(query):
            yield running[run_id]
