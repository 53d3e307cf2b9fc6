"""The store of a process: the real journal and leases, on a disk that fails, in a process that is killed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from rivya_flows.errors import LeaseLostError, StoreError, StoreUnreachableError
from rivya_flows.store.journal import Entries, EntryWriter, Journal
from rivya_flows.store.leases import LEASE_SECONDS, RENEWAL_SECONDS, HeldLease, Leases
from simulation.world import PROCESS, KilledError, Process


class Writer(EntryWriter):
    """The writer of a journal: its thread is a callback of the loop, and its disk may refuse."""

    def __init__(self, engine: Engine, process: Process) -> None:
        super().__init__(engine, process.clock, self._at_commit)
        self._process, self._world = process, process.world
        self._queue: list[Entries] = []
        self._entered: list[tuple[Entries, Any]] = []
        self._timer: asyncio.TimerHandle | None = None
        process.on_kill = self._drop

    def submit(self, entries: Entries) -> None:
        """Writes entries a little later, with all that are submitted until then."""
        entries.written.set_running_or_notify_cancel()
        if self._process.is_dead:
            entries.written.set_exception(KilledError())
            return
        self._queue.append(entries)
        if self._timer is None:
            chance = self._world.chance
            delay = chance.random() * chance.choice([0.001, 0.01, 0.5])
            self._timer = self._world.loop.call_later(delay, self._flush)

    def close(self) -> None:
        """There is no thread."""

    def _drop(self) -> None:
        for entries in self._queue:
            entries.written.set_exception(KilledError())
        self._queue = []

    def _flush(self) -> None:
        self._timer = None
        group, self._queue = self._queue, []
        if group:
            self.write(group)

    def _enter(
        self, connection: Connection, group: Sequence[Entries], fences: Mapping[str, int | None]
    ) -> Any:
        rows, outcomes = super()._enter(connection, group, fences)
        self._entered = list(zip(group, outcomes, strict=True))
        return rows, outcomes

    def _at_commit(self, number: int) -> None:
        """Before a commit, and after it with a negative number: what was entered is durable then."""
        if number > 0:
            self._process.effect()
            if self._world.fails(0.01, "the disk refuses"):
                raise OperationalError("INSERT", {}, sqlite3.OperationalError("disk I/O error"))
            self._break(0.01)
            return
        entered, self._entered = self._entered, []
        for entries, outcome in entered:
            for stamped in outcome if isinstance(outcome, tuple) else ():
                self._world.observe(self._process, entries.run_id, entries.fence, stamped)
        self._process.effect()
        self._break(0.01)

    def _break(self, share: float) -> None:
        """Breaks the connection, as that to a server of databases: a commit may have been made."""
        if self._world.fails(share, "the store does not answer a commit"):
            cause = OperationalError("COMMIT", {}, OSError(), connection_invalidated=True)
            raise StoreUnreachableError("the server broke the connection", "try again") from cause


class SimulatedJournal(Journal):
    """The journal of a process, in the store of its world."""

    def __init__(self, process: Process) -> None:
        self.engine, self._writer = process.world.engine, Writer(process.world.engine, process)

    def close(self) -> None:
        """The store is the world's."""


class SimulatedLeases(Leases):
    """The leases of a process, renewed by a task; its machine may hang for longer than they last."""

    def __init__(self, process: Process) -> None:
        super().__init__(process.world.engine, clock=process.clock)
        self._process = process

    @asynccontextmanager
    async def hold(
        self, run_id: str, renewal_seconds: float = RENEWAL_SECONDS
    ) -> AsyncIterator[HeldLease]:
        """As the base class, with a task instead of a thread."""
        process, world = self._process, self._process.world
        lost: asyncio.Future[StoreError] = world.loop.create_future()
        lease = self.acquire(run_id, process.name)
        driver = world.drivers.get(run_id)
        if world.leases.get(run_id, 0) > process.clock() and not has_ended(driver, process):
            world.violate(f"{run_id}: its lease was taken before it expired")
        world.drivers[run_id], world.fences[run_id] = process, lease.fence
        world.leases[run_id] = process.clock() + LEASE_SECONDS
        world.tell(process.name, f"drives {run_id}, fence {lease.fence}")

        async def renew() -> None:
            while True:
                hangs = world.fails(0.05, "renewals hang")
                await asyncio.sleep(renewal_seconds * (8 if hangs else 1))
                try:
                    process.check()
                    self.renew(lease)
                    world.leases[run_id] = process.clock() + LEASE_SECONDS
                except LeaseLostError as error:
                    lost.set_result(error)
                    return

        renewing = asyncio.create_task(renew())
        try:
            yield HeldLease(lease.run_id, lease.fence, lost)
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError, KilledError):
                await renewing
            if not process.is_dead:
                with suppress(StoreError):
                    self.release(lease)
                    if world.fences[run_id] == lease.fence:
                        world.leases[run_id] = 0


def has_ended(driver: Process | None, process: Process) -> bool:
    """Whether a process knows that the driver of a run has ended: it was killed on the same machine."""
    return driver is not None and driver.is_dead and driver.machine == process.machine


def has_owner_ended(owner: str) -> bool:
    """As `leases._has_ended`, which looks for a process of this machine."""
    process = PROCESS.get()
    drivers = [one for one in process.world.processes if one.name == owner]
    return any(has_ended(one, process) for one in drivers)
