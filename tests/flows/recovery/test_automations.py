"""The automations that bring runs back: what they say, and what a real server makes of them."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from prefect import get_client
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture

from rivya_flows.flows.deployment.infrastructure import ensure_work_pool
from rivya_flows.flows.recovery.automations import (
    AGAIN,
    CRASHES,
    ENOUGH,
    LAST_HEARTBEAT,
    LOST,
    NAMES,
    UNBEGUN,
    automations,
    ensure_automations,
    missing_automations,
)
from rivya_flows.flows.server.local_server import local_server
from rivya_flows.preparation.deploy_blocks import OWNER_TAG
from rivya_flows.processes.local_api import Loopback
from rivya_flows.up.end import requeue_unfinished
from support.prefect_workers import Server, eventually
from support.seeded_data import seeded


def test_only_runs_with_our_tag_are_touched_and_none_before_it_had_its_time() -> None:
    made = {one.name: one for one in automations(heartbeat_seconds=180, again_seconds=15)}
    tag = {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{OWNER_TAG}"}
    triggers: dict[str, Any] = {name: one.trigger for name, one in made.items()}
    for trigger in triggers.values():
        assert trigger.model_dump()["match_related"] == [tag]
        assert trigger.for_each == {"prefect.resource.id"}
    assert triggers[LOST].within >= timedelta(seconds=3 * 180)  # three heartbeats
    assert triggers[AGAIN].within > timedelta(seconds=5)  # the second report of its worker
    for name in (LOST, AGAIN, UNBEGUN):  # whatever is heard of a run ends the wait
        assert triggers[name].posture == Posture.Proactive
        assert "prefect.flow-run.*" in triggers[name].expect
    assert LAST_HEARTBEAT in triggers[LOST].expect
    (action,) = made[ENOUGH].actions
    assert isinstance(action, ChangeFlowRunState)
    assert (action.state, triggers[ENOUGH].threshold) == ("FAILED", CRASHES)


@pytest.fixture
async def own_server(
    tmp_path: Path, prefect_data: Path, prefect_server: str
) -> AsyncIterator[Server]:
    """A server of its own: on the one of all tests they would touch the runs of others."""
    async with local_server(seeded(tmp_path / "own", prefect_data, empty=True)) as url:
        with httpx.Client(timeout=120) as client:
            yield Server(url, client)


@pytest.mark.prefect
async def test_runs_of_a_dead_worker_are_put_back(server: Server) -> None:
    pool = f"pool-{uuid.uuid4().hex[:6]}"
    await ensure_work_pool(pool)
    await ensure_work_pool(pool)
    flow = server.ask("POST", "/flows/", {"name": pool})["id"]
    body = {"name": "now", "flow_id": flow, "work_pool_name": pool, "tags": [OWNER_TAG]}
    deployment = server.ask("POST", "/deployments/", body)["id"]
    states = ("RUNNING", "PENDING", "CANCELLING", "COMPLETED")
    path = f"/deployments/{deployment}/create_flow_run"
    runs = [server.ask("POST", path, {})["id"] for _ in states]
    for run, state in zip(runs, states, strict=True):
        force(server, run, "RUNNING")  # what never ran is cancelled at once
        force(server, run, state)
    port = httpx.URL(server.api_url).port
    assert port is not None
    own = Loopback(port, os.environ["PREFECT_API_AUTH_STRING"])
    assert requeue_unfinished(own, pool, OWNER_TAG) == 2
    found = [server.state(run)["name"] for run in runs]
    assert found == ["AwaitingRetry", "AwaitingRetry", "Cancelled", "Completed"]


def running(server: Server) -> str:
    flow = server.ask("POST", "/flows/", {"name": f"flow-{uuid.uuid4().hex[:6]}"})["id"]
    made = server.ask("POST", "/flow_runs/", {"flow_id": flow, "tags": [OWNER_TAG]})
    force(server, made["id"], "RUNNING")
    return str(made["id"])


def force(server: Server, flow_run_id: str, kind: str) -> None:
    body = {"state": {"type": kind, "name": kind.title()}, "force": True}
    server.ask("POST", f"/flow_runs/{flow_run_id}/set_state", body)


def beat(server: Server, flow_run_id: str, name: str = "prefect.flow-run.heartbeat") -> None:
    """A sign of life that a flow run's process gives."""
    event: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": name,
        "resource": {"prefect.resource.id": f"prefect.flow-run.{flow_run_id}"},
        "related": [
            {"prefect.resource.id": f"prefect.tag.{OWNER_TAG}", "prefect.resource.role": "tag"}
        ],
    }
    server.ask("POST", "/events", [event])


def alarms(server: Server, flow_run_id: str) -> list[dict[str, Any]]:
    """What the automations did about a flow run, or tried to do."""
    acted = {
        "event": {"prefix": ["prefect.automation.action."]},
        "related": {"id": [f"prefect.flow-run.{flow_run_id}"]},
    }
    found: list[dict[str, Any]] = server.ask("POST", "/events/filter", {"filter": acted})["events"]
    return found


def crash_again_and_again(server: Server) -> str:
    flow_run = running(server)
    for _ in range(CRASHES - 1):
        force(server, flow_run, "CRASHED")
        force(server, flow_run, "RUNNING")
    force(server, flow_run, "CRASHED")
    return flow_run


@pytest.mark.prefect
async def test_a_server_takes_them_once_and_acts_on_them(own_server: Server) -> None:
    assert await missing_automations() == list(NAMES)
    assert await ensure_automations(heartbeat_seconds=0.1) == dict.fromkeys(NAMES, "made")
    assert await ensure_automations() == dict.fromkeys(NAMES, "unchanged")
    assert await missing_automations() == []

    finished = running(own_server)
    force(own_server, finished, "COMPLETED")
    for late in ("rivya-flows.run.completed", "prefect.flow-run.heartbeat", LAST_HEARTBEAT):
        beat(own_server, finished, late)
    silent, hopeless = running(own_server), crash_again_and_again(own_server)
    beat(own_server, silent)

    def states() -> tuple[str, str]:
        return own_server.state(silent)["type"], own_server.state(hopeless)["type"]

    await anyio.to_thread.run_sync(
        lambda: eventually(lambda: states() == ("CRASHED", "FAILED"), "both ends")
    )
    assert own_server.state(silent)["message"] == "its heartbeat stopped"
    # A heartbeat came after its end, but was the last one: no alarm.
    await anyio.to_thread.run_sync(
        lambda: eventually(lambda: alarms(own_server, silent), "the record of the alarm")
    )
    assert alarms(own_server, finished) == []
    assert "not restarted" in own_server.state(hopeless)["message"]

    # Another heartbeat is another patience; what somebody has switched off stays so.
    async with get_client() as client:
        (again,) = await client.read_automations_by_name(AGAIN)
        await client.pause_automation(again.id)
        changed = dict.fromkeys(NAMES, "unchanged") | {LOST: "changed"}
        assert await ensure_automations(heartbeat_seconds=30) == changed
        assert set((await ensure_automations()).values()) == {"unchanged"}
        (lost,) = await client.read_automations_by_name(LOST)
        assert isinstance(lost.trigger, EventTrigger)
        assert lost.trigger.within == timedelta(seconds=100)
        assert await missing_automations() == [AGAIN]
