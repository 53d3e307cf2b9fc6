"""Leases: one driver for each run, with an owner, renewals and a fencing number."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from rivya_flows.errors import LeaseLostError, StoreError, StoreLostError
from rivya_flows.process_identity import find_process
from rivya_flows.store.database import in_thread, rows, to_its_end, write, writing
from rivya_flows.store.tables import LEASES

LEASE_SECONDS = 30.0  # how long a lease lasts without a renewal
RENEWAL_SECONDS = 10.0
_RELEASED = 0.0  # when a lease expires whose owner has released it


@dataclass(frozen=True)
class Lease:
    """The right to drive a run; `fence` grows with each new driver."""

    run_id: str
    fence: int


@dataclass(frozen=True)
class HeldLease(Lease):
    """A lease that is renewed; `lost` is done with the error once it, or the store, is gone."""

    lost: asyncio.Future[StoreError] = field(compare=False)


def this_process() -> str:
    """The unique owner name of this process: ``machine:pid:birth``."""
    process = find_process(os.getpid())
    return f"{_machine()}:{os.getpid()}:{process.birth if process else ''}"


class Leases:
    """The leases of a store; if the clocks of machines differ, fences still prevent two writers."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    def acquire(self, run_id: str, owner: str | None = None) -> Lease:
        """Takes the lease of a run, once it has expired or its owner, a process here, has ended."""
        owner, now, of_run = owner or this_process(), self._clock(), LEASES.c.run_id == run_id
        try:
            with writing(self._engine) as connection:
                row = connection.execute(select(LEASES).where(of_run).with_for_update()).first()
                if row is not None and is_held(row.owner, row.expires_at, now):
                    raise _driven(run_id, row.owner)
                fence = 1 if row is None else row.fence + 1
                written = insert(LEASES) if row is None else update(LEASES).where(of_run)
                taken = {"run_id": run_id, "owner": owner, "fence": fence}
                connection.execute(written.values(**taken, expires_at=now + LEASE_SECONDS))
        except IntegrityError as error:
            raise _driven(run_id, None) from error
        return Lease(run_id, fence)

    def renew(self, lease: Lease) -> None:
        """Extends the lease; `LeaseLostError` if another process has it."""
        if not self._set_expiry(lease, self._clock() + LEASE_SECONDS):
            raise lease_lost(lease.run_id)

    def release(self, lease: Lease) -> None:
        """Frees the lease at once; a lost lease is left alone."""
        self._set_expiry(lease, _RELEASED)

    async def until_free(self, run_id: str, *, look_seconds: float = 1.0) -> bool:
        """Waits until a lease is free; tells whether a process drove the run until then."""
        seen = set[float]()
        while True:
            expires_at, held = await in_thread(self._look, run_id)
            if not held:  # a process that has died renews nothing and releases nothing
                return len(seen) > 1 or (bool(seen) and expires_at == _RELEASED)
            seen.add(expires_at)
            await asyncio.sleep(look_seconds)

    @asynccontextmanager
    async def hold(
        self, run_id: str, renewal_seconds: float = RENEWAL_SECONDS
    ) -> AsyncIterator[HeldLease]:
        """Holds a lease, which a thread renews whatever the event loop is busy with."""
        loop, over = asyncio.get_running_loop(), threading.Event()
        lost: asyncio.Future[StoreError] = loop.create_future()

        def renew(lease: Lease) -> None:
            while not over.wait(renewal_seconds):
                try:
                    self.renew(lease)
                except (LeaseLostError, StoreLostError) as error:
                    loop.call_soon_threadsafe(lost.set_result, error)
                    return
                except StoreError:
                    continue  # the store is busy; each write checks the lease anyway

        acquiring = loop.run_in_executor(None, self.acquire, run_id)
        try:
            lease = await to_its_end(acquiring)
            renewing = threading.Thread(
                target=renew, args=(lease,), name=f"lease of {run_id}", daemon=True
            )
            renewing.start()
            try:
                yield HeldLease(lease.run_id, lease.fence, lost)
            finally:
                over.set()
                await in_thread(renewing.join)  # or it would renew what is released next
        finally:  # also of a lease that was acquired while this task was cancelled
            if acquiring.exception() is None:
                with suppress(StoreError):
                    await in_thread(self.release, acquiring.result())

    def _look(self, run_id: str) -> tuple[float, bool]:
        """When the lease of a run expires, and whether it is held."""
        for row in rows(self._engine, select(LEASES).where(LEASES.c.run_id == run_id)):
            return float(row.expires_at), is_held(row.owner, row.expires_at, self._clock())
        return _RELEASED, False

    def _set_expiry(self, lease: Lease, expires_at: float) -> bool:
        own = (LEASES.c.run_id == lease.run_id, LEASES.c.fence == lease.fence)
        return write(self._engine, update(LEASES).where(*own).values(expires_at=expires_at)) == 1


def is_held(owner: str, expires_at: float, now: float) -> bool:
    """Whether a lease has not expired, and its owner is not known to have ended."""
    return expires_at > now and not _has_ended(owner)


def lease_lost(run_id: str) -> LeaseLostError:
    return LeaseLostError(f"another process drives {run_id} now", "this one stops; nothing is lost")


def _driven(run_id: str, owner: str | None) -> StoreError:
    machine, pid, _ = _parts(owner or "another process")
    driver = f"process {pid} on {machine.partition('/')[0]}" if pid else machine
    return StoreError(
        f"{run_id} is being driven by {driver}", "wait until it ends, or stop that process"
    )


def _parts(owner: str) -> tuple[str, str, str]:
    """Machine, process id and birth of an owner; the last two are empty where it is no process."""
    machine, _, rest = owner.partition(":")
    pid, _, birth = rest.partition(":")
    return machine, pid, birth


def _has_ended(owner: str) -> bool:
    """Whether the owner was a process of this machine that has ended."""
    machine, pid, birth = _parts(owner)
    if machine != _machine() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    # Process ids are reused, and a zombie keeps its own until it is reaped.
    found = find_process(int(pid))
    return found is None or (found.birth != birth and "" not in (found.birth, birth))


def _machine() -> str:
    """This machine or container: the scope in which a process id is unique."""
    try:
        space = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:
        space = ""
    return f"{socket.gethostname()}/{space}"
