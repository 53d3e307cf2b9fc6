"""The journal: every event of every run, and the only record that a run is rebuilt from."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Engine, bindparam, insert, select
from sqlalchemy.exc import IntegrityError

from rivya_flows.errors import StoreError
from rivya_flows.planning.queue.event_codec import parse
from rivya_flows.planning.queue.events import Event, RunFrozen, Stamped
from rivya_flows.store.database import open_engine, reading
from rivya_flows.store.entry_writer import ONE_RUN, Entries, EntryWriter
from rivya_flows.store.tables import EVENTS, RUNS

_HASH = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")

_ENTRIES = (
    select(EVENTS.c.seq, EVENTS.c.at, EVENTS.c.body)
    .where(EVENTS.c.run_id == ONE_RUN, EVENTS.c.seq > bindparam("after"))
    .order_by(EVENTS.c.seq)
)


@dataclass(frozen=True)
class RunRow:
    """A run as listed, without its journal."""

    run_id: str
    name: str
    service: str
    started_at: str
    folder: Path


class Journal:
    """All runs of one store.

    Args:
        url: SQLAlchemy URL.
        clock: Unix seconds.
        on_write: Called before each commit with the number of its last entry, counted from 1 over
            all entries that this object tried to write, and after it with the negated number;
            tests stop the process there.

    Raises:
        StoreError: The store cannot be opened.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], float] = time.time,
        on_write: Callable[[int], object] = lambda _: None,
    ) -> None:
        self.engine: Engine = open_engine(url)
        self._writer = EntryWriter(self.engine, clock, on_write)

    def close(self) -> None:
        """Writes what was submitted, and closes all connections."""
        self._writer.close()
        self.engine.dispose()

    def create(self, frozen: RunFrozen, folder: Path) -> None:
        """Starts a run with its first entry.

        Raises:
            StoreError: The run exists already, or the store cannot be written.
        """
        run = insert(RUNS).values(
            run_id=frozen.run_id,
            name=frozen.plan.get("name", ""),
            service=frozen.service,
            started_at=frozen.started_at.isoformat(),
            folder=str(folder),
        )
        try:
            self._writer.write_first(frozen.run_id, frozen, run)
        except IntegrityError as error:
            raise StoreError(f"run {frozen.run_id} already exists") from error

    def append(self, run_id: str, event: Event, fence: int) -> Stamped:
        """Writes one entry durably, if this driver still has the lease; blocks until then.

        Args:
            run_id: The run.
            event: What happened.
            fence: The number that `Leases.acquire` gave.

        Raises:
            LeaseLostError: Another driver has the lease.
            StoreError: The entry may exist only once and does, or the store cannot be written.
        """
        entries = Entries(run_id, (event,), fence)
        self._writer.write([entries])
        return entries.written.result()[0]

    def submit(
        self, run_id: str, events: tuple[Event, ...], fence: int
    ) -> Future[tuple[Stamped, ...]]:
        """Writes entries as `append` does, all of them or none, without blocking.

        Submitted entries are written in their order, by one thread, which commits all that wait in
        one transaction. The future is done, in that thread, once these are durable or have failed.
        """
        entries = Entries(run_id, events, fence)
        self._writer.submit(entries)
        return entries.written

    def entries(self, run_id: str, after: int = 0) -> tuple[Stamped, ...]:
        """The entries of a run behind number `after`, in order; empty if there is no such run.

        Raises:
            StoreError: The store cannot be read.
        """
        with reading(self.engine) as connection:
            rows = connection.execute(_ENTRIES, {ONE_RUN.key: run_id, "after": after}).all()
        return tuple(_stamped(run_id, seq, at, body) for seq, at, body in rows)

    def run(self, run_id: str) -> RunRow | None:
        """The row of a run, or None."""
        with reading(self.engine) as connection:
            row = connection.execute(select(RUNS).where(RUNS.c.run_id == run_id)).first()
        return None if row is None else _row(row)

    def ids(self, beginning: str) -> tuple[str, ...]:
        """The ids of all runs that begin so, in the order of their start."""
        query = select(RUNS.c.run_id).where(RUNS.c.run_id.startswith(beginning, autoescape=True))
        with reading(self.engine) as connection:
            return tuple(connection.scalars(query.order_by(RUNS.c.started_at)))

    def runs(self) -> tuple[RunRow, ...]:
        """All runs, newest first."""
        with reading(self.engine) as connection:
            rows = connection.execute(select(RUNS).order_by(RUNS.c.started_at.desc())).all()
        return tuple(_row(row) for row in rows)

    def mentioned_hashes(self) -> frozenset[str]:
        """Every string in any journal that looks like a SHA-256."""
        with reading(self.engine) as connection:
            bodies = connection.execution_options(yield_per=500).scalars(select(EVENTS.c.body))
            return frozenset(found for body in bodies for found in _HASH.findall(body))


def _row(row: Any) -> RunRow:
    return RunRow(row.run_id, row.name, row.service, row.started_at, Path(row.folder))


def _stamped(run_id: str, seq: int, at: float, body: str) -> Stamped:
    try:
        return Stamped(seq, at, parse(body))
    except ValidationError as error:
        raise StoreError(
            f"entry {seq} of {run_id} cannot be read", "use the newer rivya-flows that wrote it"
        ) from error
