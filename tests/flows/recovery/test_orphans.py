"""What becomes of runs on a real server and a real worker when their processes die or are stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from rivya_flows.flows.recovery.waker import close_orphans
from support.prefect_workers import (
    OPEN,
    OVER,
    Place,
    Server,
    deploy_specs,
    eventually,
    opened,
    worker,
)

pytestmark = pytest.mark.prefect

LAUNCH = """\
version: 1
name: launch
inputs:
  product: {type: string, default: Lamp, max: 20}
steps:
  script:
    uses: chat
    with:
      model: gemini-2-5-flash-chat
      message: Describe ${{ inputs.product }}
      expect: {visual: string, narration: string}
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "${{ steps.script.json.visual }}, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: first}
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: Slow push-in, references: ["${{ steps.hero.asset }}"]}
  spot:
    uses: compose
    with: {video: "${{ steps.film.asset }}"}
outputs:
  spot: ${{ steps.spot.asset }}
deploy:
  - {name: studio, work_pool: studio}
  - {name: doomed, work_pool: doomed}
"""
WRONG = LAUNCH.replace("name: launch", "name: wrong").replace("veo3-1-lite", "veo9")
PAID = {"script", "stills[studio]", "stills[neon]", "film"}


@pytest.fixture(scope="module")
def place(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A sandbox, and two deployed specs, one of which was spoiled afterwards."""
    folder = tmp_path_factory.mktemp("studio")
    with opened(folder, server, time_scale=0.1) as made:
        right = LAUNCH.replace("name: launch", "name: wrong").split("  - {name: doomed")[0]
        deploy_specs(made, server, [LAUNCH, right], pool_type="process")
        (folder / "specs" / "wrong.yaml").write_text(WRONG)
        yield made


@pytest.fixture(scope="module")
def working(place: Place) -> Iterator[Place]:
    """The same with a worker."""
    with worker(place, "studio"):
        yield place


def started_filming(server: Server, place: Place) -> str:
    """A run that has bought its film."""
    run = server.start("launch/studio")

    def filming() -> bool:
        events = [entry.event for entry in place.entries(run)]
        return any(one.kind == "purchase.accepted" and one.step == "film" for one in events)

    eventually(filming, "the film's purchase")
    return run


def open_now(server: Server, run: str) -> list[str]:
    """Task runs that are known to be open; others may not have been written yet."""
    body = {"flow_runs": {"id": {"any_": [run]}}}
    return names_of(server.ask("POST", "/task_runs/filter", body), OPEN)


def names_of(task_runs: list[dict[str, Any]], kinds: set[str]) -> list[str]:
    return [one["name"] for one in task_runs if one["state_type"] in kinds]


def kill(place: Place, run: str) -> None:
    engine = place.engine_of(run)
    assert engine is not None
    os.killpg(os.getpgid(engine), signal.SIGKILL)


def check_bought_once(place: Place, run: str) -> None:
    """Everything paid was bought, once, and the books of both sides agree on the cost."""
    receipt = place.receipt(run)
    assert receipt["status"] == "completed"
    assert {row["step"] for row in receipt["ledger"]} == {"script", "stills", "film"}
    assert len(receipt["ledger"]) == len(PAID)
    assert sorted(place.bought(run).values()) == [1, 1, 1]


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


def test_a_killed_run_goes_on_from_its_journal_when_it_is_retried(
    server: Server, working: Place
) -> None:
    with working.films_held():
        run = started_filming(server, working)
        # Prefect gives a task run its name when it begins to run, and tells it a moment later.
        eventually(lambda: "film collect" in open_now(server, run), "the film's wait")
        kill(working, run)
        server.end(run, "CRASHED")
    task_runs = server.task_runs(run)
    ended = {one["id"]: one["state"] for one in task_runs if one["state_type"] in OVER}

    server.let_go(run)
    server.retry(run)
    state = server.end(run, "COMPLETED")

    assert state["message"] == "script, 2 of 2 stills, hero, film, spot; 13 credits"
    task_runs = server.task_runs(run)
    assert names_of(task_runs, OPEN) == []
    assert ended.items() <= {one["id"]: one["state"] for one in task_runs}.items()
    assert "film collect" in names_of(task_runs, {"CRASHED"})
    assert "film collect" in names_of(task_runs, {"COMPLETED"})
    assert sum(one["name"].endswith((" buy", " chat")) for one in task_runs) == len(PAID)
    # What goes on follows what was there before, and belongs to the new beginning.
    assert server.graph(run)["after"]["film collect"] == {"film collect", "models"}
    assert working.ends(run) == ["completed"]
    check_bought_once(working, run)
    log = server.logged(run, f"run-{run}: resumed; 13 credits spent or held so far")
    assert working.api_key not in log
    assert "Traceback" not in log


