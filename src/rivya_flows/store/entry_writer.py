"""Writes journal entries in one thread: all waiting entries in one transaction, in submission order."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import BindParameter, Connection, Engine, Insert, bindparam, func, insert, select
from sqlalchemy.exc import IntegrityError

from rivya_flows.errors import LeaseLostError, PoolExceededError, StoreError
from rivya_flows.queue.events import Event, Stamped, dump, unique_name
from rivya_flows.store.database import PATIENCE_SECONDS, lost_connection, was_awaited, writing
from rivya_flows.store.leases import lease_lost
from rivya_flows.store.pools import Reservations
from rivya_flows.store.tables import EVENTS, LEASES, Row, stored_name

LARGEST_GROUP = 500
"""Maximum number of entries in one transaction."""

_PAUSE_SECONDS = 0.5

# Built once: building a statement takes longer than executing it.
ONE_RUN: BindParameter[str] = bindparam("one_run")
# Locks the row: a new driver waits for these entries before it reads the journal.
_FENCE = select(LEASES.c.fence).where(LEASES.c.run_id == ONE_RUN).with_for_update()
_LAST = select(func.max(EVENTS.c.seq)).where(EVENTS.c.run_id == ONE_RUN)
_AT = select(EVENTS.c.at, EVENTS.c.body).where(
    EVENTS.c.run_id == ONE_RUN, EVENTS.c.seq == bindparam("one_seq")
)
_ENTER = insert(EVENTS)

_Outcome = tuple[Stamped, ...] | LeaseLostError | PoolExceededError


@dataclass(eq=False)
class Entries:
    """Events of one run that are written atomically; `written` is done once they are durable."""

    run_id: str
    events: tuple[Event, ...]
    fence: int
    written: Future[tuple[Stamped, ...]] = field(default_factory=Future)


@dataclass
class _Attempt:
    """What one transaction writes, and the outcome of each of its `Entries`, once it is committed."""

    rows: list[Row] = field(default_factory=list)
    outcomes: list[_Outcome] = field(default_factory=list)

    def is_written(self, connection: Connection) -> bool:
        """Whether it was committed, although the answer was lost."""
        if not self.rows:
            return False
        first = self.rows[0]
        found = connection.execute(_AT, {ONE_RUN.key: first["run_id"], "one_seq": first["seq"]})
        return found.first() == (first["at"], first["body"])


class EntryWriter:
    """The one that writes entries to a store; see `Journal`."""

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

    def write_first(self, run_id: str, event: Event, before: Insert) -> None:
        """Writes the first entry of a run, after another row; `IntegrityError` if there is one already."""
        with self._transaction(1) as connection:
            connection.execute(before)
            connection.execute(_ENTER, _row(run_id, Stamped(1, self._clock(), event)))

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
                one.written.set_exception(_told(error, one))
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
        """Writes a group once, also where a connection breaks before its commit is answered."""
        size = sum(len(one.events) for one in group)
        give_up = time.monotonic() + PATIENCE_SECONDS
        attempt = _Attempt()
        while True:
            try:
                with self._transaction(size) as connection:
                    # The lock of the fences first: after it, an earlier commit has ended. In
                    # sorted order, so that two writers cannot deadlock.
                    fences: dict[str, int | None] = {
                        run_id: connection.scalar(_FENCE, {ONE_RUN.key: run_id})
                        for run_id in sorted({one.run_id for one in group})
                    }
                    if not attempt.is_written(connection):
                        attempt = self._attempt(connection, group, fences)
                return attempt.outcomes
            except StoreError as error:
                if not lost_connection(error) or time.monotonic() > give_up:
                    raise
            time.sleep(_PAUSE_SECONDS)

    def _attempt(
        self, connection: Connection, group: Sequence[Entries], fences: dict[str, int | None]
    ) -> _Attempt:
        """Writes what its driver may write and its pools cover."""
        attempt, last, at = _Attempt(), dict[str, int](), self._clock()
        driven = [(one.run_id, one.events) for one in group if fences[one.run_id] == one.fence]
        reservations = Reservations(connection, driven, at)
        for one in group:
            if fences[one.run_id] != one.fence:
                attempt.outcomes.append(lease_lost(one.run_id))
                continue
            if refused := reservations.reserve(one.run_id, one.events):
                attempt.outcomes.append(refused)
                continue
            if one.run_id not in last:
                last[one.run_id] = connection.scalar(_LAST, {ONE_RUN.key: one.run_id}) or 0
            stamped = tuple(
                Stamped(seq, at, event)
                for seq, event in enumerate(one.events, last[one.run_id] + 1)
            )
            last[one.run_id] += len(stamped)
            attempt.outcomes.append(stamped)
            attempt.rows += [_row(one.run_id, entry) for entry in stamped]
        if attempt.rows:
            connection.execute(_ENTER, attempt.rows)
        reservations.write()
        return attempt

    @contextmanager
    def _transaction(self, entries: int) -> Iterator[Connection]:
        """A transaction for so many entries, with `on_write` before and after its commit."""
        number = [next(self._numbers) for _ in range(entries)][-1]
        with writing(self._engine) as connection:
            yield connection
            self._on_write(number)
        self._on_write(-number)


def _row(run_id: str, stamped: Stamped) -> Row:
    name = unique_name(stamped.event)
    return {
        "run_id": run_id,
        "seq": stamped.seq,
        "kind": stamped.event.kind,
        "at": stamped.at,
        "unique_name": None if name is None else stored_name(name),
        "body": dump(stamped.event),
    }


def _told(error: Exception, entries: Entries) -> Exception:
    if not isinstance(error, IntegrityError):
        return error
    names = ", ".join(name for event in entries.events if (name := unique_name(event)))
    told = StoreError(
        f"{names} is already in the journal",
        "another command was faster; `rivya-flows receipt RUN` shows what it did",
    )
    told.__cause__ = error
    return told
