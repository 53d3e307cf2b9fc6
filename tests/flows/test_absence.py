"""Flow runs of deployments whose service, store or Prefect server is away for a while."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect.client import orchestration as prefect_client

from rivya_client import retries
from rivya_client.catalogue.snapshot import shipped
from rivya_client.errors import JobTimeoutError
from rivya_flows.errors import APIConnectionError, APIStatusError, LeaseLostError, UsageError
from rivya_flows.flows import absence
from rivya_flows.flows.absence import is_absence
from rivya_flows.flows.compiler import compile_flow
from rivya_flows.flows.execution import execute
from rivya_flows.flows.execution.execute import execute_run
from rivya_flows.flows.recovery.automations import EVENT_PREFIX
from rivya_flows.flows.recovery.waker import record_cancellations
from rivya_flows.flows.spec_registry import flow_for_run
from rivya_flows.flows.worker.prefect_internals import SharedRuns
from rivya_flows.receipt.report import RunReport
from rivya_flows.settings import read_settings
from rivya_flows.spec.load import load
from rivya_flows.store.journal import Journal
from rivya_flows.store.run_list import listed_runs
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import buy_from
from support.engine_runs import order
from support.prefect_workers import OPEN, Place, Server, deploy_specs, eventually

PICTURES = """\
version: 1
name: pictures
inputs:
  product: {type: string, default: Lamp}
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "${{ inputs.product }}, ${{ matrix.style }}"}
outputs:
  stills: ${{ steps.stills.assets }}
deploy:
  - {name: away, work_pool: away}
