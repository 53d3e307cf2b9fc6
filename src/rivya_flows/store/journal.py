"""The journal: every event of every run, and the only record that a run is rebuilt from."""

from __future__ import annotations

import hashlib
import itertools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import BindParameter, Connection, Engine, bindparam, func, insert, select
from sqlalchemy.exc import IntegrityError

from rivya_flows.errors import LeaseLostError, StoreError
from rivya_flows.planning.queue.event_codec import dump, parse, unique_name
from rivya_flows.planning.queue.events import Event, RunFrozen, Stamped
from rivya_flows.store.database import open_engine, reading, writing
from rivya_flows.store.tables import EVENTS, LEASES, NAME_LENGTH, RUNS

_HASH = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")

# Built once: building a statement takes longer than executing it.
_ONE_RUN: BindParameter[str] = bindparam("one_run")
# Locks the row: a new driver waits for this entry before it reads the journal.
_FENCE = select(LEASES.c.fence).where(LEASES.c.run_id == _ONE_RUN).with_for_update()
_LAST = select(func.max(EVENTS.c.seq)).where(EVENTS.c.run_id == _ONE_RUN)
_ENTER = insert(EVENTS)
_ENTRIES = (
    select(EVENTS.c.seq, EVENTS.c.at, EVENTS.c.body)
    .where(EVENTS.c.run_id == _ONE_RUN, EVENTS.c.seq > bindparam("after"))
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
        on_write: Called with the number of each write, from 1, before its commit, and with the
            negated number after it; tests stop the process there.

    Raises:
        StoreError: The store cannot be opened.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], float] = time.time,
        on_write: Callable[[int], None] | None = None,
    ) -> None:
        self.engine: Engine = open_engine(url)
        self._clock = clock
        self._on_write = on_write
        self._numbers = itertools.count(1)

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()

    def create(self, frozen: RunFrozen, folder: Path) -> None:
        """Starts a run with its first entry.

        Raises:
            StoreError: The run exists already, or the store cannot be written.
        """

        def write(connection: Connection) -> None:
            connection.execute(
                insert(RUNS).values(
                    run_id=frozen.run_id,
                    name=frozen.plan.get("name", ""),
                    service=frozen.service,
                    started_at=frozen.started_at.isoformat(),
                    folder=str(folder),
                )
            )
            self._insert(connection, frozen.run_id, frozen)

        self._write(write, f"run {frozen.run_id} already exists")

    def append(self, run_id: str, event: Event, fence: int) -> Stamped:
        """Writes one entry durably, if this driver still has the lease.

        Args:
            run_id: The run.
            event: What happened.
            fence: The number that `Leases.acquire` gave.

        Raises:
            LeaseLostError: Another driver has the lease.
            StoreError: The entry may exist only once and does, or the store cannot be written.
        """

        def write(connection: Connection) -> Stamped:
            held = connection.scalar(_FENCE, {"one_run": run_id})
            if held != fence:
                raise LeaseLostError(
                    f"another process drives {run_id} now", "this one stops; nothing is lost"
                )
            return self._insert(connection, run_id, event)

        stamped: Stamped = self._write(write, f"{unique_name(event)} is already in the journal")
        return stamped

    def entries(self, run_id: str, after: int = 0) -> tuple[Stamped, ...]:
        """The entries of a run behind number `after`, in order; empty if there is no such run.

        Raises:
            StoreError: The store cannot be read.
        """
        with reading(self.engine) as connection:
            rows = connection.execute(_ENTRIES, {"one_run": run_id, "after": after}).all()
        return tuple(_stamped(run_id, seq, at, body) for seq, at, body in rows)

    def run(self, run_id: str) -> RunRow | None:
        """The row of a run, or None."""
        with reading(self.engine) as connection:
            row = connection.execute(select(RUNS).where(RUNS.c.run_id == run_id)).first()
        return None if row is None else _row(row)

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

    def _insert(self, connection: Connection, run_id: str, event: Event) -> Stamped:
        last = connection.scalar(_LAST, {"one_run": run_id})
        stamped = Stamped((last or 0) + 1, self._clock(), event)
        connection.execute(
            _ENTER,
            {
                "run_id": run_id,
                "seq": stamped.seq,
                "kind": event.kind,
                "at": stamped.at,
                "unique_name": _stored_name(unique_name(event)),
                "body": dump(event),
            },
        )
        return stamped

    def _write(self, work: Callable[[Connection], Any], duplicate: str) -> Any:
        """Runs `work` in one numbered transaction."""
        number = next(self._numbers)
        try:
            with writing(self.engine) as connection:
                result = work(connection)
                if self._on_write:
                    self._on_write(number)
        except IntegrityError as error:
            raise StoreError(duplicate) from error
        if self._on_write:
            self._on_write(-number)
        return result


def _row(row: Any) -> RunRow:
    return RunRow(row.run_id, row.name, row.service, row.started_at, Path(row.folder))


def _stamped(run_id: str, seq: int, at: float, body: str) -> Stamped:
    try:
        return Stamped(seq, at, parse(body))
    except ValidationError as error:
        raise StoreError(
            f"entry {seq} of {run_id} cannot be read", "use the newer rivya-flows that wrote it"
        ) from error


def _stored_name(name: str | None) -> str | None:
    """A name that fits its column; item keys come from models, so they may be any text."""
    if name is None or (len(name) <= NAME_LENGTH and name.isprintable()):
        return name
    return "sha256 " + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
