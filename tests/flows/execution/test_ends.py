"""Each end of a flow run is one event, wherever its process is killed: a real server, real kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from rivya_flows.engine.run import Run, StopRequest, stopped_by
from rivya_flows.errors import StoreError
from rivya_flows.flows.execution import execute
from rivya_flows.flows.questions import take_answers
from rivya_flows.flows.recovery.automations import EVENT_PREFIX
from rivya_flows.flows.spec_registry import flow_for_run
from rivya_flows.flows.worker.prefect_internals import SharedRuns
from rivya_flows.receipt.report import RunReporter
from rivya_flows.settings import read_settings
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import buy_from
from support.engine_runs import order
from support.prefect_workers import Place, Server, deploy_specs, eventually, undisturbed

pytestmark = pytest.mark.prefect

PICTURE = """\
version: 1
name: picture
steps:
  still: {uses: generate, with: {model: z-image, prompt: A lamp}}
deploy:
  - {name: ends, work_pool: ends}
"""
ASKING = """\
version: 1
name: asking
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "A lamp, ${{ matrix.style }}"}
  hero: {uses: pick, with: {from: "${{ steps.stills.items }}", mode: human}}
deploy:
  - {name: ends, work_pool: ends}
"""

EXECUTE = "rivya_flows.flows.execution.execute"
LEASES = "rivya_flows.store.leases:Leases"
PLACES = {
    "before it compares the books": ("rivya_flows.engine.loop:reconcile_jobs", 1, "before"),
    "after it compared the books": ("rivya_flows.engine.loop:reconcile_jobs", 1, "after"),
    "before it closes task runs": (f"{EXECUTE}:earlier_task_runs", 2, "before"),
    "before it writes its report": ("rivya_flows.receipt.report:RunReporter.write", 1, "before"),
    "before it announces its end": (f"{EXECUTE}:announce", 1, "before"),
    "before its event is sent": ("rivya_flows.flows.execution.run_events:send_event", 1, "before"),
    "after its event is sent": ("rivya_flows.flows.execution.run_events:send_event", 1, "after"),
    "before it releases its lease": (f"{LEASES}.release", 1, "before"),
    "after it released its lease": (f"{LEASES}.release", 1, "after"),
    "before Prefect hears of it": (
        "prefect.client.orchestration:PrefectClient.set_flow_run_state",
        2,
        "before",
    ),
}
"""What is called after the end of a run is written, in this order."""

EXECUTES = """\
import asyncio, functools, importlib, inspect, json, os, signal, sys
from uuid import UUID
from rivya_flows.flows.execution import execute
from rivya_flows.flows.worker.prefect_internals import SharedRuns
from rivya_flows.flows.spec_registry import flow_for_run
from rivya_flows.settings import read_settings


def die_at(place, number, when):
    module, _, name = place.partition(":")
    *outer, name = name.split(".")
    owner = functools.reduce(getattr, outer, importlib.import_module(module))
    called, calls = getattr(owner, name), []

    def dies(now):
        if now == when and len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    async def later(*arguments, **options):
        calls.append(None)
        dies("before")
        found = await called(*arguments, **options)
        dies("after")
        return found

    def now(*arguments, **options):
        calls.append(None)
        dies("before")
        found = called(*arguments, **options)
        dies("after")
        return found

    setattr(owner, name, later if inspect.iscoroutinefunction(called) else now)


async def main(spec, run):
    async with SharedRuns() as shared:
        await shared.execute(UUID(run), lambda: flow_for_run(spec, run, read_settings()))


for line in sys.stdin:
    spec, run, place, environment = json.loads(line)
    child = os.fork()
    if not child:
        os.environ.update(environment)
        if place:
            die_at(*place)
        asyncio.run(main(spec, run))
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""
"""Executes flow runs as a host of a worker does, each in a process that may die at a place."""


