"""The list of runs: what became of each, and what it spent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from sqlalchemy import update

from rivya_flows.queue.events import JobEnded, RunEnded, RunResumed, RunWaits
from rivya_flows.store.database import writing
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_flows.store.run_list import FailedStart, ListedRun, listed_runs, record_failed_start
from rivya_flows.store.tables import LEASES
from support.databases import BACKENDS, fresh_store
from support.journal_entries import NOON, begun, frozen, intent

LATER = NOON.timestamp() + 3_600


@pytest.fixture(params=BACKENDS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(fresh_store(request.param, tmp_path))) as opened:
        yield opened


def listed(journal: Journal, **chosen: Any) -> tuple[ListedRun, ...]:
    return listed_runs(journal.engine, **{"labels": {}, "limit": 50, **chosen})


def labelled(journal: Journal, minute: int, **labels: str) -> None:
    run = frozen(f"run-{minute}", minute).model_copy(update={"labels": labels})
    journal.create(run, Path("/runs") / run.run_id)


def ended(status: Literal["completed", "failed", "cancelled", "suspended"]) -> RunEnded:
    return RunEnded(status=status, at=NOON)


def test_a_run_is_listed_with_its_last_end_and_its_credits(journal: Journal) -> None:
    fence = begun(journal)
    bought = JobEnded(step="stills", key="neon", n=1, status="succeeded", final_credits=3)
    for event in (intent(1), bought, intent(2), ended("suspended"), RunResumed(at=NOON)):
        journal.append("run-1", event, fence)
    (run,) = listed(journal)
    assert (run.row.run_id, run.status, run.spent, run.open) == ("run-1", "running", 4, 1)
    journal.append("run-1", ended("completed"), fence)
    assert [one.status for one in listed(journal)] == ["completed"]


def test_a_run_without_a_process_was_killed(journal: Journal) -> None:
    begun(journal)
    assert [one.status for one in listed(journal)] == ["running"]
    with writing(journal.engine) as connection:
        connection.execute(update(LEASES).values(expires_at=0))
    assert [one.status for one in listed(journal)] == ["killed"]


def test_a_run_that_was_left_to_a_later_try_waits_until_that_begins(journal: Journal) -> None:
    fence = begun(journal)
    waits = RunWaits(reason="GET /models: no connection", until=NOON + timedelta(minutes=1))
    journal.append("run-1", waits, fence)
    assert [one.status for one in listed(journal)] == ["running"]
    with writing(journal.engine) as connection:
        connection.execute(update(LEASES).values(expires_at=0))
    assert [(one.status, one.waits) for one in listed(journal)] == [("waiting", waits)]
    journal.append("run-1", RunResumed(at=NOON), fence)
    assert [(one.status, one.waits) for one in listed(journal)] == [("killed", None)]


def test_a_run_that_has_just_begun_is_not_taken_for_a_killed_one(journal: Journal) -> None:
    journal.create(frozen(), Path("/runs/run-1"))
    assert [one.status for one in listed(journal, now=NOON.timestamp() + 1)] == ["running"]
    assert [one.status for one in listed(journal, now=LATER)] == ["killed"]


def test_the_newest_runs_come_first_and_no_more_than_asked_for(journal: Journal) -> None:
    for minute in (5, 7, 6):
        labelled(journal, minute)
    assert [one.row.run_id for one in listed(journal, limit=2)] == ["run-7", "run-6"]
    since = NOON + timedelta(minutes=6)
    assert [one.row.run_id for one in listed(journal, since=since)] == ["run-7", "run-6"]


def test_a_label_is_matched_whole_and_in_its_case(journal: Journal) -> None:
    labelled(journal, 1, client="acme", team="a")
    labelled(journal, 2, client="Acme")
    labelled(journal, 3, client="acme 2", note='"client": "acme"')
    labelled(journal, 4, client="100%_ é")
    assert [one.row.run_id for one in listed(journal, labels={"client": "acme"})] == ["run-1"]
    assert [one.row.run_id for one in listed(journal, labels={"client": "100%_ é"})] == ["run-4"]
    assert listed(journal, labels={"client": "acme", "team": "b"}) == ()


def test_runs_of_a_spec_and_of_a_status_are_found_among_many(journal: Journal) -> None:
    for minute in range(5):
        labelled(journal, minute)
    fence = Leases(journal.engine).acquire("run-1").fence
    journal.append("run-1", ended("failed"), fence)
    assert [one.row.run_id for one in listed(journal, status="failed", limit=1)] == ["run-1"]
    assert len(listed(journal, name="small", status="killed", now=LATER)) == 4
    assert listed(journal, name="other") == ()


def test_a_flow_run_that_failed_before_its_run_began_is_listed_until_it_begins(
    journal: Journal,
) -> None:
    labelled(journal, 1)
    at = NOON + timedelta(minutes=3)
    for second, reason in enumerate(("no key", "over the budget")):
        failed = FailedStart("run-2", "dear", at.timestamp() + second, reason)
        record_failed_start(journal.engine, failed)
    (run, _) = listed(journal)
    assert (run.row.run_id, run.row.name, run.status) == ("run-2", "dear", "failed")
    assert (run.spent, run.unbegun) == (0, "over the budget")
    assert [one.row.run_id for one in listed(journal, status="failed")] == ["run-2"]
    assert [one.row.run_id for one in listed(journal, run_id="run-2")] == ["run-2"]
    assert listed(journal, status="failed", since=at + timedelta(minutes=1)) == ()
    assert listed(journal, status="failed", name="other") == ()
    assert listed(journal, status="failed", labels={"client": "acme"}) == ()
    labelled(journal, 2)
    assert [one.unbegun for one in listed(journal)] == [None, None]
