"""Campaigns in flows of one's own, on a real server and worker: waiting, answered, killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.runtime import flow_run

import rivya_flows as rf
from rivya_flows.questions.question import Answer
from rivya_flows.runs.execution import take_waiting
from rivya_flows.settings import read_settings
from rivya_flows.store import mailbox
from rivya_flows.store.journal import Journal
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import buy_from
from support.prefect_workers import Place, Server, deploy, deploy_specs, eventually

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("small_pictures")]

SPEC = """\
version: 1
name: chosen
labels: {product: "${{ inputs.product }}", client: acme}
inputs:
  product: {type: string}
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "${{ inputs.product }}, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human}
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: Slow push-in, references: ["${{ steps.hero.asset }}"]}
outputs:
  film: ${{ steps.film.asset }}
deploy:
  - {name: studio, work_pool: studio, budget: {credits: 40}}
"""
LAUNCH = """\
from prefect import flow
from prefect.deployments import run_deployment

import rivya_flows as rf


@flow(log_prints=True)
async def launch() -> None:
    receipt = await rf.campaign("FOLDER/specs/chosen.yaml")(product="kettle")
    print("the flow got", receipt.status)


@flow(log_prints=True)
async def relay() -> None:
    made = await run_deployment(
        "chosen/studio", parameters={"product": "kettle"}, poll_interval=1, idempotency_key="7"
    )
    print("the flow got", (await rf.aoutputs_of(made.id)).status)
"""
DEPLOY = """\
name: own
deployments:
  - {name: own, entrypoint: "launch.py:launch", work_pool: {name: studio}}
  - {name: own, entrypoint: "launch.py:relay", work_pool: {name: studio}}
"""


def asked(server: Server, run: str) -> tuple[str, dict[str, Any]]:
    """The subflow that waits for an answer, once its form can be filled in, and its state."""

    def state() -> tuple[str, dict[str, Any]] | None:
        body = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
        for found in server.ask("POST", "/flow_runs/filter", body):
            keys = found["state"]["state_details"]["run_input_keyset"]
            if found["state"]["type"] == "PAUSED" and keys:
                inputs = {"prefix": keys["schema"], "limit": 1}
                if server.ask("POST", f"/flow_runs/{found['id']}/input/filter", inputs):
                    return found["id"], found["state"]
        assert server.state(run)["type"] != "FAILED", server.log(run)
        return None

    return eventually(state, f"the question of {run}")


def answer(server: Server, subflow: str) -> None:
    """What the form sends."""
    sent = {"run_input": {"hero": "neon"}}
    assert server.ask("POST", f"/flow_runs/{subflow}/resume", sent)["status"] == "ACCEPT"


# --- In this process ------------------------------------------------------------------------------


@pytest.fixture
def here(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The store and the sandbox of this process."""
    buy_from(sandbox, monkeypatch)
    return Place(tmp_path / "data", sandbox.data, os.environ)


async def in_own_flow(spec: str, meanwhile: Callable[[str], object]) -> tuple[str, rf.Receipt]:
    """A campaign in a flow of one's own, with something else that happens in a thread."""
    Path("chosen.yaml").write_text(spec)
    campaign = rf.campaign("chosen.yaml")

    @flow
    async def launch() -> tuple[str, rf.Receipt]:
        running = asyncio.create_task(campaign(product="kettle"))
        await asyncio.to_thread(meanwhile, str(flow_run.id))
        return str(flow_run.id), await running

    return await launch()


async def test_a_subflow_is_paused_while_it_waits_and_its_form_answers(
    server: Server, here: Place
) -> None:
    subflows: list[str] = []

    def fill_in(run: str) -> None:
        subflow, state = asked(server, run)
        assert (state["name"], server.state(run)["name"]) == ("Paused", "Running")
        waiting = rf.outputs_of(run)
        assert (waiting.status, waiting.outputs) == ("suspended", {"film": None})
        assert waiting.waiting_for == {"hero": ("studio", "neon")}
        answer(server, subflow)
        subflows.append(subflow)

    run, receipt = await in_own_flow(SPEC, fill_in)
    assert receipt.status == "completed"
    assert server.state(subflows[0])["name"] == "Completed"
    tags = server.ask("GET", f"/flow_runs/{subflows[0]}")["tags"]
    assert sorted(tags) == ["client:acme", "product:kettle"]
    assert receipt.document["labels"] == {"client": "acme", "product": "kettle"}
    assert receipt.document["credits"]["budget"] is None
    assert here.answers(run) == [("neon", "form")]
    assert sorted(here.bought(run).values()) == [1, 1, 1]