"""


def with_cause(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (APIConnectionError("POST: no connection"), True),
        (APIStatusError(503, "http_503", "Service Unavailable"), True),
        (APIStatusError(429, "rate_limited", "slower"), True),
        (APIStatusError(401, "api_key_invalid", "no such key"), False),
        (JobTimeoutError("task", "running", 60.0), False),
        (UsageError("there is no key"), False),
        (with_cause(UsageError("no server"), httpx.ConnectError("refused")), True),
        (ValueError("a mistake of ours"), False),
    ],
)
def test_an_absence_is_what_may_come_back_by_itself(error: Exception, away: bool) -> None:
    assert is_absence(error) is away


# --- Executed in this process, on a real server ---------------------------------------------------


@pytest.fixture
def place(
    server: Server, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Place:
    """The sandbox and the store of this process, and a client that repeats at once."""
    buy_from(sandbox, monkeypatch)
    monkeypatch.setenv("RIVYA_FLOWS_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(retries, "FIRST_BACKOFF_SECONDS", 0.001)
    monkeypatch.setattr(absence, "FIRST_PAUSE", timedelta(0))
    (tmp_path / "specs").mkdir()
    monkeypatch.setenv("RIVYA_FLOWS_SPECS", str(tmp_path / "specs"))
    made = Place(tmp_path / "data", sandbox.data, os.environ)
    deploy_specs(made, server, [PICTURES])
    return made


async def executed(server: Server, run: str) -> dict[str, Any]:
    """The state of a flow run after this process has executed it, as a host of a worker does."""
    async with SharedRuns() as shared:
        await shared.execute(UUID(run), lambda: flow_for_run("pictures", run, read_settings()))
    return server.state(run)


async def without_service(
    server: Server, sandbox: Sandbox, where: str = "POST /api/v1/generations"
) -> tuple[str, dict[str, Any]]:
    """A flow run and its state, after it was executed while the service was away."""
    order(sandbox, f'on: "{where}", do: drop_before')
    run = server.start("pictures/away", {"product": "Cup"})
    state = await executed(server, run)
    order(sandbox)
    return run, state


@pytest.mark.prefect
@pytest.mark.parametrize("where", ["GET /api/v1/models", "POST /api/v1/generations"])
async def test_a_flow_run_without_its_service_is_scheduled_again_and_completes(
    where: str, server: Server, place: Place, sandbox: Sandbox
) -> None:
    run, state = await without_service(server, sandbox, where)
    assert (state["type"], state["name"]) == ("SCHEDULED", "AwaitingRetry")
    assert where.removesuffix("/generations") in state["message"]
    assert "tries again at" in state["message"]
    assert "(1 of 12)" in state["message"]
    assert place.ends(run) == []
    if where.startswith("POST"):  # it has begun
        with closing(Journal(read_settings().store_url)) as journal:
            [listed] = listed_runs(journal.engine, labels={}, limit=1)
        assert listed.status == "waiting"
        assert listed.waits is not None
        assert listed.waits.reason in state["message"]
        assert f"{listed.waits.until:%H:%M:%S} UTC" in state["message"]
    assert (await executed(server, run))["type"] == "COMPLETED"
    assert place.ends(run) == ["completed"]
    assert sorted(place.bought(run).values()) == [1, 1]

    def settled() -> bool | None:  # by events, which arrive after the run
        return all(one["state_type"] not in OPEN for one in server.task_runs(run)) or None

    await asyncio.to_thread(eventually, settled, "the end of each task")


@pytest.mark.prefect
async def test_a_flow_run_without_its_store_is_scheduled_again_and_completes(
    server: Server, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    run = server.start("pictures/away", {"product": "Cup"})
    with monkeypatch.context() as away:
        away.setenv("RIVYA_FLOWS_STORE", f"postgresql://nobody@/rivya?host={tmp_path}")
        state = await executed(server, run)
    assert state["name"] == "AwaitingRetry", state
    assert "cannot open the store" in state["message"]
    assert (await executed(server, run))["type"] == "COMPLETED"


@pytest.mark.prefect
async def test_a_flow_run_whose_server_is_away_too_for_a_moment_is_scheduled_again(
    server: Server, place: Place, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = iter([True, False, True])

    def get_client() -> prefect_client.PrefectClient:
        if next(refused, False):
            raise httpx.ConnectError("refused")
        return real()

    real = prefect_client.get_client
    monkeypatch.setattr(absence, "get_client", get_client)
    run, state = await without_service(server, sandbox)
    assert (state["name"], place.ends(run)) == ("AwaitingRetry", [])
    assert "(1 of 12)" in state["message"]
    assert (await executed(server, run))["type"] == "COMPLETED"


@pytest.mark.prefect
async def test_a_run_that_ended_as_its_server_went_away_is_listed_by_its_end(
    server: Server, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ends_away(*arguments: Any) -> RunReport:
        await execute_run(*arguments)
        raise httpx.ConnectError("refused")

    run = server.start("pictures/away", {"product": "Cup"})
    with monkeypatch.context() as ending:
        ending.setattr(execute, "execute_run", ends_away)
        assert (await executed(server, run))["name"] == "AwaitingRetry"
    assert (await executed(server, run))["type"] == "COMPLETED"
    assert place.ends(run) == ["completed"]
    with closing(Journal(read_settings().store_url)) as journal:
        [listed] = listed_runs(journal.engine, labels={}, limit=1)
    assert (listed.status, listed.waits) == ("completed", None)


@pytest.mark.prefect
async def test_a_flow_run_that_is_cancelled_as_it_would_try_later_is_cancelled_once(
    server: Server, place: Place, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(sandbox, 'on: "POST /api/v1/generations", do: drop_before')
    run = server.start("pictures/away", {"product": "Cup"})
    tries = absence._tries

    async def cancelled_meanwhile() -> int:
        server.cancel(run)
        return await tries()

    monkeypatch.setattr(absence, "_tries", cancelled_meanwhile)
    assert (await executed(server, run))["type"] == "CANCELLED"
    order(sandbox)
    assert place.ends(run) == ["cancelled"]
    wanted = {"event": {"prefix": [EVENT_PREFIX]}, "resource": {"id": [f"prefect.flow-run.{run}"]}}
    [event] = eventually(
        lambda: server.ask("POST", "/events/filter", {"filter": wanted})["events"], "the event"
    )
    assert event["event"] == f"{EVENT_PREFIX}cancelled"
    assert event["payload"]["sentence"].endswith("; 2 credits")  # both were sent


@pytest.mark.prefect
async def test_a_flow_run_that_is_cancelled_before_its_next_try_is_cancelled_in_the_journal_too(
    server: Server, place: Place, sandbox: Sandbox
) -> None:
    run, state = await without_service(server, sandbox)
    assert state["name"] == "AwaitingRetry"
    server.set_state(run, "CANCELLING")
    server.end(run, "CANCELLED")
    with closing(Journal(read_settings().store_url)) as journal:
        assert await record_cancellations(journal) == [f"run-{run}"]
    assert place.ends(run) == ["cancelled"]


@pytest.mark.prefect
async def test_a_flow_run_that_lost_its_lease_leaves_its_end_to_the_process_that_has_it(
    server: Server, place: Place, sandbox: Sandbox
) -> None:
    """As when a machine sleeps, and another one continues the run meanwhile."""

    async def lost(*_: Any) -> Any:
        raise LeaseLostError("another process drives the run now")

    workflow = load(PICTURES, file="pictures.yaml", catalogue=shipped(), folder=None)
    flow = compile_flow(workflow, spec_text=PICTURES, execute=lost)
    run = server.start("pictures/away", {"product": "Cup"})
    async with SharedRuns() as shared:
        assert await shared.execute(UUID(run), lambda: flow)
    assert server.state(run)["type"] == "RUNNING"


@pytest.mark.prefect
async def test_an_absence_that_lasts_too_long_and_a_mistake_at_once_fail_the_run(
    server: Server, place: Place, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_FLOWS_OUTAGE_RETRIES", "1")
    order(sandbox, 'on: "POST /api/v1/generations", do: drop_before')
    run = server.start("pictures/away", {"product": "Cup"})
    assert (await executed(server, run))["name"] == "AwaitingRetry"
    assert (await executed(server, run))["type"] == "FAILED"
    assert place.ends(run) == ["failed"]
    order(sandbox)
    monkeypatch.setenv("RIVYA_API_KEY", "rvya_live_0000000000000000000000000000000000000000")
    mistaken = server.start("pictures/away", {"product": "Cup"})
    assert (await executed(server, mistaken))["type"] == "FAILED"
