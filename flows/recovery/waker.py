"""The waker: a flow that resumes suspended runs whose question has passed its deadline.

A run that is suspended with a deadline schedules one run of this flow for that moment. A sweep
finds what was missed, for example while the server was down.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect import flow, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.states import Completed

from rivya_flows.flows.paging import PAGE
from rivya_flows.flows.questions.suspension import WAKER, wake
from rivya_flows.flows.recovery.cancelled import record_cancellations
from rivya_flows.flows.recovery.lost_runs import restart_lost_runs
from rivya_flows.flows.run_ids import flow_run_of
from rivya_flows.flows.run_logger import run_logger
from rivya_flows.settings import read_settings
from rivya_flows.store.journal import Journal
from rivya_flows.store.suspended_runs import is_overdue, maybe_overdue, record_sweep

SWEEP = timedelta(minutes=15)


@flow(name=WAKER, retries=0, persist_result=False)
async def wake_overdue() -> State[None]:
    """Resumes suspended runs whose deadline has passed; restarts runs that died unnoticed.

    The run itself applies the deadline, under its lease and after reading the form: an answer that
    a person gave first counts.
    """
    logger = run_logger()
    journal = Journal(read_settings().store_url)
    woken = 0
    try:
        for run_id in await record_cancellations(journal):
            logger.info("%s: cancelled while it waited", run_id)
        for flow_run_id in await restart_lost_runs(journal.engine):
            logger.info("%s: died unnoticed; restarted", flow_run_id)
        now = datetime.now(UTC)
        for run_id, flow_run_id in await _suspended(maybe_overdue(journal, now)):
            if is_overdue(journal, run_id, now) and await wake(flow_run_id):
                woken += 1
                logger.info("%s: resumed after its deadline", run_id)
        record_sweep(journal.engine, time.time())
    finally:
        journal.close()
    return Completed(message=f"{woken} resumed" if woken else "nothing is overdue")


async def _suspended(run_ids: Sequence[str]) -> list[tuple[str, UUID]]:
    """The runs whose flow run is suspended now; a run of the command line has none."""
    flow_runs = {found: run_id for run_id in run_ids if (found := flow_run_of(run_id))}
    ids = list(flow_runs)
    paused = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED]))
    waiting: list[tuple[str, UUID]] = []
    async with get_client() as client:
        for first in range(0, len(ids), PAGE):
            some = FlowRunFilterId(any_=ids[first : first + PAGE])
            page = await client.read_flow_runs(
                flow_run_filter=FlowRunFilter(id=some, state=paused), limit=PAGE
            )
            waiting += [(flow_runs[one.id], one.id) for one in page]
    return waiting
