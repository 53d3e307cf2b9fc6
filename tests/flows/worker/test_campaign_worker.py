"""The warm worker on a real server: many runs in one process, each as true as in one of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import anyio
import httpx
import psutil
import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult
from prometheus_client.parser import text_string_to_metric_families

from rivya_flows.flows.worker import prefect_internals
from rivya_flows.flows.worker.campaign_worker import CampaignWorker
from rivya_flows.preparation.deploy_blocks import ENTRYPOINT_MODULE
from rivya_flows.processes.hosts import HostDiedError, Order, Report
from rivya_flows.processes.ports import choose_port
from support.prefect_workers import (
    PATIENCE,
    STUDIO,
    Place,
    Server,
    deploy_specs,
    eventually,
    worker,
)
from support.slow_server import gate_before

pytestmark = pytest.mark.prefect

MORTAL = "mortal"
FILM = """\
version: 1
name: film
inputs:
  product: {type: string, default: Lamp}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: "${{ inputs.product }} on a table"}
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: Slow push-in, references: ["${{ steps.still.asset }}"]}
deploy:
  - {name: studio, work_pool: studio}
  - {name: mortal, work_pool: mortal}
"""
PICTURE = (
    FILM.partition("  film:")[0].replace("name: film", "name: picture")
    + FILM[FILM.index("deploy:") :]
)
WRONG = PICTURE.replace("name: picture", "name: wrong")
TASK_RUNS = {"models", "still buy", "still collect", "film upload", "film buy", "film collect"}


@pytest.fixture(scope="module")
def place(server: Server, studio: Place) -> Place:
    """The studio with the specs, one of which was spoiled afterwards.

    Tests that end a worker have one of their own, of the pool `mortal`.
    """
    deploy_specs(studio, server, [FILM, PICTURE, WRONG])
    spoiled = WRONG.replace("z-image", "veo9")
    (studio.folder.parent / "specs" / "wrong.yaml").write_text(spoiled)
    return studio


def host_of(server: Server, run: str) -> int:
    """The process that executes a flow run, as Prefect knows it."""
    return int(
        eventually(lambda: server.ask("GET", f"/flow_runs/{run}")["infrastructure_pid"], "its host")
    )


def filming(server: Server, place: Place, pool: str = STUDIO) -> str:
    """A run that has bought its film."""
    run = server.start(f"film/{pool}")
    eventually(lambda: place.has_bought(run, "film"), "the film's purchase")
    return run


def again(server: Server, run: str) -> dict[str, Any]:
    """Retries a flow run that its worker has let go of, to its end."""
    server.let_go(run)
    server.retry(run)
    return server.end(run, "COMPLETED")


def job_variables(server: Server, deployment: str, **variables: str) -> str:
    """A new flow run with these job variables."""
    found = server.ask("GET", f"/deployments/name/{deployment}")
    body = {"job_variables": variables, "state": {"type": "SCHEDULED"}}
    return str(server.ask("POST", f"/deployments/{found['id']}/create_flow_run", body)["id"])


def test_runs_share_a_process_and_each_keeps_its_own_log_tasks_and_end(
    server: Server, place: Place
) -> None:
    products = ("Lamp", "Cup", "Chair")
    runs = [server.start("film/studio", {"product": name}) for name in products]
    for run in runs:
        server.end(run, "COMPLETED")
    assert len({host_of(server, run) for run in runs}) == 1
    for run, name in zip(runs, products, strict=True):
        assert server.ask("GET", f"/flow_runs/{run}")["name"] == f"film: {name}"
        task_runs = server.task_runs(run)
        assert {(one["name"], one["state_type"]) for one in task_runs} == {
            (one, "COMPLETED") for one in TASK_RUNS
        }
        log = server.logged(run, f"run-{run}: started")
        assert 0 <= log.find("film, ") < log.index(" bought (")  # the price, before a purchase
        assert not [other for other in runs if other != run and other in log]
        assert place.environment["OWN_TOKEN"] not in log
        assert place.api_key not in log
        assert sorted(place.bought(run).values()) == [1, 1]


def test_one_run_is_cancelled_and_its_neighbour_goes_on(server: Server, place: Place) -> None:
    with place.films_held():
        run = filming(server, place)
        beside = server.start("picture/studio")
        server.cancel(run)
        server.end(run, "CANCELLED")
        server.end(beside, "COMPLETED")
    assert host_of(server, run) == host_of(server, beside)
    assert place.ends(run) == ["cancelled"]
    assert server.left_open(run) == []
    log = server.logged(run, "still running: film (10 credits")
    assert "Traceback" not in log
    assert "Crash" not in log

    again(server, run)
    assert place.ends(run) == ["cancelled", "completed"]
    assert sorted(place.bought(run).values()) == [1, 1]


def test_runs_whose_process_is_killed_crash_and_go_on_together_from_their_journals(
    server: Server, place: Place
) -> None:
    with place.films_held():
        runs = [filming(server, place), filming(server, place)]
        shared = {host_of(server, run) for run in runs}
        assert len(shared) == 1
        # Prefect gives a task run its name when it begins to run, and tells it a moment later.
        eventually(lambda: server.left_open(runs[0]) == ["film collect"], "the film's wait")
        os.kill(shared.pop(), signal.SIGKILL)
        for run in runs:
            assert "was ended by SIGKILL" in server.end(run, "CRASHED")["message"]
            assert "was ended by SIGKILL" in server.logged(run, "crashed: ")
    before = {one["id"]: one["state"] for one in server.task_runs(runs[0])}
    for run in runs:
        assert again(server, run)["message"] == "still, film; 11 credits"
        assert server.left_open(run) == []
        assert place.ends(run) == ["completed"]
        assert sorted(place.bought(run).values()) == [1, 1]
    # All but one of them are innocent.
    assert len({host_of(server, run) for run in runs}) == 1
    # What had ended stays as it was, and what goes on follows what was there before.
    task_runs = {one["id"]: one for one in server.task_runs(runs[0])}
    changed = {
        task_runs[one]["name"] for one, state in before.items() if task_runs[one]["state"] != state
    }
    assert changed == {"film collect"}
    collected = [one["state_type"] for one in task_runs.values() if one["name"] == "film collect"]
    assert sorted(collected) == ["COMPLETED", "CRASHED"]
    assert server.graph(runs[0])["after"]["film collect"] == {"film collect", "models"}
    log = server.logged(runs[0], f"run-{runs[0]}: resumed; 11 credits spent or held so far")
    assert "Traceback" not in log


async def test_a_run_whose_process_died_twice_gets_one_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone: list[UUID] = []

    async def die(order: Order, environment: object) -> tuple[int, asyncio.Future[Report]]:
        ended: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        ended.set_exception(HostDiedError(-9, "its process was ended by SIGKILL"))
        return 1, ended

    async def in_its_own(_: object, flow_run: FlowRun, *__: object) -> ProcessWorkerResult:
        alone.append(flow_run.id)
        return ProcessWorkerResult(status_code=0, identifier="2")

    at_work = CampaignWorker(MORTAL, name="at work")
    entrypoint = f"{ENTRYPOINT_MODULE}.film"
    monkeypatch.setattr(prefect_internals, "imported_from", lambda _: entrypoint)
    monkeypatch.setattr(ProcessWorker, "run", in_its_own)
    monkeypatch.setattr(at_work, "get_flow_run_logger", lambda _: logging.getLogger("of a run"))
    monkeypatch.setattr(at_work._hosts, "begin", die)
    run, innocent = FlowRun(flow_id=uuid4()), FlowRun(flow_id=uuid4())
    for one in (innocent, run, run):
        assert (await at_work.run(one, ProcessJobConfiguration())).status_code == -9
    for one in (innocent, run):
        await at_work.run(one, ProcessJobConfiguration())
    assert alone == [run.id]


def test_a_worker_that_is_killed_stopped_or_drained_loses_no_run_and_the_next_one_continues_them(
    server: Server, place: Place
) -> None:
    with place.films_held(), worker(place, MORTAL) as killed:
        first = filming(server, place, MORTAL)
        host = psutil.Process(host_of(server, first))
        killed.kill()
        eventually(lambda: not host.is_running(), "the end of its host")
    assert server.set_state(first, "CRASHED") == "ACCEPT"  # as an automation does

    with place.films_held(), worker(place, MORTAL) as stopped:
        server.retry(first)
        server.end(first, "COMPLETED")
        second = filming(server, place, MORTAL)
        host = psutil.Process(host_of(server, second))
        stopped.send_signal(signal.SIGTERM)
        stopped.wait()
        assert not host.is_running()
    state = server.state(second)
    assert (state["type"], state["name"]) == ("SCHEDULED", "AwaitingRetry")
    assert "its worker was stopped" in state["message"]

    draining = {**place.environment, "RIVYA_FLOWS_WORKER_DRAIN_SECONDS": "3600"}
    with worker(replace(place, environment=draining), MORTAL) as drained:
        with place.films_held():
            server.end(second, "COMPLETED")
            third = filming(server, place, MORTAL)
            drained.send_signal(signal.SIGTERM)
            late = server.start("picture/mortal")
        assert drained.wait() == 0
    assert server.state(third)["type"] == "COMPLETED"
    assert server.state(late)["type"] == "SCHEDULED"
    with worker(place, MORTAL):
        server.end(late, "COMPLETED")
    for run in (first, second, third):
        assert server.left_open(run) == []
        assert sorted(place.bought(run).values()) == [1, 1]


async def test_a_draining_worker_stops_at_once_when_it_is_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stops: list[Callable[[], None]] = []

    async def work(*_: object) -> None:
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "add_signal_handler", lambda _, stop: stops.append(stop))
    monkeypatch.setattr(loop, "remove_signal_handler", lambda _: None)
    monkeypatch.setattr(ProcessWorker, "start", work)
    monkeypatch.setattr(prefect_internals, "ask_often", lambda: None)  # of this process
    draining = CampaignWorker(MORTAL, name="draining")
    draining._drain_seconds = 3600
    draining._limiter = anyio.CapacityLimiter(1)
    draining._limiter.acquire_on_behalf_of_nowait("a run")
    working = asyncio.create_task(draining.start())
    while not stops:
        await asyncio.sleep(0)
    stops[0]()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not working.done()
    stops[0]()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert draining._draining is not None
    draining._draining.cancel()


def test_runs_that_need_another_environment_or_folder_or_command_do_not_share(
    server: Server, place: Place, tmp_path: Path
) -> None:
    runs = (
        server.start("picture/studio"),
        server.start("picture/studio", environment={"RIVYA_FLOWS_MODEL_PARALLEL": "3"}),
        job_variables(server, "picture/studio", working_dir=str(tmp_path)),
    )
    for run in runs:
        server.end(run, "COMPLETED")
    assert len({host_of(server, run) for run in runs}) == 3


def test_a_worker_serves_its_runs_and_lost_hosts_at_a_port_that_its_runs_do_not_open(
    server: Server, place: Place, tmp_path: Path
) -> None:
    port = choose_port(0, None)
    metrics = {"PREFECT_CLIENT_METRICS_ENABLED": "true", "PREFECT_CLIENT_METRICS_PORT": str(port)}

    def scraped() -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        return {
            sample.name.removeprefix("rivya_flows_worker_"): sample.value
            for family in families
            for sample in family.samples
            if sample.name.startswith("rivya_flows_") and not sample.name.endswith("_created")
        }

    with worker(replace(place, environment={**place.environment, **metrics}), MORTAL):
        with place.films_held():
            run = filming(server, place, MORTAL)
            before = {"slots": 50, "slots_used": 1, "hosts_started_total": 1, "hosts_lost_total": 0}
            assert scraped() == before
            os.kill(host_of(server, run), signal.SIGKILL)
            server.end(run, "CRASHED")
            assert scraped()["hosts_lost_total"] == 1
        again(server, run)
        command = f"{sys.executable} -m prefect.engine"
        for other in (
            server.start("picture/mortal", environment=metrics),
            job_variables(server, "picture/mortal", working_dir=str(tmp_path)),
            job_variables(server, "picture/mortal", command=command),
        ):
            server.end(other, "COMPLETED")
    assert sorted(place.bought(run).values()) == [1, 1]


def test_a_run_whose_process_fails_says_why(server: Server, place: Place) -> None:
    run = server.start("picture/studio", environment={"RIVYA_FLOWS_MODEL_PARALLEL": "many"})
    state = server.end(run, "CRASHED")
    assert "RIVYA_FLOWS_MODEL_PARALLEL takes a whole number" in state["message"]
    assert f"{logging.ERROR} crashed: " in server.logged(run, "Traceback")


def test_a_run_that_begins_while_the_server_is_silent_holds_up_no_neighbour(
    server: Server, place: Place
) -> None:
    with gate_before(server.api_url) as (gate, address):
        behind = replace(place, environment={**place.environment, "PREFECT_API_URL": address})
        with worker(behind, MORTAL):
            with place.films_held():
                neighbour = filming(server, place, MORTAL)
                begins = server.start("picture/mortal")
                # What asks for the storage of results would wait in the event loop of both.
                gate.close_at(lambda sent: b"/admin/storage" in sent or b'"RUNNING"' in sent)
                assert gate.closed.wait(PATIENCE)
            eventually(lambda: place.ends(neighbour) == ["completed"], "the neighbour's end")
            gate.open()
            for run in (neighbour, begins):
                server.end(run, "COMPLETED")
    assert len({host_of(server, run) for run in (neighbour, begins)}) == 1
    for run in (neighbour, begins):
        assert server.ask("GET", f"/flow_runs/{run}")["run_count"] == 1


def test_a_run_that_is_started_again_while_its_worker_lives_is_executed_once(
    server: Server, place: Place
) -> None:
    with worker(place, MORTAL), worker(place, MORTAL):
        with place.films_held():
            run = filming(server, place, MORTAL)
            server.retry(run)  # as an automation does when no heartbeat came through
            eventually(
                lambda: server.ask("GET", f"/flow_runs/{run}")["run_count"] == 2, "its new start"
            )
        server.logged(run, "is completed; nothing is executed again")
        server.end(run, "COMPLETED")
    assert place.ends(run) == ["completed"]
    assert sorted(place.bought(run).values()) == [1, 1]


async def test_a_worker_goes_on_when_the_server_refuses_to_begin_or_to_label_a_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refused(*_: object) -> None:
        raise httpx.ReadTimeout("no answer")

    at_work = CampaignWorker(MORTAL, name="at work")
    run = FlowRun(flow_id=uuid4())
    at_work._limiter = anyio.CapacityLimiter(1)
    at_work._limiter.acquire_on_behalf_of_nowait(run.id)
    at_work._submitting_flow_run_ids.add(run.id)
    for name in ("_submit_run", "_give_worker_labels_to_flow_run"):
        monkeypatch.setattr(ProcessWorker, name, refused)
    await at_work._give_worker_labels_to_flow_run(run.id)
    await at_work._submit_run(run)
    assert not at_work._submitting_flow_run_ids
    assert at_work._limiter.available_tokens == 1


def test_a_run_that_cannot_begin_fails_with_one_sentence_and_buys_nothing(
    server: Server, place: Place
) -> None:
    away = {"RIVYA_BASE_URL": "http://127.0.0.1:9", "RIVYA_FLOWS_OUTAGE_RETRIES": "0"}
    expected = {
        server.start("picture/studio", environment=away): "GET /api/v1/models: no connection",
        server.start("wrong/studio"): "wrong.yaml:8:19: no model 'veo9'",
    }
    for run, sentence in expected.items():
        assert sentence in server.end(run, "FAILED")["message"]
        assert place.entries(run) == []
        log = server.log(run)
        assert "Traceback" not in log
        assert len(log.splitlines()) < 12


def test_a_worker_that_was_told_so_takes_the_sandbox_and_says_it(
    server: Server, place: Place
) -> None:
    told_so = {"RIVYA_API_KEY": "", "RIVYA_BASE_URL": "", "RIVYA_FLOWS_SANDBOX": "true"}
    run = server.start("picture/studio", environment=told_so)
    assert server.end(run, "COMPLETED")["message"].endswith("; 1 credit (sandbox)")
    assert place.receipt(run)["sandbox"] is True
    assert place.bought(run) == {}  # at the service of the key
