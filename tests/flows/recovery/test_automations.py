"""The automations of this package: those that restart runs, and those that send how runs end."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import httpx
import pytest
from prefect import get_client
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from prefect.client.schemas.objects import BlockDocument
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import CompoundTrigger, EventTrigger, Posture
from pydantic import SecretStr

from rivya_flows.flows.deployment.infrastructure import ensure_work_pool
from rivya_flows.flows.prefect_internals import has_no_recipient
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
    notification,
    send_test,
)
from rivya_flows.flows.server.local_server import local_server
from rivya_flows.preparation.deploy_blocks import OWNER_TAG
from rivya_flows.processes.local_api import Loopback
from rivya_flows.up.end import requeue_unfinished
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, buy_from
from support.prefect_workers import Server, eventually
from support.seeded_data import seeded
from support.team_chat import team_chat


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


BLOCK = BlockDocument(
    id=UUID(int=1), name="team", block_schema_id=UUID(int=2), block_type_id=UUID(int=3)
)


def test_a_block_has_one_automation_for_each_spec_and_one_for_all() -> None:
    one = notification("slack-webhook/team", BLOCK, ["suspended", "failed"], "spot")
    every = notification("slack-webhook/team", BLOCK, ["failed"], None)
    assert one.name == "rivya-flows: notify slack-webhook/team of spot"
    assert every.name == "rivya-flows: notify slack-webhook/team"
    assert isinstance(one.trigger, CompoundTrigger)
    failed, suspended, batch = (found.model_dump() for found in one.trigger.triggers)
    assert failed["expect"] == {
        "rivya-flows.run.failed",
        "prefect.flow-run.Failed",
        "prefect.flow-run.TimedOut",
    }
    assert suspended["expect"] == {"rivya-flows.run.suspended"}
    assert batch["expect"] == {"rivya-flows.batch.failed", "rivya-flows.batch.suspended"}
    assert batch["match"]["rivya-flows.campaign"] == "spot"
    flow = {"prefect.resource.role": "flow", "prefect.resource.name": "spot"}
    assert failed["match_related"][1] == suspended["match_related"][1] == flow


APPRISE = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
"""What the blocks of Slack and Discord send with imports it."""


@APPRISE
def test_an_address_that_slack_does_not_have_is_known_before_a_message() -> None:
    right = f"https://hooks.slack.com/services/T1/B1/{'a' * 24}"
    addresses = {"https://hooks.slack.com/T1": True, "nonsense": True, right: False}
    found = {one: has_no_recipient(SlackWebhook(url=SecretStr(one))) for one in addresses}
    assert found == addresses
    assert not has_no_recipient(CustomWebhookNotificationBlock(name="team", url="http://x.example"))


@APPRISE
@pytest.mark.prefect
@pytest.mark.usefixtures("prefect_server")
async def test_a_test_message_arrives_or_says_why_not_without_the_address() -> None:
    text = {"text": "{{subject}}"}
    with team_chat() as (address, messages):
        blocks = {
            "heard": CustomWebhookNotificationBlock(name="heard", url=address, json_data=text),
            "lost": CustomWebhookNotificationBlock(
                name="lost", url=f"{address}/secret", method="GET", json_data=text
            ),
            "away": CustomWebhookNotificationBlock(
                name="away", url="http://127.0.0.1:9/secret", json_data=text
            ),
        }
        for name, block in blocks.items():
            await block.save(name, overwrite=True)
        async with get_client() as client:
            done = {name: await send_test(client, f"custom-webhook/{name}") for name in blocks}
        assert messages.get(timeout=60) == "rivya-flows: a test"
    assert done == {
        "heard": None,
        "lost": "the service answered with HTTP 501",
        "away": "ConnectError",
    }


SPEC = """\
version: 1
name: lamps
title: Lamps
inputs: {product: {type: string}}
steps:
  still: {uses: generate, with: {model: z-image, prompt: "A ${{ inputs.product }}"}}
outputs: {still: "${{ steps.still.asset }}"}
"""


@pytest.mark.prefect
def test_a_batch_sends_one_message_at_its_end_and_its_rows_none(
    sandbox: Sandbox,
    prefect_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    buy_from(sandbox, monkeypatch)
    monkeypatch.setenv("RIVYA_FLOWS_PUBLIC_URL", "https://media.example")
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    admin.set_faults(sandbox.data, "faults: [{on: generation, model: z-image, do: fail, times: 1}]")
    (tmp_path / "lamps.yaml").write_text(SPEC)
    (tmp_path / "rows.csv").write_text("product\nLamp\nDesk\n")
    terminal = Terminal(capsys)
    with team_chat() as (address, messages):
        CustomWebhookNotificationBlock(
            name="lamps", url=address, json_data={"text": "{{subject}}\n\n{{body}}"}
        ).save("lamps", overwrite=True)
        notify = ("--notify", "custom-webhook/lamps", "--spec", "lamps")
        assert terminal("automations", "apply", *notify).code == 0
        try:
            rows = (tmp_path / "lamps.yaml", "--rows", tmp_path / "rows.csv", "--parallel", 1)
            assert terminal("batch", *rows).code == 1
            subject, _, body = messages.get(timeout=240).partition("\n\n")
        finally:
            terminal("automations", "remove", "notify custom-webhook/lamps of lamps")
    assert subject == "Lamps failed: 1 of 2 completed, 1 failed; 1 credit"
    headline, failed, done, still, following = body.rstrip().split("\n")
    assert headline == "**Lamps**, batch failed: 1 of 2 completed, 1 failed; 1 credit"
    assert re.match(r"\* \[Lamp\]\(<https://media\.example/runs/.*>\): failed: still", failed)
    assert re.match(r"\* \[Desk\]\(<https://media\.example/runs/.*>\): completed$", done)
    assert re.match(r"!\[Desk\]\(<https://media\.example/media/.*>\)$", still)
    assert following.startswith(
        "rerun the same command to continue, or one row with the command on"
    )


@pytest.mark.prefect
def test_apply_says_how_many_runs_wait_already(
    sandbox: Sandbox,
    prefect_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    buy_from(sandbox, monkeypatch)
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    pick = '  hero: {uses: pick, with: {from: ["${{ steps.still }}"], mode: human}}\noutputs:'
    (tmp_path / "lamps.yaml").write_text(SPEC.replace("outputs:", pick))
    terminal = Terminal(capsys)
    assert terminal("run", tmp_path / "lamps.yaml", "-i", "product=Lamp").code == 0
    block = CustomWebhookNotificationBlock(
        name="waits", url="http://127.0.0.1:9", json_data={"text": "{{subject}}"}
    )
    block.save("waits", overwrite=True)
    try:
        said = terminal("automations", "apply", "--notify", "custom-webhook/waits")
    finally:
        terminal("automations", "remove", "notify custom-webhook/waits")
    waits = "1 run waits for an answer already, and no message is sent of that: rivya-flows runs"
    assert waits in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--on", "failed"], "--on and --spec belong to --notify"),
        (["--notify", "slack-webhook/team", "--on", "failed,never"], "'never' is not an end"),
        (["--notify", "slack-webhook/team"], "no Prefect server answers at http://127.0.0.1:9"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_with_it(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    said = Terminal(capsys)("automations", "apply", *arguments)
    assert (said.code, words in said.err) == (2, True)
