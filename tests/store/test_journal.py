"""The journal on SQLite and PostgreSQL: whole entries, in order, by one driver, or a clear error."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rivya_flows.errors import LeaseLostError, StoreError
from rivya_flows.queue.events import (
    AnsweredBy,
    AnswerGiven,
    BalanceRead,
    Event,
    ItemCompleted,
    JobEnded,
    PurchaseAccepted,
    RunEnded,
    RunResumed,
)
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from support.databases import BACKENDS, fresh_store
from support.journal_entries import balance, begun, frozen, intent, told


@pytest.fixture(params=BACKENDS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return fresh_store(request.param, tmp_path)


@pytest.fixture
def journal(store_url: str) -> Iterator[Journal]:
    with closing(Journal(store_url, clock=lambda: 100.0)) as opened:
        yield opened


def test_entries_come_back_as_they_were_written_and_numbered(journal: Journal) -> None:
    fence = begun(journal)
    words = "Bohnenkaffee ☕ नमस्ते \u0000 '\"; DROP TABLE events"
    made = ItemCompleted(step="script", key="", outputs={"text": words, "n": 1.5, "none": None})
    stamped = journal.append("run-1", made, fence)
    assert (stamped.seq, stamped.at, stamped.event) == (2, 100.0, made)
    assert journal.entries("run-1")[1] == stamped
    assert [entry.seq for entry in journal.entries("run-1")] == [1, 2]


def test_a_run_that_is_not_there_has_no_entries(journal: Journal) -> None:
    assert journal.entries("run-9") == ()
    assert journal.run("run-9") is None


def test_runs_are_listed_newest_first(journal: Journal) -> None:
    for minute, run_id in enumerate(["run-a", "run-b", "run-c"]):
        journal.create(frozen(run_id, minute), Path("/runs"))
    assert [row.run_id for row in journal.runs()] == ["run-c", "run-b", "run-a"]


def test_runs_are_found_by_the_beginning_of_their_ids(journal: Journal) -> None:
    for minute, run_id in enumerate(["run-1_b", "run-1_a", "run-12", "run-2"]):
        journal.create(frozen(run_id, minute), Path("/runs"))
    assert [row.run_id for row in journal.runs("run-1")] == ["run-12", "run-1_a", "run-1_b"]
    assert [row.run_id for row in journal.runs("run-1_")] == ["run-1_a", "run-1_b"]


def test_a_run_is_created_once(journal: Journal) -> None:
    journal.create(frozen(), Path("/runs/first"))
    with pytest.raises(StoreError, match="run-1 already exists"):
        journal.create(frozen(), Path("/runs/second"))
    row = journal.run("run-1")
    assert row is not None
    assert (row.folder, row.name) == (Path("/runs/first"), "small")


@pytest.mark.parametrize(
    "once",
    [
        pytest.param(intent(), id="purchase"),
        pytest.param(intent(key="x" * 5000), id="purchase of a long key"),
        pytest.param(intent(key="a\u0000b"), id="purchase of an odd key"),
        pytest.param(
            AnswerGiven(step="hero", key="", answer="neon", by=AnsweredBy(channel="form")),
            id="answer",
        ),
    ],
)
def test_what_may_be_written_once_is_written_once(journal: Journal, once: Event) -> None:
    fence = begun(journal)
    journal.append("run-1", once, fence)
    with pytest.raises(StoreError, match="is already in the journal") as caught:
        journal.append("run-1", once, fence)
    assert "another command was faster" in str(caught.value.hint)
    assert told(journal)[1:] == [once]


def test_long_keys_that_begin_alike_are_two_purchases(journal: Journal) -> None:
    fence = begun(journal)
    for ending in "ab":
        journal.append("run-1", intent(key="x" * 5000 + ending), fence)
    assert len(told(journal)) == 3


def test_the_next_purchase_and_the_same_of_another_run_are_not_repeats(journal: Journal) -> None:
    one, two = begun(journal), begun(journal, "run-2")
    journal.append("run-1", intent(1), one)
    journal.append("run-1", intent(2), one)
    journal.append("run-2", intent(1), two)
    assert len(told(journal)) == 3
    assert len(told(journal, "run-2")) == 2


def test_a_driver_that_lost_its_lease_writes_nothing(journal: Journal) -> None:
    old = begun(journal)
    leases = Leases(journal.engine, clock=lambda: 1e12)
    new = leases.acquire("run-1", "elsewhere:1:2")
    with pytest.raises(LeaseLostError):
        journal.append("run-1", balance(1), old)
    journal.append("run-1", balance(2), new.fence)
    assert told(journal)[1:] == [balance(2)]


def test_without_a_lease_nothing_is_written(journal: Journal) -> None:
    journal.create(frozen(), Path("/runs"))
    with pytest.raises(LeaseLostError):
        journal.append("run-1", balance(1), 1)


def test_a_stop_ahead_of_the_commit_leaves_nothing_and_behind_it_all(store_url: str) -> None:
    class StoppedError(BaseException):
        """The process ends here."""

    stop_at: list[int] = []

    def on_write(number: int) -> None:
        if number in stop_at:
            raise StoppedError

    with closing(Journal(store_url, on_write=on_write)) as journal:
        fence = begun(journal)
        stop_at[:] = [2, -3]
        with pytest.raises(StoppedError):
            journal.append("run-1", balance(1), fence)
        assert len(told(journal)) == 1
        with pytest.raises(StoppedError):
            journal.append("run-1", balance(2), fence)
        assert told(journal)[1:] == [balance(2)]


def test_writes_are_numbered_around_their_commit(store_url: str) -> None:
    seen: list[int] = []
    with closing(Journal(store_url, on_write=seen.append)) as journal:
        journal.append("run-1", balance(1), begun(journal))
    assert seen == [1, -1, 2, -2]


def test_threads_that_write_at_once_lose_and_double_nothing(journal: Journal) -> None:
    fences = {run_id: begun(journal, run_id) for run_id in ("run-1", "run-2")}

    def write(run_id: str, first: int) -> None:
        for number in range(first, first + 10):
            journal.append(run_id, balance(number), fences[run_id])

    threads = [
        threading.Thread(target=write, args=(run_id, first))
        for run_id in fences
        for first in (0, 10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for run_id in fences:
        entries = journal.entries(run_id)
        assert [entry.seq for entry in entries] == list(range(1, 22))
        credits = [e.event.credits for e in entries if isinstance(e.event, BalanceRead)]
        assert sorted(c for c in credits if c is not None) == list(range(20))


WRITER = """
import sys
from pathlib import Path
from rivya_flows.queue.events import BalanceRead, RunFrozen
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
url, run_id = sys.argv[1:]
sys.stdin.read()  # all begin at once
journal = Journal(url)
frozen = RunFrozen(run_id=run_id, spec_text="", spec_file="", inputs={}, catalogue={},
    catalogue_date="", service="s", started_at="2026-11-25T12:00:00Z", nonce="")