@pytest.fixture(scope="module")
def executing(server: Server) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", EXECUTES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@dataclass(frozen=True)
class Stage:
    """Executes flow runs of one place."""

    place: Place
    server: Server
    process: subprocess.Popen[str]

    def execute(self, spec: str, run: str, dies: Sequence[object] = ()) -> int:
        """How the process ended: 0, or the number of its signal."""
        settings = {name: os.environ[name] for name in os.environ if name.startswith("RIVYA_")}
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        print(json.dumps([spec, run, dies, settings]), file=stdin, flush=True)
        return int(stdout.readline())

    def go_on(self, spec: str, run: str) -> None:
        """What a worker and the automations do with a flow run whose process died."""
        self.server.set_state(run, "CRASHED")
        self.server.retry(run)
        assert self.execute(spec, run) == 0

    def announced(self, run: str) -> list[dict[str, Any]]:
        """The events of a flow run's ends, once there is one."""
        wanted = {
            "event": {"prefix": [EVENT_PREFIX]},
            "resource": {"id": [f"prefect.flow-run.{run}"]},
        }

        def found() -> list[dict[str, Any]]:
            body = {"filter": wanted}
            events: list[dict[str, Any]] = self.server.ask("POST", "/events/filter", body)["events"]
            return events

        return eventually(found, "the event")


@pytest.fixture
def stage(
    server: Server,
    executing: subprocess.Popen[str],
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stage]:
    """The sandbox and the store of this process, with deployed specs."""
    buy_from(sandbox, monkeypatch)
    monkeypatch.setenv("RIVYA_FLOWS_DATA", str(tmp_path / "data"))
    (tmp_path / "specs").mkdir()
    monkeypatch.setenv("RIVYA_FLOWS_SPECS", str(tmp_path / "specs"))
    place = Place(tmp_path / "data", sandbox.data, os.environ)
    deploy_specs(place, server, [PICTURE, ASKING])
    with undisturbed(server):
        yield Stage(place, server, executing)


@pytest.mark.parametrize("died", PLACES)
def test_a_failed_run_whose_process_is_killed_is_announced_once_and_not_executed_again(
    died: str, stage: Stage, sandbox: Sandbox
) -> None:
    run = stage.server.start("picture/ends")
    order(sandbox, 'on: "POST /api/v1/generations", do: status, status: 400')
    assert stage.execute("picture", run, PLACES[died]) == signal.SIGKILL
    order(sandbox)
    assert stage.place.ends(run) == ["failed"]
    stage.go_on("picture", run)
    assert stage.server.state(run)["type"] == "FAILED"
    assert stage.place.ends(run) == ["failed"]
    [event] = stage.announced(run)
    assert event["event"] == f"{EVENT_PREFIX}failed"
    assert event["payload"]["credits"]["spent"] == 0


@pytest.mark.parametrize("died", ["before its event is sent", "before Prefect hears of it"])
def test_a_question_whose_process_is_killed_is_announced_once(died: str, stage: Stage) -> None:
    run = stage.server.start("asking/ends")
    assert stage.execute("asking", run, PLACES[died]) == signal.SIGKILL
    assert stage.place.ends(run) == ["suspended"]
    stage.go_on("asking", run)
    assert stage.server.state(run)["name"] == "Suspended"
    assert stage.place.ends(run) == ["suspended"]
    [event] = stage.announced(run)
    assert event["event"] == f"{EVENT_PREFIX}suspended"


def test_a_failed_run_that_a_person_retries_is_executed_again(
    stage: Stage, sandbox: Sandbox
) -> None:
    run = stage.server.start("picture/ends")
    order(sandbox, 'on: "POST /api/v1/generations", do: status, status: 400')
    assert stage.execute("picture", run) == 0
    order(sandbox)
    stage.server.retry(run)
    assert stage.execute("picture", run) == 0
    assert stage.place.ends(run) == ["failed", "completed"]


async def cancelled_before_its_engine(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> str:
    stop = StopRequest()

    async def stopped(run: Run) -> None:
        stop.make()
        await take_answers(run)

    monkeypatch.setattr(execute, "take_answers", stopped)
    run = stage.server.start("picture/ends")
    with stopped_by(stop):
        async with SharedRuns() as shared:
            load = partial(flow_for_run, "picture", run, read_settings())
            await shared.execute(UUID(run), load)
    return run


async def test_a_run_that_is_cancelled_before_its_engine_begins_is_announced_once_as_cancelled(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await cancelled_before_its_engine(stage, monkeypatch)
    assert stage.server.state(run)["type"] == "CANCELLED"
    assert stage.place.ends(run) == ["cancelled"]
    [event] = stage.announced(run)
    assert event["event"] == f"{EVENT_PREFIX}cancelled"


async def test_a_run_whose_report_cannot_be_written_is_cancelled_all_the_same(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(_: RunReporter) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(RunReporter, "write", write)
    run = await cancelled_before_its_engine(stage, monkeypatch)
    assert stage.server.state(run)["type"] == "CANCELLED"
    assert stage.place.ends(run) == ["cancelled"]
