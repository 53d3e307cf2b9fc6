"""The list of runs: what became of each, and what it spent."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import update

from rivya_flows.queue.events import RunEnded, RunResumed, RunWaits
from rivya_flows.store.database import writing
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_flows.store.run_list import FailedStart, ListedRun, listed_runs, record_failed_start
from rivya_flows.store.tables import LEASES
from support.journal_entries import NOON, begun, ended, frozen, intent

LATER = NOON.timestamp() + 3_600


def listed(journal: Journal, **chosen: Any) -> tuple[ListedRun, ...]:
    return listed_runs(journal.engine, **{"labels": {}, "limit": 50, **chosen})


def labelled(journal: Journal, minute: int, **labels: str) -> None:
    journal.create(frozen(f"run-{minute}", minute, labels=labels), Path("/runs"))


def run_ended(status: Literal["completed", "failed", "cancelled", "suspended"]) -> RunEnded:
    return RunEnded(status=status, at=NOON)


def killed(journal: Journal) -> None:
    """Ends all leases."""
    with writing(journal.engine) as connection:
        connection.execute(update(LEASES).values(expires_at=0))


def statuses(journal: Journal, **chosen: Any) -> list[str]:
    return [one.status for one in listed(journal, **chosen)]


def test_a_run_is_listed_with_what_became_of_it_and_its_credits(journal: Journal) -> None:
    fence = begun(journal)
    bought = (intent(1), ended(1, 3), intent(2))
    for event in (*bought, run_ended("suspended"), RunResumed(at=NOON)):
        journal.append("run-1", event, fence)
    (run,) = listed(journal)
    assert (run.row.run_id, run.status, run.spent, run.open) == ("run-1", "running", 4, 1)
    waits = RunWaits(reason="GET /models: no connection", until=NOON + timedelta(minutes=1))
    journal.append("run-1", waits, fence)
    assert statuses(journal) == ["running"]
    killed(journal)
    assert [(one.status, one.waits) for one in listed(journal)] == [("waiting", waits)]
    journal.append("run-1", RunResumed(at=NOON), fence)
    assert [(one.status, one.waits) for one in listed(journal)] == [("killed", None)]
    journal.append("run-1", run_ended("completed"), fence)
    assert statuses(journal) == ["completed"]


def test_a_run_that_has_just_begun_is_not_taken_for_a_killed_one(journal: Journal) -> None:
    journal.create(frozen(), Path("/runs/run-1"))
    assert statuses(journal, now=NOON.timestamp() + 1) == ["running"]
    assert statuses(journal, now=LATER) == ["killed"]


def ids(journal: Journal, **chosen: Any) -> list[str]:
    return [one.row.run_id for one in listed(journal, **chosen)]


def test_runs_are_found_by_time_label_status_and_spec_the_newest_first(journal: Journal) -> None:
    labelled(journal, 1, client="acme", team="a")
    labelled(journal, 2, client="Acme")
    labelled(journal, 4, client="100%_ é")
    labelled(journal, 3, client="acme 2", note='"client": "acme"')
    assert ids(journal, limit=2) == ["run-4", "run-3"]
    assert ids(journal, since=NOON + timedelta(minutes=3)) == ["run-4", "run-3"]
    # A label is matched whole and in its case.
    assert ids(journal, labels={"client": "acme"}) == ["run-1"]
    assert ids(journal, labels={"client": "100%_ é"}) == ["run-4"]
    assert ids(journal, labels={"client": "acme", "team": "b"}) == []
    fence = Leases(journal.engine).acquire("run-1").fence
    journal.append("run-1", run_ended("failed"), fence)
    assert ids(journal, status="failed", limit=1) == ["run-1"]
    assert len(ids(journal, name="small", status="killed", now=LATER)) == 3
    assert ids(journal, name="other") == []


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
    assert ids(journal, status="failed") == ids(journal, run_id="run-2") == ["run-2"]
    others = {"since": at + timedelta(minutes=1)}, {"name": "other"}, {"labels": {"client": "acme"}}
    for other in others:
        assert ids(journal, status="failed", **other) == []
    labelled(journal, 2)
    assert [one.unbegun for one in listed(journal)] == [None, None]