journal.create(frozen, Path("/runs"))
fence = Leases(journal.engine).acquire(run_id).fence
for number in range(20):
    journal.append(run_id, BalanceRead(step=None, phase="before", credits=number), fence)
"""


def test_processes_that_open_one_new_store_at_once_all_write_to_it(store_url: str) -> None:
    runs = [f"run-{n}" for n in range(2)]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, store_url, run_id],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for run_id in runs
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.close()
    for writer in writers:
        with writer:
            assert writer.stderr is not None
            words = writer.stderr.read()
            assert (writer.wait(), words) == (0, "")
    with closing(Journal(store_url)) as journal:
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


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RESUMED = RunResumed(at=NOON)
BOUGHT = PurchaseAccepted(step="a", key="", n=1, task_id="t", reserved_credits=1)
COLLECTED = JobEnded(step="a", key="", n=1, status="succeeded", final_credits=1, urls=())


def ended(status: str) -> RunEnded:
    return RunEnded.model_validate({"status": status, "at": NOON})


def test_runs_that_ended_long_ago_are_told_from_those_that_are_not_over(store_url: str) -> None:
    now = 100.0
    histories: dict[str, list[Event]] = {
        "run-done": [RESUMED, BOUGHT, COLLECTED, ended("completed")],
        "run-failed": [RESUMED, ended("failed")],
        "run-again": [RESUMED, ended("suspended"), RESUMED, ended("cancelled")],
        "run-waits": [RESUMED, ended("suspended")],
        "run-killed": [RESUMED, ended("failed"), RESUMED],
        "run-owed": [RESUMED, BOUGHT, ended("cancelled")],
        "run-held": [RESUMED, ended("completed")],
        "run-frozen": [],
    }
    with closing(Journal(store_url, clock=lambda: now)) as journal:
        leases = Leases(journal.engine, clock=lambda: now)
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