async def test_a_subflow_that_waits_continues_after_an_answer_in_a_terminal(
    server: Server, here: Place
) -> None:
    def resume(run: str) -> None:
        asked(server, run)
        command = [sys.executable, "-m", "rivya_flows.cli.main", "resume"]
        command += [rf.outputs_of(run).run_id, "--answer", "hero=studio"]
        subprocess.run(command, check=True)

    run, receipt = await in_own_flow(SPEC, resume)
    # It was executed until it waited, and in the terminal.
    assert (receipt.status, receipt.document["executions"]) == ("completed", 2)
    assert here.answers(run) == [("studio", "command")]
    assert sorted(here.bought(run).values()) == [1, 1, 1]


async def test_a_subflow_that_waits_continues_by_itself_after_an_answer_of_a_link(
    server: Server, here: Place
) -> None:
    def answer_with_link(run: str) -> None:
        asked(server, run)
        name, given = rf.outputs_of(run).run_id, Answer(("studio",), name="Legal", channel="link")
        with closing(Journal(read_settings().store_url)) as journal:
            mailbox.put(journal.engine, name, ("hero", "", 0), given, datetime.now(UTC))
            assert take_waiting(journal, name)

    run, receipt = await in_own_flow(SPEC, answer_with_link)
    assert (receipt.status, here.answers(run)) == ("completed", [("studio", "link")])
    assert sorted(here.bought(run).values()) == [1, 1, 1]


async def test_the_deadline_of_a_subflow_that_waits_acts(here: Place) -> None:
    hurried = SPEC.replace("mode: human", "mode: human, timeout: 1s, on_timeout: first")
    run, receipt = await in_own_flow(hurried, lambda _: None)
    assert receipt.status == "completed"
    assert here.answers(run) == [("studio", "deadline")]


async def test_a_subflow_that_is_cancelled_while_it_waits_ends_cancelled(
    server: Server, here: Place
) -> None:
    subflows: list[str] = []

    def cancel(run: str) -> None:
        subflows.append(asked(server, run)[0])
        server.cancel(subflows[0])

    with pytest.raises(rf.RunEndedError) as caught:
        await in_own_flow(SPEC, cancel)
    assert caught.value.outcome.status == "cancelled"
    assert server.state(subflows[0])["type"] == "CANCELLED"


# --- On a worker ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(server: Server, studio: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The studio with flows of one's own that are deployed."""
    deploy_specs(studio, server, [SPEC])
    folder = tmp_path_factory.mktemp("own")
    (folder / "launch.py").write_text(LAUNCH.replace("FOLDER", str(studio.folder.parent)))
    deploy(folder, DEPLOY, studio.environment)
    return studio


def kill_and_retry(server: Server, place: Place, run: str, times: int) -> None:
    """What a crash and the automation or a person do."""
    engine = place.engine_of(run)
    assert engine is not None
    os.kill(engine, signal.SIGKILL)
    server.end(run, "CRASHED")
    server.let_go(run, times)
    server.retry(run)


def test_a_flow_that_is_killed_while_it_waits_and_while_it_buys_buys_nothing_twice(
    server: Server, place: Place
) -> None:
    run = server.start("launch/own")
    subflow, before = asked(server, run)
    kill_and_retry(server, place, run, 1)
    eventually(lambda: asked(server, run)[1]["id"] != before["id"], "the second question")

    def is_shown() -> bool:
        rows = server.ask("POST", "/task_runs/filter", {"flow_runs": {"id": {"any_": [subflow]}}})
        return any(one["state_type"] == "RUNNING" for one in rows)

    with place.films_held():
        answer(server, subflow)
        eventually(lambda: place.has_bought(run, "film"), "the purchase of the film")
        # Prefect tells its server of a task run a moment after it begins.
        eventually(is_shown, "the film's wait")
        kill_and_retry(server, place, run, 2)
    server.end(run, "COMPLETED")
    eventually(lambda: "the flow got completed" in server.log(run), "what the flow printed")
    assert place.answers(run) == [("neon", "form")]
    assert sorted(place.bought(run).values()) == [1, 1, 1]
    # Prefect took up the same subflow each time, and nothing of a dead process stays open.
    assert server.state(subflow)["type"] == "COMPLETED"
    assert {one["state_type"] for one in server.task_runs(subflow)} == {"COMPLETED", "CRASHED"}


def test_a_deployment_that_a_flow_started_is_paused_too(server: Server, place: Place) -> None:
    """Prefect suspends no flow run that another one called, whatever its deployment."""
    run = server.start("relay/own")
    subflow, state = asked(server, run)
    assert state["name"] == "Paused"
    server.logged(subflow, "budget 40")  # of its deployment
    answer(server, subflow)
    server.end(run, "COMPLETED")
    eventually(lambda: "the flow got completed" in server.log(run), "what the flow printed")
    assert sorted(place.bought(subflow).values()) == [1, 1, 1]
