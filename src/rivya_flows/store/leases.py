"""One driver for a run: a lease with owner, heartbeat and fencing number."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from rivya_flows.errors import LeaseLostError, StoreError
from rivya_flows.store.schema import LEASES

SECONDS = 30.0
"""How long a lease holds without a heartbeat."""


@dataclass(frozen=True)
class Lease:
    """The right to drive a run; `fence` grows with every change of driver."""

    run_id: str
    owner: str
    fence: int


def this_process() -> str:
    """Owner name of this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Leases:
    """The leases of one store.

    Args:
        engine: Of the journal.
        clock: Unix seconds.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    def acquire(self, run_id: str, owner: str | None = None) -> Lease:
        """Takes the run over if nobody drives it.

        A lease is free when it ran out, or when its owner was a process of this machine that is
        gone.

        Raises:
            StoreError: Another process drives the run.
        """
        owner = owner or this_process()
        now = self._clock()
        try:
            with self._engine.begin() as connection:
                row = connection.execute(
                    select(LEASES).where(LEASES.c.run_id == run_id).with_for_update()
                ).first()
                if row is None:
                    connection.execute(
                        insert(LEASES).values(
                            run_id=run_id, owner=owner, fence=1, expires_at=now + SECONDS
                        )
                    )
                    return Lease(run_id, owner, 1)
                if row.expires_at > now and not _is_gone(row.owner):
                    raise _held(run_id, row.owner)
                fence = row.fence + 1
                connection.execute(
                    update(LEASES)
                    .where(LEASES.c.run_id == run_id)
                    .values(owner=owner, fence=fence, expires_at=now + SECONDS)
                )
                return Lease(run_id, owner, fence)
        except IntegrityError as error:
            raise _held(run_id, "another process") from error

    def renew(self, lease: Lease) -> None:
        """The heartbeat.

        Raises:
            LeaseLostError: Another process took the run over.
        """
        if not self._set_expiry(lease, self._clock() + SECONDS):
            raise LeaseLostError(f"another process drives {lease.run_id} now")

    def release(self, lease: Lease) -> None:
        """Lets the next driver in at once; a lease that was lost is left alone."""
        self._set_expiry(lease, 0.0)

    def _set_expiry(self, lease: Lease, expires_at: float) -> bool:
        with self._engine.begin() as connection:
            changed = connection.execute(
                update(LEASES)
                .where(LEASES.c.run_id == lease.run_id, LEASES.c.fence == lease.fence)
                .values(expires_at=expires_at)
            )
            return changed.rowcount == 1


def _held(run_id: str, owner: str) -> StoreError:
    return StoreError(
        f"{run_id} is being driven by {owner}", "wait until it ends, or stop that process"
    )


def _is_gone(owner: str) -> bool:
    """Whether the owner was a process of this machine that no longer lives."""
    host, _, pid = owner.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
