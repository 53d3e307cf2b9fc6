"""Runs that were cancelled while no engine drove them: their journals say so too."""

from __future__ import annotations

import contextlib
import logging
from datetime import UTC, datetime

from prefect import get_client

from rivya_flows.errors import StoreError
from rivya_flows.flows.run_ids import flow_run_of
from rivya_flows.planning.queue.events import RunEnded
from rivya_flows.planning.queue.queue import replay
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_flows.store.suspended_runs import suspended_runs

_logger = logging.getLogger("rivya_flows.cancelled")


def close_cancelled(journal: Journal, leases: Leases, run_id: str) -> bool:
    """Writes that a run which waits (for its turn, or for an answer) was cancelled.

    Returns:
        Whether it was written: not where the run has ended otherwise, or another process
        drives it.
    """
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


async def settle_cancelled(journal: Journal) -> tuple[str, ...]:
    """Closes the suspended runs whose flow runs were cancelled in Prefect; gives their ids.

    Prefect cancels a suspended flow run by itself: there is no process that could be told.

    Raises:
        StoreError: The store cannot be read.
    """
    closed = []
    waiting = suspended_runs(journal)
    if not waiting:
        return ()
    async with get_client() as client:
        for run_id in waiting:
            flow_run_id = flow_run_of(run_id)
            if flow_run_id is None:
                continue
            try:
                found = await client.read_flow_run(flow_run_id)
            except Exception as error:  # deleted, or a moment without a server
                _logger.debug("flow run %s was not read: %s", flow_run_id, error)
                continue
            cancelled = found.state is not None and found.state.is_cancelled()
            if cancelled and close_cancelled(journal, Leases(journal.engine), run_id):
                closed.append(run_id)
    return tuple(closed)
