"""The journal on SQLite and PostgreSQL: whole entries, in order, by one driver, or a clear error."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest

from rivya_flows.errors import LeaseLostError, StoreError
from rivya_flows.queue.events import (
    AnsweredBy,
    AnswerGiven,
    BalanceRead,
    Event,
    ItemCompleted,
    RunEnded,
    RunResumed,
)
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from support.journal_entries import NOON, accepted, balance, begun, ended, frozen, intent, told


def test_entries_come_back_as_they_were_written_and_numbered(journal: Journal) -> None:
    fence = begun(journal)
    words = "Bohnenkaffee ☕ नमस्ते \u0000 '\"; DROP TABLE events"
    made = ItemCompleted(step="script", key="", outputs={"text": words, "n": 1.5, "none": None})
    stamped = journal.append("run-1", made, fence)
    assert (stamped.seq, stamped.at, stamped.event) == (2, 100.0, made)
    assert journal.entries("run-1")[1] == stamped
    assert [entry.seq for entry in journal.entries("run-1")] == [1, 2]


def test_runs_are_listed_newest_first_and_found_by_the_beginning_of_their_ids(
    journal: Journal,
) -> None:
    for minute, run_id in enumerate(["run-1_b", "run-1_a", "run-12", "run-2"]):
        journal.create(frozen(run_id, minute), Path("/runs"))

    def listed(*beginning: str) -> list[str]:
        return [row.run_id for row in journal.runs(*beginning)]

    assert listed() == ["run-2", "run-12", "run-1_a", "run-1_b"]
    assert listed("run-1") == ["run-12", "run-1_a", "run-1_b"]
    assert listed("run-1_") == ["run-1_a", "run-1_b"]
    assert (journal.entries("run-9"), journal.run("run-9")) == ((), None)


def test_a_run_is_created_once(journal: Journal) -> None:
    journal.create(frozen(), Path("/runs/first"))
    with pytest.raises(StoreError, match="run-1 already exists"):
        journal.create(frozen(), Path("/runs/second"))
    row = journal.run("run-1")
    assert row is not None
    assert (row.folder, row.name) == (Path("/runs/first"), "small")


ANSWER = AnswerGiven(step="hero", key="", answer="neon", by=AnsweredBy(channel="form"))
ONCE = (intent(), intent(key="x" * 5000), intent(key="a\u0000b"), ANSWER)


def test_what_may_be_written_once_is_written_once(journal: Journal) -> None:
    fence = begun(journal)
    for once in ONCE:
        journal.append("run-1", once, fence)
    for once in ONCE:
        with pytest.raises(StoreError, match="is already in the journal") as caught:
            journal.append("run-1", once, fence)
        assert "another command was faster" in str(caught.value.hint)
    assert told(journal)[1:] == [*ONCE]
    # No repeats: a long key that begins as another, the next purchase, the same of another run.
    for other in (intent(key="x" * 5000 + "b"), intent(2)):
        journal.append("run-1", other, fence)
    journal.append("run-2", intent(), begun(journal, "run-2"))
    assert len(told(journal)) == 1 + len(ONCE) + 2


def test_who_has_no_lease_or_lost_it_writes_nothing(journal: Journal) -> None:
    journal.create(frozen("run-2"), Path("/runs"))
    with pytest.raises(LeaseLostError):
        journal.append("run-2", balance(1), 1)
    old = begun(journal)
    leases = Leases(journal.engine, clock=lambda: 1e12)
    new = leases.acquire("run-1", "elsewhere:1:2")
    with pytest.raises(LeaseLostError):
        journal.append("run-1", balance(1), old)
    journal.append("run-1", balance(2), new.fence)
    assert told(journal)[1:] == [balance(2)]


def test_threads_that_write_at_once_lose_and_double_nothing(journal: Journal) -> None:
    fences = {run_id: begun(journal, run_id) for run_id in ("run-1", "run-2")}

    def write(run_id: str, first: int) -> None:
        for number in range(first, first + 10):
            journal.append(run_id, balance(number), fences[run_id])

    with ThreadPoolExecutor(4) as pool:
        written = [pool.submit(write, run_id, first) for run_id in fences for first in (0, 10)]
    assert [one.result() for one in written] == [None] * 4
    for run_id in fences:
        entries = journal.entries(run_id)
        assert [entry.seq for entry in entries] == list(range(1, 22))
        credits = [e.event.credits for e in entries if isinstance(e.event, BalanceRead)]
        assert set(credits) == set(range(20))


WRITER = """
import sys
from rivya_flows.store.journal import Journal
from support.journal_entries import balance, begun
url, run_id = sys.argv[1:]
sys.stdin.read()  # all begin at once
journal = Journal(url)
fence = begun(journal, run_id)
for number in range(20):
    journal.append(run_id, balance(number), fence)