def test_a_run_whose_worker_was_killed_goes_on_at_another_one(server: Server, place: Place) -> None:
    with worker(place, "doomed") as doomed:
        run = server.start("launch/doomed")
        eventually(lambda: place.bought(run), "a purchase")
        # As when a machine dies. Alone a run's process may go on to its end without its worker.
        doomed.kill()
        kill(place, run)
        doomed.wait()
        eventually(lambda: place.engine_of(run) is None, "the end of the run's process")
    assert server.state(run)["type"] == "RUNNING"
    # What the automation does that hears no heartbeat any more.
    assert server.set_state(run, "CRASHED") == "ACCEPT"
    with worker(place, "doomed"):
        server.retry(run)
        server.end(run, "COMPLETED")
    assert names_of(server.task_runs(run), OPEN) == []
    check_bought_once(place, run)


def test_a_cancelled_run_tells_what_it_bought_and_collects_it_when_it_is_retried(
    server: Server, working: Place
) -> None:
    with working.films_held():
        run = started_filming(server, working)
        server.cancel(run)
        server.end(run, "CANCELLED")

    assert working.ends(run) == ["cancelled"]
    assert names_of(server.task_runs(run), OPEN) == []
    log = server.logged(run, "nothing is bought twice")
    film = next(row for row in working.receipt(run)["ledger"] if row["step"] == "film")
    assert "cancelled; 13 credits spent or held" in log
    assert f"still running: film (10 credits, {film['task_id']})" in log

    server.let_go(run)
    server.retry(run)
    server.end(run, "COMPLETED")
    assert working.ends(run) == ["cancelled", "completed"]
    check_bought_once(working, run)
    assert "Finished in state Running" not in server.log(run)


def test_a_terminated_run_is_resumed_from_a_terminal(server: Server, working: Place) -> None:
    with working.films_held():
        run = started_filming(server, working)
        engine = working.engine_of(run)
        assert engine is not None
        os.kill(engine, signal.SIGTERM)
        server.end(run, "CRASHED")
    assert working.ends(run) == ["cancelled"]
    assert names_of(server.task_runs(run), OPEN) == []

    done = subprocess.run(
        [sys.executable, "-m", "rivya_flows.cli.main", "resume", f"run-{run}"],
        cwd=working.folder,
        env=dict(working.environment),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    check_bought_once(working, run)


def test_a_run_that_cannot_begin_fails_with_one_sentence_and_buys_nothing(
    server: Server, working: Place
) -> None:
    away = {"RIVYA_BASE_URL": "http://127.0.0.1:9", "RIVYA_FLOWS_OUTAGE_RETRIES": "0"}
    absent = server.start("launch/studio", environment=away)
    refused = server.start("launch/studio", environment={"RIVYA_API_KEY": "rv_test_wrong"})
    keyless = server.start("launch/studio", environment={"RIVYA_API_KEY": ""})
    wrong = server.start("wrong/studio")
    expected = {
        absent: "GET /api/v1/models: no connection",
        refused: "api_key_invalid: The API key cannot be verified",
        keyless: "this worker has no key of the service: RIVYA_API_KEY is not set, and Prefect has",
        wrong: "wrong.yaml:21:19: no model 'veo9'",
    }
    for run, sentence in expected.items():
        assert sentence in server.end(run, "FAILED")["message"]
        assert working.entries(run) == []
        log = server.log(run)
        assert "Traceback" not in log
        assert "rv_test_wrong" not in log
        assert len(log.splitlines()) < 12


def test_a_worker_that_was_told_so_takes_the_sandbox_and_says_it(
    server: Server, working: Place
) -> None:
    told_so = {"RIVYA_API_KEY": "", "RIVYA_BASE_URL": "", "RIVYA_FLOWS_SANDBOX": "true"}
    run = server.start("launch/studio", environment=told_so)
    assert server.end(run, "COMPLETED")["message"].endswith("; 13 credits (sandbox)")
    assert working.receipt(run)["sandbox"] is True
    assert working.bought(run) == {}  # at the service of the key


def test_a_value_that_the_form_forbids_is_refused_by_the_server(
    server: Server, place: Place
) -> None:
    with pytest.raises(AssertionError, match=r"409 .*'product'.* is too long"):
        server.start("launch/studio", {"product": "x" * 21})
