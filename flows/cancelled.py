"""Runs that were cancelled while no engine drove them: their journals say so too."""

from __future__ import annotations

import contextlib

from flows.run import now
from rivya_flows.errors import StoreError
from rivya_flows.plan.events import RunEnded
from rivya_flows.plan.queue import replay
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases


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
                journal.append(run_id, RunEnded(status="cancelled", at=now()), lease.fence)
                return True
        finally:
            leases.release(lease)
    return False
