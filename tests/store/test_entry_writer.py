"""Groups of entries on SQLite and PostgreSQL: in order, once, and what fails by itself fails alone."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from rivya_flows.errors import LeaseLostError, StoreError
from rivya_flows.queue.events import Event, Stamped
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from support.databases import break_commit, fresh_store
from support.journal_entries import balance, begun, intent, told


class StoppedError(BaseException):
    """The process ends here."""


@dataclass
class Gate:
    """Holds the writer up at a commit, so that entries wait for the next one.

    Attributes:
        numbers: What `on_write` was called with.
        stop_at: Where to stop the process.
    """

    numbers: list[int] = field(default_factory=list)
    stop_at: tuple[int, ...] = ()
    entered: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def on_write(self, number: int) -> None:
        self.numbers.append(number)
        if threading.current_thread() is not threading.main_thread():
            self.entered.set()
            assert self.opened.wait(60)
        if number in self.stop_at:
            raise StoppedError


@dataclass
class Writing:
    """A journal whose next commit is held up."""

    journal: Journal
    gate: Gate

    def grouped(self, fence: int, *events: Event) -> list[Future[tuple[Stamped, ...]]]:
        """Submits one entry, and while that is written the others, which are so in one group."""
        first = self.journal.submit("run-1", (balance(0),), fence)
        assert self.gate.entered.wait(60)
        others = [self.journal.submit("run-1", (event,), fence) for event in events]
        self.gate.opened.set()
        first.result(60)
        return others


@contextmanager
def held_up(url: str) -> Iterator[Writing]:
    gate = Gate()
    with closing(Journal(url, on_write=gate.on_write)) as journal:
        yield Writing(journal, gate)


@pytest.fixture
def writing(store_url: str) -> Iterator[Writing]:
    with held_up(store_url) as made:
        yield made


def outcome(written: Future[Any]) -> Any:
    """What was written, or the error."""
    return written.exception(60) or [entry.event for entry in written.result()]


def test_entries_that_wait_are_committed_together_in_their_order(writing: Writing) -> None:
    events = [balance(number) for number in range(1, 8)]
    written = writing.grouped(begun(writing.journal), *events)
    assert [outcome(one) for one in written] == [[event] for event in events]
    assert told(writing.journal)[1:] == [balance(0), *events]
    assert [entry.seq for entry in writing.journal.entries("run-1")] == list(range(1, 10))
    assert writing.gate.numbers == [1, -1, 2, -2, 9, -9]


def test_who_gives_up_waiting_for_an_entry_stops_neither_it_nor_the_next_ones(
    writing: Writing,
) -> None:
    fence = begun(writing.journal)
    first = writing.journal.submit("run-1", (balance(1),), fence)
    assert not first.cancel()
    writing.gate.opened.set()
    second = writing.journal.submit("run-1", (balance(2),), fence)
    assert [outcome(first), outcome(second)] == [[balance(1)], [balance(2)]]


def test_entries_of_one_submission_are_written_together_or_not_at_all(writing: Writing) -> None:
    fence = begun(writing.journal)
    writing.gate.opened.set()
    writing.journal.append("run-1", intent(1), fence)
    refused = writing.journal.submit("run-1", (balance(1), intent(1)), fence)
    assert isinstance(outcome(refused), StoreError)
    whole = writing.journal.submit("run-1", (balance(1), intent(2)), fence)
    assert outcome(whole) == [balance(1), intent(2)]
    assert told(writing.journal)[1:] == [intent(1), balance(1), intent(2)]


def test_what_exists_already_fails_alone_and_the_rest_of_its_group_counts(writing: Writing) -> None:
    fence = begun(writing.journal)
    writing.journal.append("run-1", intent(1), fence)
    written = writing.grouped(fence, balance(1), intent(2), intent(1), intent(3), intent(2))
    outcomes = [outcome(one) for one in written]
    assert [str(one) for one in outcomes if isinstance(one, StoreError)] == [
        "purchase stills[neon] 1 is already in the journal",
        "purchase stills[neon] 2 is already in the journal",
    ]
    expected = [balance(1), intent(2), intent(3)]
    assert [one[0] for one in outcomes if isinstance(one, list)] == expected
    assert told(writing.journal)[1:] == [intent(1), balance(0), *expected]


def test_a_driver_that_lost_its_lease_writes_nothing_and_other_runs_of_the_group_go_on(
    writing: Writing,
) -> None:
    old, other = begun(writing.journal), begun(writing.journal, "run-2")
    first = writing.journal.submit("run-2", (balance(0),), other)
    assert writing.gate.entered.wait(60)
    lost = writing.journal.submit("run-1", (balance(1),), old)
    kept = writing.journal.submit("run-2", (balance(2),), other)
    again = writing.journal.submit("run-1", (balance(3),), old)
    writing.gate.opened.set()
    first.result(60)
    Leases(writing.journal.engine, clock=lambda: 1e12).acquire("run-1", "elsewhere:1:2")
    later = writing.journal.submit("run-1", (balance(4),), old)
    assert isinstance(outcome(later), LeaseLostError)
    # Those of before may have been written before the lease was lost, in their order, or not.
    written = [one for one in (lost, again) if not isinstance(outcome(one), LeaseLostError)]
    assert told(writing.journal)[1:] == [one.result()[0].event for one in written]
    assert outcome(kept) == [balance(2)]
    assert told(writing.journal, "run-2")[1:] == [balance(0), balance(2)]


@pytest.mark.parametrize(("number", "kept"), [(5, 0), (-5, 3)], ids=["ahead of", "behind"])
def test_a_stop_at_the_commit_of_a_group_leaves_none_or_all_of_it_and_lets_none_count(
    writing: Writing, number: int, kept: int
) -> None:
    writing.gate.stop_at = (number,)
    written = writing.grouped(begun(writing.journal), *map(balance, (1, 2, 3)))
    assert {type(outcome(one)) for one in written} == {StoppedError}
    assert told(writing.journal)[2:] == [balance(1), balance(2), balance(3)][:kept]


def test_a_group_waits_for_a_lock_once_and_not_for_each_of_its_entries(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    written, all_wait = threading.Event(), threading.Event()

    def hold(number: int) -> None:
        if number == -2:  # behind the commit of the first one that was submitted
            written.set()
            assert all_wait.wait(60)

    with closing(Journal(f"sqlite:///{file}?timeout=0.05", on_write=hold)) as journal:
        fence = begun(journal)
        journal.submit("run-1", (balance(0),), fence)
        assert written.wait(60)
        tries: list[None] = []
        event.listen(journal.engine, "checkout", lambda *_: tries.append(None))
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = [journal.submit("run-1", (balance(n),), fence) for n in range(50)]
            all_wait.set()
            assert all("database is locked" in str(outcome(one)) for one in waiting)
        assert len(tries) == 1
        assert outcome(journal.submit("run-1", (balance(50),), fence)) == [balance(50)]


@pytest.mark.parametrize("committed", [True, False], ids=["was committed", "was not committed"])
def test_a_group_whose_commit_is_not_answered_is_written_once(
    tmp_path: Path, committed: bool
) -> None:
    with held_up(fresh_store("postgresql", tmp_path)) as writing:
        fence = begun(writing.journal)
        break_commit(writing.journal.engine, after=1, committed=committed)
        events: list[Event] = [balance(1), intent(1), intent(2)]
        written = writing.grouped(fence, *events)
        assert [outcome(one) for one in written] == [[one] for one in events]
        assert told(writing.journal)[1:] == [balance(0), *events]
        assert writing.journal.append("run-1", balance(4), fence).seq == 6


IDLE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND state = 'idle'
"""


def test_a_server_that_ends_a_connection_between_two_groups_is_asked_again(
    postgresql: Journal,
) -> None:
    fence = begun(postgresql)
    assert outcome(postgresql.submit("run-1", (balance(1),), fence)) == [balance(1)]
    with postgresql.engine.connect() as connection:
        connection.execute(text(IDLE))
    assert outcome(postgresql.submit("run-1", (balance(2),), fence)) == [balance(2)]
