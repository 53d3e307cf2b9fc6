"""Records the cancellation of runs that no engine was executing."""

from __future__ import annotations

import contextlib
import logging
from datetime import UTC, datetime
from functools import partial

from prefect import get_client

from rivya_flows.errors import StoreError
from rivya_flows.flows.prefect_internals import goes_on_elsewhere
from rivya_flows.flows.run_ids import flow_run_of
from rivya_flows.planning.queue.events import RunEnded
from rivya_flows.planning.queue.queue import replay
from rivya_flows.store.database import in_thread
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_flows.store.suspended_runs import waiting_runs

_logger = logging.getLogger(__name__)


def close_cancelled(journal: Journal, leases: Leases, run_id: str) -> bool:
    """Records that a run which waits (for its turn or an answer) was cancelled.

    Returns:
        Whether it was recorded; False if the run has ended otherwise, continues elsewhere, or another
        process executes it.
    """
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


async def record_cancellations(journal: Journal) -> tuple[str, ...]:
    """Closes the waiting runs whose flow runs were cancelled in Prefect; returns their ids.

    A flow run that is suspended, or tries again later, has no process: Prefect cancels it without us.
    """
    closed = []
    waiting = await in_thread(partial(waiting_runs, journal))
    if not waiting:
        return ()
    async with get_client() as client:
        for run_id in waiting:
            flow_run_id = flow_run_of(run_id)
            if flow_run_id is None:
                continue
            try:
                found = await client.read_flow_run(flow_run_id)
            except Exception as error:  # deleted, or the server is away
                _logger.debug("flow run %s was not read: %s", flow_run_id, error)
                continue
            cancelled = found.state is not None and found.state.is_cancelled()
            close = partial(close_cancelled, journal, Leases(journal.engine), run_id)
            if cancelled and await in_thread(close):
                closed.append(run_id)
    return tuple(closed)
