"""The journal: every event of every run, and the only record that a run is rebuilt from.

One thread writes: all waiting entries in one transaction, in the order of their submission.
"""

from __future__ import annotations

import itertools
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import (
    BindParameter,
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

from rivya_flows.errors import LeaseLostError, PoolExceededError, QuoteError, StoreError
from rivya_flows.queue.events import Event, RunEnded, RunFrozen, Stamped, dump, parse, unique_name
from rivya_flows.store.database import (
    PATIENCE_SECONDS,
    lost_connection,
    open_engine,
    reading,
    rows,
    was_awaited,
    writing,
)
from rivya_flows.store.leases import Lease, lease_lost
from rivya_flows.store.pools import Reservations
from rivya_flows.store.tables import (
    CHARGES,
    EVENTS,
    LEASES,
    LINKS,
    MAILBOX,
    RESULTS,
    RUNS,
    Row,
    stored_name,
)

LARGEST_GROUP = 500  # entries in one transaction

_PAUSE_SECONDS = 0.5
_RUNS_AT_ONCE = 500
_ROWS_AT_ONCE = 500
_DIGITS = bytes(ord("x" if chr(one) in "0123456789abcdef" else " ") for one in range(256))
_HASH = b"x" * 64

# Built once: building a statement takes longer than executing it.
_RUN_ID: BindParameter[str] = bindparam("one_run")
# Locks the row: a new driver waits for these entries before it reads the journal.
_FENCE = select(LEASES.c.fence).where(LEASES.c.run_id == _RUN_ID).with_for_update()
_LAST = select(func.max(EVENTS.c.seq)).where(EVENTS.c.run_id == _RUN_ID)
_ENTER = insert(EVENTS)
_ENTRY = select(EVENTS.c.at, EVENTS.c.body).where(
    EVENTS.c.run_id == _RUN_ID, EVENTS.c.seq == bindparam("one_seq")
)
_ENTRIES = (
    select(EVENTS.c.seq, EVENTS.c.at, EVENTS.c.body)
    .where(EVENTS.c.run_id == _RUN_ID, EVENTS.c.seq > bindparam("after"))
    .order_by(EVENTS.c.seq)
)

IS_THERE = RUNS.c.removed_at.is_(None)  # of a run that was not removed

_Outcome = tuple[Stamped, ...] | LeaseLostError | PoolExceededError


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
        run: Row = {
            "run_id": frozen.run_id,
            "name": str(frozen.plan.get("name", "")),
            "service": frozen.service,
            "started_at": frozen.started_at.isoformat(),
            "folder": str(folder),
            "labels": json.dumps(frozen.labels),
            "quote": frozen.quote,
            "wallet": frozen.wallet,
        }
        try:
            self._writer.write_first(frozen, run)
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
            for outside in (MAILBOX, LINKS):
                connection.execute(delete(outside).where(outside.c.run_id == run_id))
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

    def length(self, run_id: str) -> int:
        """The number of entries of a run."""
        [(last,)] = rows(self.engine, _LAST, {_RUN_ID.key: run_id})
        return last or 0

    def entries(self, run_id: str, after: int = 0) -> tuple[Stamped, ...]:
        """The entries of a run behind number `after`, in order; empty if there is no such run."""
        asked = {_RUN_ID.key: run_id, "after": after}
        with reading(self.engine) as connection:
            some = connection.execution_options(yield_per=_ROWS_AT_ONCE)  # not all texts at once
            with some.execute(_ENTRIES, asked) as found:
                return tuple(_read_entry(run_id, seq, at, body) for seq, at, body in found)

    def run(self, run_id: str, *, removed: bool = False) -> RunRow | None:
        """The row of a run; that of a removed one has the folder ``Path()`` once its files are deleted."""
        return next(iter(self._runs(RUNS.c.run_id == run_id, removed=removed)), None)

    def runs(self, beginning: str = "", *, removed: bool = False) -> tuple[RunRow, ...]:
        """All runs, or all removed ones, whose ids begin so, newest first."""
        begun = RUNS.c.run_id.startswith(beginning, autoescape=True)
        return self._runs(begun, removed=removed)

    def _runs(self, where: ColumnElement[bool], *, removed: bool) -> tuple[RunRow, ...]:
        query = select(RUNS).where(where, ~IS_THERE if removed else IS_THERE)
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


@dataclass(eq=False)
class Entries:
    """Events of one run that are written atomically; `written` is done once they are durable."""

    run_id: str
    events: tuple[Event, ...]
    fence: int
    written: Future[tuple[Stamped, ...]] = field(default_factory=Future)


class EntryWriter:
    def __init__(
        self, engine: Engine, clock: Callable[[], float], on_write: Callable[[int], object]
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._on_write = on_write
        self._numbers = itertools.count(1)
        self._waiting: queue.SimpleQueue[Entries | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, entries: Entries) -> None:
        """Queues entries for the thread, after all entries submitted before; they cannot be cancelled."""
        entries.written.set_running_or_notify_cancel()
        self._waiting.put(entries)
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="journal", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Ends the thread after it has written what was submitted."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def write_first(self, frozen: RunFrozen, run: Row) -> None:
        """Writes the row and the first entry of a run; `IntegrityError` if there is one already."""
        with self._transaction(1) as connection:
            connection.execute(insert(RUNS), run)
            first = Stamped(1, self._clock(), frozen)
            connection.execute(_ENTER, _entry_row(frozen.run_id, first))

    def write(self, group: Sequence[Entries]) -> None:
        """Writes entries in one transaction; a group that fails is divided, to fail alone."""
        try:
            outcomes = self._commit(group)
        except Exception as error:
            if len(group) > 1 and not was_awaited(error):
                half = len(group) // 2
                self.write(group[:half])
                self.write(group[half:])
                return
            for one in group:
                one.written.set_exception(_explain_duplicate(error, one))
        except BaseException as error:  # the process is being stopped
            for one in group:
                one.written.set_exception(error)
        else:
            for one, outcome in zip(group, outcomes, strict=True):
                if isinstance(outcome, Exception):
                    one.written.set_exception(outcome)
                else:
                    one.written.set_result(outcome)

    def _serve(self) -> None:
        while (first := self._waiting.get()) is not None:
            group: list[Entries] = [first]
            while len(group) < LARGEST_GROUP and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    self._waiting.put(None)
                    break
                group.append(following)
            self.write(group)

    def _commit(self, group: Sequence[Entries]) -> list[_Outcome]:
        """Writes a group once, also if a connection breaks before its commit is answered."""
        size = sum(len(one.events) for one in group)
        give_up = time.monotonic() + PATIENCE_SECONDS
        written, outcomes = list[Row](), list[_Outcome]()
        while True:
            try:
                with self._transaction(size) as connection:
                    # The lock of the fences first: after it, an earlier commit has ended. In
                    # sorted order, so that two writers cannot deadlock.
                    fences: dict[str, int | None] = {
                        run_id: connection.scalar(_FENCE, {_RUN_ID.key: run_id})
                        for run_id in sorted({one.run_id for one in group})
                    }
                    if not _is_committed(connection, written):
                        written, outcomes = self._enter(connection, group, fences)
                return outcomes
            except StoreError as error:
                if not lost_connection(error) or time.monotonic() > give_up:
                    raise
            time.sleep(_PAUSE_SECONDS)

    def _enter(
        self, connection: Connection, group: Sequence[Entries], fences: Mapping[str, int | None]
    ) -> tuple[list[Row], list[_Outcome]]:
        """Writes what its driver may write and its pools cover; gives the rows and all outcomes."""
        written, outcomes = list[Row](), list[_Outcome]()
        last, at, taken = dict[str, int](), self._clock(), list[int]()
        driven = [(one.run_id, one.events) for one in group if fences[one.run_id] == one.fence]
        reservations = Reservations(connection, driven, at)
        for one in group:
            if fences[one.run_id] != one.fence:
                outcomes.append(lease_lost(one.run_id))
                continue
            if refused := reservations.reserve(one.run_id, one.events):
                outcomes.append(refused)
                continue
            if one.run_id not in last:
                last[one.run_id] = connection.scalar(_LAST, {_RUN_ID.key: one.run_id}) or 0
            stamped = tuple(
                Stamped(seq, at, event)
                for seq, event in enumerate(one.events, last[one.run_id] + 1)
            )
            last[one.run_id] += len(stamped)
            outcomes.append(stamped)
            written += [_entry_row(one.run_id, entry) for entry in stamped]
            for event in one.events:
                if event.kind == "answer.given" and event.response is not None:
                    taken.append(event.response)
        if written:
            connection.execute(_ENTER, written)
        if taken:  # an answer leaves the mailbox as it enters the journal, whatever is killed when
            connection.execute(delete(MAILBOX).where(MAILBOX.c.id.in_(taken)))
        reservations.write()
        return written, outcomes

    @contextmanager
    def _transaction(self, entries: int) -> Iterator[Connection]:
        """A transaction for so many entries, with `on_write` before and after its commit."""
        number = [next(self._numbers) for _ in range(entries)][-1]
        with writing(self._engine) as connection:
            yield connection
            self._on_write(number)
        self._on_write(-number)


def _is_committed(connection: Connection, written: Sequence[Row]) -> bool:
    """Whether an attempt was committed, although its answer was lost."""
    if not written:
        return False
    first = written[0]
    found = connection.execute(_ENTRY, {_RUN_ID.key: first["run_id"], "one_seq": first["seq"]})
    return found.first() == (first["at"], first["body"])


def _entry_row(run_id: str, stamped: Stamped) -> Row:
    name = unique_name(stamped.event)
    return {
        "run_id": run_id,
        "seq": stamped.seq,
        "kind": stamped.event.kind,
        "at": stamped.at,
        "unique_name": None if name is None else stored_name(name),
        "body": dump(stamped.event),
    }


def _explain_duplicate(error: Exception, entries: Entries) -> Exception:
    if not isinstance(error, IntegrityError):
        return error
    names = ", ".join(name for event in entries.events if (name := unique_name(event)))
    explained = StoreError(
        f"{names} is already in the journal",
        "another command was faster; `rivya-flows receipt RUN` shows what it did",
    )
    explained.__cause__ = error
    return explained


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
    if connection.scalar(_FENCE, {_RUN_ID.key: lease.run_id}) != lease.fence:
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


def _read_entry(run_id: str, seq: int, at: float, body: str) -> Stamped:
    try:
        return Stamped(seq, at, parse(body))
    except ValidationError as error:
        raise StoreError(
            f"entry {seq} of {run_id} cannot be read", "use the newer rivya-flows that wrote it"
        ) from error
