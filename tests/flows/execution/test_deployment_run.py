"""Flows of one's own on a real server and worker: killed, retried, waiting for an answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.prefect_workers import Place, Server, deploy, eventually, opened, worker

pytestmark = pytest.mark.prefect

SPEC = """\
version: 1
name: picked
inputs:
  product: {type: string}
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "${{ inputs.product }}, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: MODE}
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: Slow push-in, references: ["${{ steps.hero.asset }}"]}
outputs:
  film: ${{ steps.film.asset }}
"""
LAUNCH = """\
from prefect import flow

import rivya_flows as rf


@flow(log_prints=True)
async def launch(mode: str) -> None:
    receipt = await rf.campaign(f"FOLDER/{mode}.yaml")(product="kettle")
    print("the flow got", receipt.status)
"""
DEPLOY = """\
name: own
deployments:
  - name: own
    entrypoint: launch.py:launch
    work_pool: {name: own}
"""


@pytest.fixture(scope="module")
def server(prefect_server: str) -> Iterator[Server]:
    with httpx.Client(verify=False, timeout=120) as client:
        yield Server(prefect_server, client)


@pytest.fixture(scope="module")
def place(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A sandbox, a flow of one's own that is deployed, and a worker."""
    folder = tmp_path_factory.mktemp("own")
    with opened(folder, server, time_scale=0.02) as made:
        for mode in ("human", "first"):
            (folder / f"{mode}.yaml").write_text(SPEC.replace("MODE", mode))
        (folder / "launch.py").write_text(LAUNCH.replace("FOLDER", str(folder)))
        server.ask("POST", "/work_pools/", {"name": "own", "type": "process"})
        deploy(folder, DEPLOY, made.environment)
        with worker(made, "own"):
            yield made


def subflow_of(server: Server, run: str) -> str:
    """The newest flow run that a flow run called."""
    body = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}, "sort": "START_TIME_DESC"}
    return str(server.ask("POST", "/flow_runs/filter", body)[0]["id"])


def asked(server: Server, run: str) -> tuple[str, dict[str, Any]]:
    """The flow run that waits for an answer, once its form can be filled in, and its state."""

    def state() -> tuple[str, dict[str, Any]] | None:
        body = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
        for found in server.ask("POST", "/flow_runs/filter", body):
            keys = (found["state"]["state_details"] or {}).get("run_input_keyset")
            if found["state"]["type"] == "PAUSED" and keys:
                inputs = {"prefix": keys["schema"], "limit": 1}
                if server.ask("POST", f"/flow_runs/{found['id']}/input/filter", inputs):
                    return found["id"], found["state"]
        assert server.state(run)["type"] != "FAILED", server.log(run)
        return None

    return eventually(state, f"the question of {run}")


def answers(place: Place, run: str) -> list[tuple[str, str]]:
    """Each answer in the journal, with who gave it."""
    events = [entry.event for entry in place.entries(run)]
    return [(event.answer, event.by) for event in events if event.kind == "answer.given"]


def test_a_flow_that_is_killed_in_its_campaign_and_retried_buys_nothing_twice(
    server: Server, place: Place
) -> None:
    place.slow_down_the_next_film()
    run = server.start("launch/own", {"mode": "first"})

    def has_film() -> bool:
        events = [one.event for one in place.entries(run)]
        return any(one.kind == "purchase.accepted" and one.step == "film" for one in events)

    eventually(has_film, "the purchase of the film")
    engine = place.engine_of(run)
    assert engine is not None
    first = subflow_of(server, run)
    os.kill(engine, signal.SIGKILL)
    server.end(run, "CRASHED")
    server.let_go(run)
    server.retry(run)
    server.end(run, "COMPLETED")
    assert place.receipt(run)["status"] == "completed"
    assert sorted(place.bought(run).values()) == [1, 1, 1]
    # Prefect takes up the same subflow again, and nothing of the dead process stays open.
    assert subflow_of(server, run) == first
    assert server.state(first)["type"] == "COMPLETED"
    assert {one["state_type"] for one in server.task_runs(first)} == {"COMPLETED", "CRASHED"}


def test_a_subflow_is_paused_while_it_waits_and_its_form_answers(
    server: Server, place: Place
) -> None:
    run = server.start("launch/own", {"mode": "human"})
    subflow, state = asked(server, run)
    assert (state["name"], server.state(run)["name"]) == ("Paused", "Running")
    assert place.receipt(run)["status"] == "suspended"
    answered = {"run_input": {"hero": "neon"}}
    assert server.ask("POST", f"/flow_runs/{subflow}/resume", answered)["status"] == "ACCEPT"
    server.end(run, "COMPLETED")
    assert server.state(subflow)["name"] == "Completed"
    assert "the flow got completed" in server.log(run)
    assert answers(place, run) == [("neon", "form")]
    assert sorted(place.bought(run).values()) == [1, 1, 1]


def test_a_subflow_that_waits_continues_after_an_answer_in_a_terminal(
    server: Server, place: Place
) -> None:
    run = server.start("launch/own", {"mode": "human"})
    subflow, _ = asked(server, run)
    run_id = place.receipt(run)["run_id"]
    command = [sys.executable, "-m", "rivya_flows.cli.main", "resume", run_id]
    subprocess.run([*command, "--answer", "hero=studio"], env=place.environment, check=True)
    server.end(run, "COMPLETED")
    assert "the flow got completed" in server.log(run)
    assert "is completed; nothing is executed again" in server.log(subflow)
    assert answers(place, run) == [("studio", "command")]
    assert sorted(place.bought(run).values()) == [1, 1, 1]


def test_a_subflow_that_is_killed_while_it_waits_asks_again(server: Server, place: Place) -> None:
    run = server.start("launch/own", {"mode": "human"})
    _, before = asked(server, run)
    engine = place.engine_of(run)
    assert engine is not None
    os.kill(engine, signal.SIGKILL)
    server.end(run, "CRASHED")
    server.let_go(run)
    server.retry(run)
    eventually(lambda: asked(server, run)[1]["id"] != before["id"], "the second question")
    subflow, _ = asked(server, run)
    server.ask("POST", f"/flow_runs/{subflow}/resume", {"run_input": {"hero": "neon"}})
    server.end(run, "COMPLETED")
    assert sorted(place.bought(run).values()) == [1, 1, 1]


def test_a_subflow_that_is_cancelled_while_it_waits_ends_cancelled(
    server: Server, place: Place
) -> None:
    run = server.start("launch/own", {"mode": "human"})
    subflow, _ = asked(server, run)
    server.cancel(subflow)
    server.end(run, "FAILED")
    assert server.state(subflow)["type"] == "CANCELLED"
    assert place.receipt(run)["status"] == "cancelled"


def test_a_flow_that_is_cancelled_while_its_campaign_waits_ends_cancelled(
    server: Server, place: Place
) -> None:
    run = server.start("launch/own", {"mode": "human"})
    asked(server, run)
    server.cancel(run)
    server.end(run, "CANCELLED")
    assert place.receipt(run)["status"] == "cancelled"
