"""The automation that sends how runs end, and what the command refuses before it asks a server."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

import pytest
from prefect import get_client
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from prefect.client.schemas.objects import BlockDocument
from prefect.events.schemas.automations import CompoundTrigger
from pydantic import SecretStr

from rivya_flows.flows.prefect_internals import has_no_recipient
from rivya_flows.flows.recovery.automations import notification, send_test
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, buy_from
from support.team_chat import team_chat

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
