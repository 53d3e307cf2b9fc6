"""What becomes of runs in processes of their own, on a real server and worker, when these are stopped.

Runs that share a process are in `worker/test_campaign_worker.py`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from rivya_flows.flows.recovery.waker import close_orphans
from support.prefect_workers import Place, Server, deploy_specs, eventually, worker

pytestmark = pytest.mark.prefect

FILM = """\
version: 1
name: alone
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: A lamp}
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: Slow push-in, references: ["${{ steps.still.asset }}"]}
deploy:
  - {name: alone, work_pool: alone}
"""


@pytest.fixture(scope="module")
def working(server: Server, studio: Place) -> Iterator[Place]:
    """The studio with a worker that gives each run a process of its own."""
    deploy_specs(studio, server, [FILM], pool_type="process")
    with worker(studio, "alone"):
        yield studio


def filming(server: Server, place: Place) -> str:
    """A run that has bought its film."""
    run = server.start("alone/alone")
    eventually(lambda: place.has_bought(run, "film"), "the film's purchase")
    return run


async def test_a_task_run_whose_end_is_recorded_late_is_not_shown_as_crashed(
    server: Server,
) -> None:
    flow = server.ask("POST", "/flows/", {"name": "late-record"})["id"]
    run = server.ask("POST", "/flow_runs/", {"flow_id": flow})["id"]
    task_runs = [
        server.ask(
            "POST",
            "/task_runs/",
            {
                "flow_run_id": run,
                "task_key": name,
                "dynamic_key": name,
                "name": name,
                "state": {"type": "RUNNING", "name": "Running"},
            },
        )["id"]
        for name in ("ended", "dead")
    ]
    closing = asyncio.create_task(close_orphans(UUID(run), datetime.now(UTC)))
    await asyncio.sleep(0)  # it looks
    state = {"type": "COMPLETED", "name": "Completed"}
    path = f"/task_runs/{task_runs[0]}/set_state"
    await asyncio.to_thread(server.ask, "POST", path, {"state": state})
    assert [name for name, _ in await closing] == ["ended", "dead"]
    found = {one["name"]: one["state_type"] for one in server.task_runs(run)}
    assert found == {"ended": "COMPLETED", "dead": "CRASHED"}


def test_a_cancelled_run_tells_what_it_bought_and_collects_it_when_it_is_retried(
    server: Server, working: Place
) -> None:
    with working.films_held():
        run = filming(server, working)
        server.cancel(run)
        server.end(run, "CANCELLED")

    assert working.ends(run) == ["cancelled"]
    assert server.left_open(run) == []
    log = server.logged(run, "nothing is bought twice")
    film = next(row for row in working.receipt(run)["ledger"] if row["step"] == "film")
    assert "cancelled; 11 credits spent or held" in log
    assert f"still running: film (10 credits, {film['task_id']})" in log

    server.let_go(run)
    server.retry(run)
    server.end(run, "COMPLETED")
    assert working.ends(run) == ["cancelled", "completed"]
    assert sorted(working.bought(run).values()) == [1, 1]
    assert "Finished in state Running" not in server.log(run)


def test_a_terminated_run_is_resumed_from_a_terminal(server: Server, working: Place) -> None:
    with working.films_held():
        run = filming(server, working)
        engine = working.engine_of(run)
        assert engine is not None
        os.kill(engine, signal.SIGTERM)
        server.end(run, "CRASHED")
    assert working.ends(run) == ["cancelled"]
    assert server.left_open(run) == []

    done = subprocess.run(
        [sys.executable, "-m", "rivya_flows.cli.main", "resume", f"run-{run}"],
        cwd=working.folder,
        env=dict(working.environment),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert working.receipt(run)["status"] == "completed"
    assert sorted(working.bought(run).values()) == [1, 1]
