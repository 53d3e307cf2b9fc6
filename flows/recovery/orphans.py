"""Closes what nobody continues: task runs of dead executions, and runs that were cancelled while they waited."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import flow_run
from prefect.states import Crashed

from rivya_flows.errors import StoreError
from rivya_flows.flows.paging import flow_runs_with, read_task_runs
from rivya_flows.flows.prefect_internals import executed_before, goes_on_elsewhere
from rivya_flows.flows.run_ids import flow_run_of
from rivya_flows.queue.events import RunEnded
from rivya_flows.queue.queue import replay
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases

_SETTLE_SECONDS, _LOOK_SECONDS = 4.0, 0.5
"""The server's recorder writes what it has heard once a second, later under load."""

_logger = logging.getLogger(__name__)


async def earlier_task_runs(run_id: str, began: datetime) -> list[tuple[str, UUID]]:
    """Names and ids of the task runs of this flow run before `began`, all of them closed.

    The caller holds the run's lease, so nobody else executes it. Call it again at the end: task
    states of a dead process may reach the database late.
    """
    here = flow_run.id
    if here is None:
        return []
    first = flow_run_of(run_id)
    if first is not None and first != UUID(here):
        await close_orphans(first, began)
    return await close_orphans(UUID(here), began) if executed_before() else []


async def close_orphans(flow_run_id: UUID, began: datetime) -> list[tuple[str, UUID]]:
    """Closes the open task runs of earlier executions of a flow run; gives all of these, none without an answer.

    A retried flow run makes new task runs: the old ones would stay Running for ever. What ended a moment ago may
    not be in the database yet: it is waited for as long as more of them come.
    """
    try:
        async with get_client() as client:
            earlier = await _settled(client, flow_run_id, began)
            for one in filter(_is_open, earlier):
                state: State[Any] = Crashed(
                    message="its process ended; the run resumes from its journal"
                )
                await client.set_task_run_state(one.id, state, force=True)
    except Exception as error:  # the run does not need its graph
        _logger.warning("open task runs of earlier executions were not closed: %s", error)
        return []
    return [(one.name, one.id) for one in earlier]


async def _settled(client: PrefectClient, flow_run_id: UUID, began: datetime) -> list[TaskRun]:
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


def close_cancelled(journal: Journal, leases: Leases, run_id: str) -> bool:
    """Records that a run which waits (for its turn or an answer) was cancelled; False if it was not recorded."""
    if goes_on_elsewhere():
        return False
    with contextlib.suppress(StoreError):
        lease = leases.acquire(run_id)
        try:
            state = replay(entry.event for entry in journal.entries(run_id))
            if state.ended in (None, "suspended"):
                journal.append(
                    run_id, RunEnded(status="cancelled", at=datetime.now(UTC)), lease.fence
                )
                return True
        finally:
            leases.release(lease)
    return False
