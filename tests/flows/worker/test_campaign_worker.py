"""The warm worker on a real server: many runs in one process, each as true as in one of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import urllib.request
from collections.abc import Callable, Iterator
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

from rivya_flows.flows.worker import campaign_worker
from rivya_flows.flows.worker.campaign_worker import CampaignWorker
from rivya_flows.preparation.deploy_blocks import ENTRYPOINT_MODULE
from rivya_flows.processes.hosts import HostDiedError, Order, Report
from rivya_flows.processes.ports import choose_port
from support.prefect_workers import (
    OPEN,
    PATIENCE,
    Place,
    Server,
    deploy_specs,
    eventually,
    opened,
    worker,
)
from support.slow_server import gate_before

pytestmark = pytest.mark.prefect

POOL, MORTAL = "warm", "mortal"
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
  - {name: warm, work_pool: warm}
  - {name: mortal, work_pool: mortal}
"""
PICTURE = """\
version: 1
name: picture
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: A lamp}
deploy:
  - {name: warm, work_pool: warm}
  - {name: mortal, work_pool: mortal}
"""
TASK_RUNS = {"models", "still buy", "still collect", "film upload", "film buy", "film collect"}
SECRET = "not-for-any-log-4711"


@pytest.fixture(scope="module")
def place(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A sandbox and the deployed specs."""
    folder = tmp_path_factory.mktemp("warm")
    with opened(folder, server, time_scale=0.1, OWN_TOKEN=SECRET) as made:
        deploy_specs(made, server, [FILM, PICTURE])
        yield made


@pytest.fixture(scope="module")
def working(place: Place) -> Iterator[Place]:
    """The same with a worker that outlives the tests; those that end one have a pool of their own."""
    with worker(place, POOL):
        yield place


def host_of(server: Server, run: str) -> int:
    """The process that executes a flow run, as Prefect knows it."""
    return int(
        eventually(lambda: server.ask("GET", f"/flow_runs/{run}")["infrastructure_pid"], "its host")
    )


def filming(server: Server, place: Place, pool: str = POOL) -> str:
    """A run that has bought its film."""
    run = server.start(f"film/{pool}")
    bought_film(place, run)
    return run


def bought_film(place: Place, run: str) -> None:
    def bought() -> bool:
        events = [entry.event for entry in place.entries(run)]
        return any(one.kind == "purchase.accepted" and one.step == "film" for one in events)

    eventually(bought, "the film's purchase")


def left_open(server: Server, run: str) -> list[str]:
    return [one["name"] for one in server.task_runs(run) if one["state_type"] in OPEN]


def again(server: Server, run: str) -> dict[str, Any]:
    """Retries a flow run that its worker has let go of, to its end."""
    server.let_go(run)
    server.retry(run)
    return server.end(run, "COMPLETED")


def test_runs_share_a_process_and_each_keeps_its_own_log_tasks_and_end(
    server: Server, working: Place
) -> None:
    runs = [server.start("film/warm", {"product": name}) for name in ("Lamp", "Cup", "Chair")]
    for run in runs:
        server.end(run, "COMPLETED")
    assert len({host_of(server, run) for run in runs}) == 1
    for run, name in zip(runs, ("Lamp", "Cup", "Chair"), strict=True):
        assert server.ask("GET", f"/flow_runs/{run}")["name"] == f"film: {name}"
        assert {one["name"] for one in server.task_runs(run)} == TASK_RUNS
        assert left_open(server, run) == []
        log = server.logged(run, f"run-{run}: started")
        assert 0 <= log.find("film, ") < log.index(": bought, ")  # the price, before a purchase
        assert not [other for other in runs if other != run and other in log]
        assert SECRET not in log
        assert working.api_key not in log
        assert sorted(working.bought(run).values()) == [1, 1]


def test_one_run_is_cancelled_and_its_neighbour_goes_on(server: Server, working: Place) -> None:
    with working.films_held():
        run = filming(server, working)
        beside = server.start("picture/warm")
        server.cancel(run)
        server.end(run, "CANCELLED")
        server.end(beside, "COMPLETED")
    assert host_of(server, run) == host_of(server, beside)
    assert working.ends(run) == ["cancelled"]
    assert left_open(server, run) == []
    log = server.log(run)
    assert "still running: film (10 credits" in eventually(
        lambda: log if "still running" in (log := server.log(run)) else "", "the last word"
    )
    assert "Traceback" not in log
    assert "Crash" not in log

    assert again(server, run)["type"] == "COMPLETED"
    assert sorted(working.bought(run).values()) == [1, 1]


def test_runs_whose_process_is_killed_crash_and_go_on_together(
    server: Server, working: Place
) -> None:
    with working.films_held():
        runs = [filming(server, working), server.start("film/warm")]
        bought_film(working, runs[1])
        shared = {host_of(server, run) for run in runs}
        assert len(shared) == 1
        os.kill(shared.pop(), signal.SIGKILL)
        for run in runs:
            assert "was ended by SIGKILL" in server.end(run, "CRASHED")["message"]
            assert "was ended by SIGKILL" in server.logged(run, "crashed: ")
    for run in runs:
        again(server, run)
        assert left_open(server, run) == []
        assert sorted(working.bought(run).values()) == [1, 1]
    # All but one of them are innocent.
    assert len({host_of(server, run) for run in runs}) == 1


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
    monkeypatch.setattr(campaign_worker, "imported_from", lambda _: entrypoint)
    monkeypatch.setattr(ProcessWorker, "run", in_its_own)
    monkeypatch.setattr(at_work, "get_flow_run_logger", lambda _: logging.getLogger("of a run"))
    monkeypatch.setattr(at_work._hosts, "begin", die)
    run, innocent = FlowRun(flow_id=uuid4()), FlowRun(flow_id=uuid4())
    for one in (innocent, run, run):
        assert (await at_work.run(one, ProcessJobConfiguration())).status_code == -9
    for one in (innocent, run):
        await at_work.run(one, ProcessJobConfiguration())
    assert alone == [run.id]


def test_a_run_that_blocks_its_process_is_ended_and_its_worker_goes_on(
    server: Server, working: Place
) -> None:
    with working.films_held():
        run = filming(server, working)
        host = psutil.Process(host_of(server, run))
        host.suspend()
        state = server.end(run, "CRASHED")
    assert "did not respond" in state["message"]
    assert "did not respond" in server.logged(run, "crashed: ")
    assert not host.is_running() or host.status() == psutil.STATUS_ZOMBIE
    server.end(server.start("picture/warm"), "COMPLETED")
    again(server, run)
    assert sorted(working.bought(run).values()) == [1, 1]


def test_a_worker_that_is_killed_takes_its_runs_along_and_the_next_one_continues_them(
    server: Server, place: Place
) -> None:
    with place.films_held(), worker(place, MORTAL) as killed:
        run = filming(server, place, MORTAL)
        host = psutil.Process(host_of(server, run))
        killed.kill()
        eventually(lambda: not host.is_running(), "the end of its host")
    assert server.set_state(run, "CRASHED") == "ACCEPT"
    with worker(place, MORTAL):
        server.retry(run)
        server.end(run, "COMPLETED")
    assert left_open(server, run) == []
    assert sorted(place.bought(run).values()) == [1, 1]


def test_a_worker_that_drains_lets_its_runs_end_and_takes_no_new_ones(
    server: Server, place: Place
) -> None:
    draining = {**place.environment, "RIVYA_FLOWS_WORKER_DRAIN_SECONDS": "3600"}
    with worker(replace(place, environment=draining), MORTAL) as stopped:
        with place.films_held():
            run = filming(server, place, MORTAL)
            stopped.send_signal(signal.SIGTERM)
            late = server.start("picture/mortal")
        assert stopped.wait() == 0
    assert server.state(run)["type"] == "COMPLETED"
    assert server.state(late)["type"] == "SCHEDULED"
    with worker(place, MORTAL):
        server.end(late, "COMPLETED")


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
    monkeypatch.setattr(campaign_worker, "ask_often", lambda: None)  # of this process
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


def test_a_worker_that_is_stopped_reschedules_its_runs(server: Server, place: Place) -> None:
    with place.films_held(), worker(place, MORTAL) as stopped:
        run = filming(server, place, MORTAL)
        host = psutil.Process(host_of(server, run))
        stopped.send_signal(signal.SIGTERM)
        stopped.wait()
        assert not host.is_running()
    state = server.state(run)
    assert (state["type"], state["name"]) == ("SCHEDULED", "AwaitingRetry")
    assert "its worker was stopped" in state["message"]
    with worker(place, MORTAL):
        server.end(run, "COMPLETED")
    assert left_open(server, run) == []
    assert sorted(place.bought(run).values()) == [1, 1]


def test_runs_that_need_another_environment_or_folder_or_command_do_not_share(
    server: Server, working: Place, tmp_path: Path
) -> None:
    plain = server.start("picture/warm")
    other = server.start("picture/warm", environment={"RIVYA_FLOWS_MODEL_PARALLEL": "3"})
    deployment = server.ask("GET", "/deployments/name/picture/warm")
    body = {"job_variables": {"working_dir": str(tmp_path)}, "state": {"type": "SCHEDULED"}}
    elsewhere = str(
        server.ask("POST", f"/deployments/{deployment['id']}/create_flow_run", body)["id"]
    )
    for run in (plain, other, elsewhere):
        server.end(run, "COMPLETED")
    assert len({host_of(server, run) for run in (plain, other, elsewhere)}) == 3


def test_a_worker_serves_how_many_runs_it_takes_and_which_hosts_it_lost(
    server: Server, place: Place
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
    assert sorted(place.bought(run).values()) == [1, 1]


def test_a_run_whose_process_fails_says_why(server: Server, working: Place) -> None:
    run = server.start("picture/warm", environment={"RIVYA_FLOWS_MODEL_PARALLEL": "many"})
    state = server.end(run, "CRASHED")
    assert "RIVYA_FLOWS_MODEL_PARALLEL takes a whole number" in state["message"]
    assert "Traceback" in server.logged(run, "crashed: ")
    [said] = [
        one
        for one in server.ask("POST", "/logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}})
        if one["message"].startswith("crashed: ")
    ]
    assert said["level"] == logging.ERROR


def test_runs_do_not_open_the_port_of_their_workers_metrics(
    server: Server, place: Place, tmp_path: Path
) -> None:
    port = str(choose_port(0, None))
    metrics = {"PREFECT_CLIENT_METRICS_ENABLED": "true", "PREFECT_CLIENT_METRICS_PORT": port}
    deployment = server.ask("GET", "/deployments/name/picture/mortal")
    with worker(replace(place, environment={**place.environment, **metrics}), MORTAL):
        shares = server.start("picture/mortal", environment=metrics)
        alone = [{"working_dir": str(tmp_path)}, {"command": f"{sys.executable} -m prefect.engine"}]
        runs = [shares] + [
            server.ask(
                "POST",
                f"/deployments/{deployment['id']}/create_flow_run",
                {"job_variables": variables, "state": {"type": "SCHEDULED"}},
            )["id"]
            for variables in alone
        ]
        for run in runs:
            server.end(run, "COMPLETED")


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


def test_a_run_that_cannot_begin_fails_with_one_sentence(server: Server, working: Place) -> None:
    away = {"RIVYA_BASE_URL": "http://127.0.0.1:9", "RIVYA_FLOWS_OUTAGE_RETRIES": "0"}
    run = server.start("picture/warm", environment=away)
    assert "no connection" in server.end(run, "FAILED")["message"]
    assert "Traceback" not in server.log(run)
    assert working.entries(run) == []
