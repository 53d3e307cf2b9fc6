"""The journal: every event of every run, and the only record that a run is rebuilt from."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from rivya_flows.errors import LeaseLostError, QuoteError, StoreError
from rivya_flows.queue.events import Event, RunEnded, RunFrozen, Stamped, parse
from rivya_flows.store.database import open_engine, reading, rows, writing
from rivya_flows.store.entry_writer import ONE_RUN, Entries, EntryWriter
from rivya_flows.store.leases import Lease
from rivya_flows.store.tables import CHARGES, EVENTS, LEASES, RESULTS, RUNS

_RUNS_AT_ONCE = 500
_ROWS_AT_ONCE = 500
_DIGITS = bytes(ord("x" if chr(one) in "0123456789abcdef" else " ") for one in range(256))
_HASH = b"x" * 64

_ENTRIES = (
    select(EVENTS.c.seq, EVENTS.c.at, EVENTS.c.body)
    .where(EVENTS.c.run_id == ONE_RUN, EVENTS.c.seq > bindparam("after"))
    .order_by(EVENTS.c.seq)
)


IS_THERE = RUNS.c.removed_at.is_(None)
"""Of a run that was not removed."""


@dataclass(frozen=True)
class RunRow:
    """A run as listed, without its journal."""

    run_id: str
    name: str
    service: str
    started_at: str
    folder: Path
    labels: Mapping[str, str] = field(default_factory=dict)
    wallet: str | None = None


class Journal:
    """All runs of one store.

    Args:
        clock: Unix seconds.
        on_write: Called before each commit with the number of its last entry, counted from 1 over
            all entries that this object tried to write, and after it with the negated number;
            tests stop the process there.
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
        """Starts a run with its first entry; `QuoteError` if another run used its quote."""
        run = insert(RUNS).values(
            run_id=frozen.run_id,
            name=frozen.plan.get("name", ""),
            service=frozen.service,
            started_at=frozen.started_at.isoformat(),
            folder=str(folder),
            labels=json.dumps(frozen.labels),
            quote=frozen.quote,
            wallet=frozen.wallet,
        )
        try:
            self._writer.write_first(frozen.run_id, frozen, run)
        except IntegrityError as error:
            if frozen.quote is not None:
                self.refuse_used(frozen.quote)
            if self.run(frozen.run_id, removed=True):
                raise StoreError(
                    f"run {frozen.run_id} was removed, and what it spent is still counted under its"
                    " name",
                    "begin another run; a batch does so for its row when it is rerun",
                ) from error
            raise StoreError(f"run {frozen.run_id} already exists") from error

    def hide(self, lease: Lease) -> int:
        """Hides a run and deletes its cached results; its charges count on, its entries name media."""
        with writing(self.engine) as connection:
            _refuse_lost(connection, lease)
            removed = update(RUNS).where(RUNS.c.run_id == lease.run_id)
            connection.execute(removed.values(removed_at=time.time()))
            bought = delete(RESULTS).where(RESULTS.c.run_id == lease.run_id)
            return int(connection.execute(bought).rowcount)

    def remove(self, lease: Lease) -> None:
        """Deletes the entries of a run that is hidden, the path of its folder and the lease."""
        run_id = lease.run_id
        with writing(self.engine) as connection:
            _refuse_lost(connection, lease)
            connection.execute(delete(EVENTS).where(EVENTS.c.run_id == run_id))
            connection.execute(delete(LEASES).where(LEASES.c.run_id == run_id))
            # Nothing can settle them any more; of a run of a lost sandbox some are open.
            connection.execute(
                update(CHARGES).where(CHARGES.c.run_id == run_id).values(settled=True)
            )
            removed = update(RUNS).where(RUNS.c.run_id == run_id)
            connection.execute(removed.values(removed_at=time.time(), folder=""))

    def refuse_used(self, quote: str) -> None:
        """Raises a `QuoteError` that names the run of this store which has used a quote, if there is one."""
        for (used,) in rows(self.engine, select(RUNS.c.run_id).where(RUNS.c.quote == quote)):
            raise QuoteError(
                f"the quote was used by {used}; nothing was bought",
                f"see `rivya-flows receipt {used}`; if it did not complete: `rivya-flows resume"
                f" {used}`; or make a new quote with `plan --out`",
            )

    def append(self, run_id: str, event: Event, fence: int) -> Stamped:
        """Writes one entry, and blocks until it is durable; as `submit`."""
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
        """The entries of a run behind number `after`, in order; empty if there is no such run."""
        asked = {ONE_RUN.key: run_id, "after": after}
        with reading(self.engine) as connection:
            some = connection.execution_options(yield_per=_ROWS_AT_ONCE)  # not all texts at once
            with some.execute(_ENTRIES, asked) as found:
                return tuple(_stamped(run_id, seq, at, body) for seq, at, body in found)

    def run(self, run_id: str, *, removed: bool = False) -> RunRow | None:
        """The row of a run; that of a removed one has the folder ``Path()`` once its files are deleted."""
        return next(iter(self._runs(RUNS.c.run_id == run_id, removed=removed)), None)

    def runs(self, beginning: str = "", *, removed: bool = False) -> tuple[RunRow, ...]:
        """All runs, or all removed ones, whose ids begin so, newest first."""
        begun = RUNS.c.run_id.startswith(beginning, autoescape=True)
        return self._runs(begun, removed=removed)

    def _runs(self, wanted: ColumnElement[bool], *, removed: bool) -> tuple[RunRow, ...]:
        query = select(RUNS).where(wanted, ~IS_THERE if removed else IS_THERE)
        return tuple(map(as_run_row, rows(self.engine, query.order_by(RUNS.c.started_at.desc()))))

    def last(self) -> RunRow | None:
        """The run whose newest entry is the newest of all; None if there is no run."""
        newest = (
            select(EVENTS.c.at)
            .where(EVENTS.c.run_id == RUNS.c.run_id)
            .order_by(EVENTS.c.seq.desc())
            .limit(1)
            .scalar_subquery()
        )
        order = (newest.desc(), RUNS.c.started_at.desc())
        query = select(RUNS).where(IS_THERE).order_by(*order).limit(1)
        return next(map(as_run_row, rows(self.engine, query)), None)

    def ended_before(self, at: float) -> frozenset[str]:
        """Ids of the runs that have ended, wrote nothing since a moment, and are owed nothing."""
        kinds = ("run.resumed", "run.ended")
        turn = func.max(case((EVENTS.c.kind.in_(kinds), EVENTS.c.seq)))
        counts = {"purchase.accepted": 1, "job.ended": -1}
        open_jobs = func.sum(case(counts, value=EVENTS.c.kind, else_=0))
        quiet = (
            select(EVENTS.c.run_id, turn.label("seq"))
            .group_by(EVENTS.c.run_id)
            .having(func.max(EVENTS.c.at) <= at, open_jobs <= 0)
            .subquery()
        )
        query = (
            select(EVENTS.c.run_id, EVENTS.c.body)
            .join(quiet, (EVENTS.c.run_id == quiet.c.run_id) & (EVENTS.c.seq == quiet.c.seq))
            .where(EVENTS.c.kind == "run.ended")
            .where(EVENTS.c.run_id.not_in(select(LEASES.c.run_id).where(LEASES.c.expires_at > at)))
        )
        ends = [(run_id, parse(body)) for run_id, body in rows(self.engine, query)]
        return frozenset(
            run_id
            for run_id, event in ends
            if isinstance(event, RunEnded) and event.status != "suspended"
        )

    def mentioned_hashes(
        self, without: frozenset[str] = frozenset(), of: str | None = None
    ) -> frozenset[str]:
        """Every string in the journals, or that `of` one run, that looks like a SHA-256."""
        found: set[str] = set()
        with reading(self.engine) as connection:
            every = [of] if of else connection.scalars(select(RUNS.c.run_id)).all()
            run_ids = [one for one in every if one not in without]
            for start in range(0, len(run_ids), _RUNS_AT_ONCE):
                some = EVENTS.c.run_id.in_(run_ids[start : start + _RUNS_AT_ONCE])
                query = select(EVENTS.c.body).where(some)
                for body in connection.execution_options(yield_per=_ROWS_AT_ONCE).scalars(query):
                    found.update(_hashes(body))
        return frozenset(found)


