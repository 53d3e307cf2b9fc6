"""How long jobs took before: the newest of the newest runs of one service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rivya_flows.queue.events import ItemCompleted, JobEnded, RunFrozen
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_flows.store.run_list import NEWEST_JOBS, NEWEST_RUNS, recent_durations

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as opened:
        yield opened


def run(
    journal: Journal, number: int, *jobs: JobEnded | ItemCompleted, service: str = "here"
) -> None:
    frozen = RunFrozen(
        run_id=f"run-{number}",
        spec_text="",
        plan={"name": "launch"},
        spec_file="",
        inputs={},
        catalogue={},
        catalogue_date="2026-01-01",
        service=service,
        started_at=NOON + timedelta(hours=number),
        nonce="",
    )
    journal.create(frozen, Path("run"))
    leases = Leases(journal.engine)
    lease = leases.acquire(frozen.run_id)
    for job in jobs:
        journal.append(frozen.run_id, job, lease.fence)


def job(
    seconds: float | None, model: str | None = "z-image", status: str = "succeeded"
) -> JobEnded:
    return JobEnded.model_validate(
        {
            "step": "stills",
            "key": str(seconds),
            "n": 1,
            "status": status,
            "final_credits": 1,
            "model": model,
            "seconds": seconds,
        }
    )


def test_durations_come_oldest_first_from_the_newest_runs_of_a_service(journal: Journal) -> None:
    run(journal, 0, job(99))
    for number in range(1, NEWEST_RUNS + 1):
        run(journal, number, job(number), job(number + 0.5, "film"))
    run(journal, 20, job(50), service="elsewhere")
    found = recent_durations(journal.engine, "here")
    assert found[:2] == [("z-image", 1), ("film", 1.5)]
    assert len(found) == 2 * NEWEST_RUNS
    assert ("z-image", 99) not in found


def test_free_steps_are_named_by_their_spec(journal: Journal) -> None:
    made = ItemCompleted(step="spot", key="", outputs={}, work_seconds=22.5)
    bought = ItemCompleted(step="stills", key="", outputs={})
    run(journal, 1, made, bought, job(3))
    assert recent_durations(journal.engine, "here") == [("launch/spot", 22.5), ("z-image", 3)]


def test_only_the_newest_jobs_of_a_run_are_read(journal: Journal) -> None:
    run(journal, 1, *(job(1 + number) for number in range(NEWEST_JOBS + 3)))
    found = [seconds for _, seconds in recent_durations(journal.engine, "here")]
    assert found == [4 + number for number in range(NEWEST_JOBS)]


def test_failed_jobs_and_those_of_early_journals_tell_nothing(journal: Journal) -> None:
    run(journal, 1, job(1, status="failed"), job(None), job(2, None))
    assert recent_durations(journal.engine, "here") == []