"""


def test_processes_that_open_one_new_file_at_once_all_write_to_it(tmp_path: Path) -> None:
    url, runs = f"sqlite:///{tmp_path / 'journal.sqlite'}", ("run-1", "run-2")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, run_id], stdin=subprocess.PIPE, env=environment
        )
        for run_id in runs
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.close()
    assert [writer.wait() for writer in writers] == [0, 0]
    with closing(Journal(url)) as journal:
        for run_id in runs:
            assert [entry.seq for entry in journal.entries(run_id)] == list(range(1, 22))


def test_hashes_that_any_entry_mentions_are_found(journal: Journal) -> None:
    fence = begun(journal)
    made = {
        "assets": [{"sha256": "a" * 64}, {"path": f"/media/bb/{'b' * 64}"}],
        "text": f"é{'c' * 65} {'d' * 63}g",
    }
    journal.append("run-1", ItemCompleted(step="stills", key="", outputs=made), fence)
    assert journal.mentioned_hashes() == {"a" * 64, "b" * 64}
    assert journal.mentioned_hashes(without=frozenset({"run-1"})) == frozenset()


def test_an_entry_of_a_newer_program_is_a_clear_error(journal: Journal) -> None:
    begun(journal)
    with journal.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO events VALUES ('run-1', 2, 'new', 1.0, NULL, '{\"kind\": \"new\"}')"
        )
    with pytest.raises(StoreError, match="entry 2 of run-1 cannot be read") as caught:
        journal.entries("run-1")
    assert caught.value.hint == "use the newer rivya-flows that wrote it"


RESUMED, BOUGHT, COLLECTED = RunResumed(at=NOON), accepted(1, 1), ended(1, 1)


def run_ended(status: Literal["completed", "failed", "cancelled", "suspended"]) -> RunEnded:
    return RunEnded(status=status, at=NOON)


def test_runs_that_ended_long_ago_are_told_from_those_that_are_not_over(journal: Journal) -> None:
    histories: dict[str, list[Event]] = {
        "run-done": [RESUMED, BOUGHT, COLLECTED, run_ended("completed")],
        "run-failed": [RESUMED, run_ended("failed")],
        "run-again": [RESUMED, run_ended("suspended"), RESUMED, run_ended("cancelled")],
        "run-waits": [RESUMED, run_ended("suspended")],
        "run-killed": [RESUMED, run_ended("failed"), RESUMED],
        "run-owed": [RESUMED, BOUGHT, run_ended("cancelled")],
        "run-held": [RESUMED, run_ended("completed")],
        "run-frozen": [],
    }
    leases = Leases(journal.engine, clock=lambda: 100.0)
    for run_id, events in histories.items():
        journal.create(frozen(run_id), Path("/runs"))
        lease = leases.acquire(run_id)
        for event in events:
            journal.append(run_id, event, lease.fence)
        if run_id != "run-held":
            leases.release(lease)
    assert journal.ended_before(99.0) == frozenset()
    over = {"run-done", "run-failed", "run-again"}
    assert journal.ended_before(100.0) == over
    # Its process died: the lease runs out.
    assert journal.ended_before(1000.0) == over | {"run-held"}