def _hashes(body: str) -> Iterator[str]:
    """All runs of exactly 64 hexadecimal digits; a pattern takes 25 times as long for a catalogue."""
    text = body.encode("ascii", "replace")
    marks = text.translate(_DIGITS) + b" "
    begin = marks.find(_HASH)
    while begin >= 0:
        end = marks.index(b" ", begin)
        if end - begin == len(_HASH):
            yield text[begin:end].decode()
        begin = marks.find(_HASH, end)


def _refuse_lost(connection: Connection, lease: Lease) -> None:
    own = select(LEASES.c.fence).where(LEASES.c.run_id == lease.run_id).with_for_update()
    if connection.scalar(own) != lease.fence:
        raise LeaseLostError(f"another process drives {lease.run_id} now", "nothing was removed")


def as_run_row(row: Any) -> RunRow:
    return RunRow(
        row.run_id,
        row.name,
        row.service,
        row.started_at,
        Path(row.folder),
        json.loads(row.labels),
        row.wallet,
    )


def _stamped(run_id: str, seq: int, at: float, body: str) -> Stamped:
    try:
        return Stamped(seq, at, parse(body))
    except ValidationError as error:
        raise StoreError(
            f"entry {seq} of {run_id} cannot be read", "use the newer rivya-flows that wrote it"
        ) from error
