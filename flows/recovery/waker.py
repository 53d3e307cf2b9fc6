"""The waker, a flow that resumes suspended runs whose question has passed its deadline and restarts runs that
died unnoticed; and what closes task runs and runs that no process continues.

A run that is suspended with a deadline schedules one run of this flow for that moment; a sweep finds what was
missed. Automations depend on events, which a server can lose: here only tables are read.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect import flow, get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, State, StateType, TaskRun
from prefect.runtime import flow_run
from prefect.states import AwaitingRetry, Completed, Crashed
from sqlalchemy import Engine, select

from rivya_flows.errors import StoreError
from rivya_flows.flows.current_run import flow_run_of, run_id_of, run_logger
from rivya_flows.flows.prefect_api import UNFINISHED, flow_runs_with, read_flow_runs, read_task_runs
from rivya_flows.flows.prefect_internals import executed_before, goes_on_elsewhere
from rivya_flows.flows.questions import WAKER, wake
from rivya_flows.flows.recovery.automations import AGAIN, EXECUTIONS, missing_automations
from rivya_flows.preparation.deploy_blocks import OWNER_TAG
from rivya_flows.runs.execution import end_as_cancelled, take_waiting
from rivya_flows.settings import read_settings
from rivya_flows.store import mailbox
from rivya_flows.store.database import in_thread, reading
from rivya_flows.store.journal import Journal
from rivya_flows.store.run_list import is_overdue, record_sweep, waiting_runs
from rivya_flows.store.tables import LEASES


@flow(name=WAKER, retries=0, persist_result=False)
async def wake_overdue() -> State[None]:
    """Resumes suspended runs that are due or were answered; restarts runs that died unnoticed."""
    logger, woken = run_logger(), 0
    with closing(Journal(read_settings().store_url)) as journal:
        for run_id in await record_cancellations(journal):
            logger.info("%s: cancelled while it waited", run_id)
        for flow_run_id in await restart_lost_runs(journal.engine):
            logger.info("%s: died unnoticed; restarted", flow_run_id)
        now = datetime.now(UTC)
        for run_id in await in_thread(mailbox.runs, journal.engine):
            with suppress(StoreError):  # another process drives it, and takes them itself
                await in_thread(take_waiting, journal, run_id)
        for run_id, flow_run_id in await _in_state(waiting_runs(journal), StateType.PAUSED):
            try:
                due = await in_thread(is_overdue, journal, run_id, now)
            except StoreError as error:  # of this run alone, as of a newer version
                logger.warning("%s: %s", run_id, error)
                continue
            if due and await wake(flow_run_id):
                woken += 1
                logger.info("%s: resumed after its deadline or an answer", run_id)
        record_sweep(journal.engine, time.time())
    return Completed(message=f"{woken} resumed" if woken else "nothing is overdue")


async def _in_state(run_ids: Sequence[str], state: StateType) -> list[tuple[str, UUID]]:
    """The runs whose flow run is in this state now, with it; a run of the command line has none."""
    flow_runs = {found: run_id for run_id in run_ids if (found := flow_run_of(run_id))}
    async with get_client() as client:
        matching = await read_flow_runs(client, flow_runs_with(ids=flow_runs, states=[state]))
    return [(flow_runs[one.id], one.id) for one in matching]


async def record_cancellations(journal: Journal) -> list[str]:
    """Closes the waiting runs whose flow runs were cancelled in Prefect, without a process; returns their ids."""
    waiting = await in_thread(waiting_runs, journal)
    return [
        run_id
        for run_id, _ in await _in_state(waiting, StateType.CANCELLED)
        if await in_thread(close_cancelled, journal, run_id)
    ]


PATIENCE = timedelta(minutes=5)  # how long a run must be dead: until then the automations act
OLDEST = timedelta(hours=2)  # a person decides about older crashes: a restart may buy more


async def restart_lost_runs(
    engine: Engine, *, pool: str | None = None, now: datetime | None = None
) -> list[UUID]:
    """Reschedules runs that have been dead for `PATIENCE`; returns their flow runs.

    Dead is one that is Crashed, or Running with a lease that expired without being released. Does nothing while
    somebody has switched off the automation for crashed runs.
    """
    now = now or datetime.now(UTC)
    if await missing_automations([AGAIN]):
        return []
    states = [StateType.CRASHED, StateType.RUNNING]
    async with get_client() as client:
        ours = flow_runs_with(tags=[OWNER_TAG], states=states)
        found = await read_flow_runs(client, ours, pool=pool)
        # A worker can execute these again.
        found = [one for one in found if one.deployment_id and one.run_count < EXECUTIONS]
        dead = [*_dead(found, engine, now)]
        for one in dead:
            message = "it died unnoticed; it resumes from its journal"
            again: State[None] = AwaitingRetry(message=message)
            await client.set_flow_run_state(one.id, again, force=True)
        # No process continues the open task runs of these, or their end was lost.
        before = now - PATIENCE
        ended = flow_runs_with(tags=[OWNER_TAG], states=TERMINAL_STATES, ended_before=before)
        await _close(client, await read_task_runs(client, ended, UNFINISHED), "its process ended")
    return [one.id for one in dead]


def _dead(found: list[FlowRun], engine: Engine, now: datetime) -> Iterator[FlowRun]:
    running = {}
    for one in found:
        if one.state_type == StateType.RUNNING:
            running[run_id_of(str(one.id))] = one
        elif one.state is not None and PATIENCE <= now - one.state.timestamp <= OLDEST:
            yield one
    query = select(LEASES.c.run_id).where(
        LEASES.c.run_id.in_(running),
        LEASES.c.expires_at > 0,  # 0: released
        LEASES.c.expires_at <= (now - PATIENCE).timestamp(),
    )
    with reading(engine) as connection:
        for (run_id,) in connection.execute(query):
            yield running[run_id]


_SETTLE_SECONDS, _LOOK_SECONDS = 4.0, 0.5  # the server's recorder writes once a second, or later
_logger = logging.getLogger(__name__)


async def earlier_task_runs(run_id: str, began: datetime) -> list[tuple[str, UUID]]:
    """Names and ids of the task runs of this flow run before `began`, all of them closed.

    The caller holds the run's lease. Call it again at the end: task states of a dead process may come late.
    """
    here = flow_run.id
    if here is None:
        return []
    first = flow_run_of(run_id)
    if first is not None and first != UUID(here):
        await close_orphans(first, began)
    return await close_orphans(UUID(here), began) if executed_before() else []


async def close_orphans(flow_run_id: UUID, began: datetime) -> list[tuple[str, UUID]]:
    """Closes the open task runs of earlier executions of a flow run; gives all of these.

    A retried flow run makes new ones: the old ones would stay Running for ever.
    """
    try:
        async with get_client() as client:
            earlier = await _wait_for_ends(client, flow_run_id, began)
            message = "its process ended; the run resumes from its journal"
            await _close(client, filter(_is_open, earlier), message)
    except Exception as error:  # the run does not need its graph
        _logger.warning("open task runs of earlier executions were not closed: %s", error)
        return []
    return [(one.name, one.id) for one in earlier]


async def _close(client: PrefectClient, task_runs: Iterable[TaskRun], message: str) -> None:
    for one in task_runs:
        state: State[Any] = Crashed(message=message)
        await client.set_task_run_state(one.id, state, force=True)


async def _wait_for_ends(
    client: PrefectClient, flow_run_id: UUID, began: datetime
) -> list[TaskRun]:
    """The earlier task runs, once none is open or the server has recorded no end for a while."""
    before, quiet = -1, 0.0
    while True:
        found = await read_task_runs(client, flow_runs_with(ids=[flow_run_id]))
        earlier = [one for one in found if (one.expected_start_time or began) < began]
        count = sum(map(_is_open, earlier))
        quiet = quiet + _LOOK_SECONDS if count == before else 0.0
        if not count or quiet >= _SETTLE_SECONDS:
            return earlier
        before = count
        await asyncio.sleep(_LOOK_SECONDS)


def _is_open(task_run: TaskRun) -> bool:
    return task_run.state is None or not task_run.state.is_final()


def close_cancelled(journal: Journal, run_id: str) -> bool:
    """Records that a run which waits (for its turn or an answer) was cancelled; False if it was not recorded."""
    if goes_on_elsewhere():
        return False
    with suppress(StoreError):
        return end_as_cancelled(journal, run_id, (None, "suspended"))
    return False
