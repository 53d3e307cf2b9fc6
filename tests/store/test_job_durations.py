"""How long jobs took before: the newest of the newest runs of one service."""

from __future__ import annotations

from datetime import timedelta

from rivya_flows.queue.events import ItemCompleted, JobEnded
from rivya_flows.store.journal import Journal
from rivya_flows.store.run_list import NEWEST_JOBS, NEWEST_RUNS, recent_durations
from support.journal_entries import NOON, begun, ended


def run(
    journal: Journal, number: int, *jobs: JobEnded | ItemCompleted, service: str = "here"
) -> None:
    started_at = NOON + timedelta(hours=number)
    fence = begun(journal, f"run-{number}", service=service, started_at=started_at)
    journal.submit(f"run-{number}", jobs, fence).result(60)


def job(
    seconds: float | None, model: str | None = "z-image", status: str = "succeeded"
) -> JobEnded:
    update = {"key": str(seconds), "status": status, "model": model, "seconds": seconds}
    return ended(1, 1).model_copy(update=update)


def test_durations_come_oldest_first_from_the_newest_runs_of_a_service(sqlite: Journal) -> None:
    run(sqlite, 0, job(99))
    for number in range(1, NEWEST_RUNS + 1):
        run(sqlite, number, job(number), job(number + 0.5, "film"))
    run(sqlite, 20, job(50), service="elsewhere")
    found = recent_durations(sqlite.engine, "here")
    assert found[:2] == [("z-image", 1), ("film", 1.5)]
    assert len(found) == 2 * NEWEST_RUNS
    assert ("z-image", 99) not in found


def test_free_steps_are_named_by_their_spec(sqlite: Journal) -> None:
    made = ItemCompleted(step="spot", key="", outputs={}, work_seconds=22.5)
    bought = ItemCompleted(step="stills", key="", outputs={})
    run(sqlite, 1, made, bought, job(3))
    assert recent_durations(sqlite.engine, "here") == [("small/spot", 22.5), ("z-image", 3)]


def test_only_the_newest_jobs_of_a_run_are_read(sqlite: Journal) -> None:
    run(sqlite, 1, *(job(1 + number) for number in range(NEWEST_JOBS + 3)))
    found = [seconds for _, seconds in recent_durations(sqlite.engine, "here")]
    assert found == [4 + number for number in range(NEWEST_JOBS)]


def test_failed_jobs_and_those_of_early_journals_tell_nothing(sqlite: Journal) -> None:
    run(sqlite, 1, job(1, status="failed"), job(None), job(2, None))
    assert recent_durations(sqlite.engine, "here") == []
