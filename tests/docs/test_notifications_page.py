"""What the docs say of notifications, done: a real run, a real automation, and what arrives."""

from __future__ import annotations

import asyncio
import queue
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect import get_client

from rivya_flows.flows import campaigns
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal
from support.team_chat import team_chat

pytestmark = pytest.mark.prefect

DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "notifications.md"
LAUNCH = """\
version: 1
name: product-launch
title: Aurora | launch
steps:
  stills:
    uses: generate
    matrix: {style: [oak, neon]}
    with: {model: z-image, prompt: "A lamp, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: first}
outputs:
  still: ${{ steps.hero.asset }}
"""


@pytest.fixture
def chat() -> Iterator[tuple[str, queue.Queue[str]]]:
    with team_chat() as found:
        yield found


async def switch_off(name: str) -> None:
    async with get_client() as client:
        (one,) = await client.read_automations_by_name(name)
        await client.pause_automation(one.id)


# What the blocks of Discord and Slack send with imports it.
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_the_automation_of_the_docs_sends_still_outputs_and_cost(
    sandbox: Sandbox,
    chat: tuple[str, queue.Queue[str]],
    prefect_server: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address, messages = chat
    monkeypatch.setenv("RIVYA_API_KEY", sandbox.api_key)
    monkeypatch.setenv("RIVYA_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("RIVYA_POLL_SECONDS", "0.1")
    monkeypatch.setenv("RIVYA_FLOWS_PUBLIC_URL", "https://media.example")
    monkeypatch.setenv("TEAM_CHAT_URL", address)
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "product-launch.yaml").write_text(LAUNCH)
    page, terminal = DOCS.read_text("utf-8"), Terminal(capsys)
    command, *others = re.findall(r"^\$ rivya-flows (.*)$", page, re.MULTILINE)
    said = terminal(*command.split())
    assert said.code == 2
    assert "the block 'custom-webhook/launches' does not exist" in said.err
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", f"https://discord.com/api/webhooks/1/{'a' * 68}")
    monkeypatch.setenv("SLACK_WEBHOOK_URL", f"https://hooks.slack.com/services/T1/B1/{'a' * 24}")
    for written in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(written, {"__name__": "docs"})
    for other in others:
        made = f"rivya-flows: notify {other.split()[-1]}"
        assert terminal(*other.split()).out == f"{made}: made\n"
        assert terminal("automations", "remove", made).code == 0
    name = "rivya-flows: notify custom-webhook/launches of product-launch"
    assert terminal(*command.split()).out == f"{name}: made\n"
    try:
        assert terminal(*command.split()).out == f"{name}: unchanged\n"
        assert terminal("automations", "test").out == "custom-webhook/launches: sent\n"
        assert messages.get(timeout=240).startswith("rivya-flows: a test\n")
        asyncio.run(campaigns.product_launch())
        text = messages.get(timeout=240)
        # What somebody switched off stays off, and stays theirs to remove.
        asyncio.run(switch_off(name))
        assert terminal(*command.split(), "--on", "failed").out == f"{name}: changed\n"
        listed = terminal("automations", "list", "--json").document
        assert [(one["enabled"], one["description"]) for one in listed if one["name"] == name] == [
            (
                False,
                "Sends how runs of product-launch end (failed) through custom-webhook/launches.",
            )
        ]
    finally:
        assert terminal("automations", "remove", name).code == 0
    assert "there is no automation" in terminal("automations", "remove", name).err
    assert "there is no automation" in terminal("automations", "remove", "of somebody").err
    subject, _, body = text.partition("\n\n")
    assert re.fullmatch(r"product-launch.* completed: 2 of 2 stills, hero; 2 credits", subject)
    headline, still, output, sheet, page = body.split("\n")
    assert headline == r"**Aurora \| launch** completed: 2 of 2 stills, hero; 2 credits"
    medium = r"<https://media\.example/media/[\w-]+/image-[0-9a-f]{8}\.png>"
    assert re.fullmatch(rf"\[!\[picked: hero\]\({medium}\)\]\({medium}\)", still)
    assert re.fullmatch(rf"\* \[still\]\({medium}\)", output)
    assert re.fullmatch(
        r"\[Contact sheet\]\(<https://media\.example/runs/[\w-]+/report\.html>\)", sheet
    )
    assert re.fullmatch(rf"{prefect_server.removesuffix('/api')}/v2/runs/flow-run/[\w-]+", page)
    assert sandbox.api_key not in text
