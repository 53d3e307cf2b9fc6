"""`mcp`: a client of the protocol's own SDK, also over stdin and stdout of a real process."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, types
from mcp.client.stdio import StdioServerParameters, stdio_client
from PIL import Image

from rivya_flows.cli.session import settings
from rivya_flows.flows.execution.local_runner import LocalRunner
from rivya_flows_mcp.server import server_of
from rivya_flows_mcp.tools import AgentTools
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, bought, buy_from

pytestmark = pytest.mark.slow

DOC = Path(__file__).parents[3] / "docs" / "how-to" / "mcp.md"
COMMAND = ["-m", "rivya_flows_mcp"]  # which calls `rivya-flows mcp`
LAUNCH = """
version: 1
name: launch
budget: {credits: 6}
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "lamp, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human}
outputs: {hero: "${{ steps.hero.asset }}"}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Path:
    """A folder with a spec, where the service is a sandbox that a key is set for."""
    buy_from(sandbox, monkeypatch)
    folder = tmp_path / "project"
    (folder / "specs").mkdir(parents=True)
    (folder / "specs" / "launch.yaml").write_text(LAUNCH)
    monkeypatch.chdir(folder)
    return folder


def here(root: Path) -> Client:
    """A client of a server in this process, which takes no seconds to start."""
    return Client(server_of(AgentTools(settings(), root, LocalRunner())))


@asynccontextmanager
async def client() -> AsyncIterator[Client]:
    """A client of a server in the current folder, with the environment of the test."""
    server = StdioServerParameters(command=sys.executable, args=COMMAND, env=dict(os.environ))
    async with Client(stdio_client(server)) as connected:
        yield connected


async def called(server: Client, name: str, **arguments: Any) -> dict[str, Any]:
    """The structured result of a call that succeeds."""
    result = await server.call_tool(name, arguments)
    assert not result.is_error, result
    assert isinstance(result.structured_content, dict)
    return result.structured_content


async def refused(server: Client, name: str, **arguments: Any) -> dict[str, Any]:
    """The error of a call; its text says the same."""
    result = await server.call_tool(name, arguments)
    assert result.is_error
    assert isinstance(result.structured_content, dict)
    error: dict[str, Any] = result.structured_content["error"]
    [said] = result.content
    assert isinstance(said, types.TextContent)
    assert f"error: {error['message'].splitlines()[0]}" in said.text
    assert "Traceback" not in said.text
    return error


async def test_the_tools_are_those_that_the_page_describes(root: Path) -> None:
    async with here(root) as server:
        tools = (await server.list_tools()).tools
        [schema] = (await server.list_resources()).resources
        content = (await server.read_resource(str(schema.uri))).contents[0]
    page = DOC.read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)\((.*?)\)` \|", page, re.MULTILINE))
    assert rows.keys() == {tool.name for tool in tools}
    for tool in tools:
        declared = tool.input_schema.get("properties", {})
        needed = tool.input_schema.get("required", [])
        named = ", ".join(f"{one}{'' if one in needed else '?'}" for one in declared)
        assert rows[tool.name] == named
        assert tool.input_schema["additionalProperties"] is False
        assert tool.output_schema
        hints = tool.annotations
        assert hints is not None
        assert bool(hints.destructive_hint) == (tool.name in ("run", "answer"))
    assert isinstance(content, types.TextResourceContents)
    assert json.loads(content.text)["title"] == "rivya-flows spec"


async def test_what_a_client_may_not_do_is_a_tool_error(root: Path, sandbox: Sandbox) -> None:
    async with here(root) as server:
        planned = await called(server, "plan", spec="specs/launch.yaml")
        assert planned["at_most"] == 2
        assert sandbox.api_key not in json.dumps(planned)

        outside = await refused(server, "plan", spec="../private.yaml")
        assert (outside["code"], outside["hint"]) == ("usage", "name a path inside it")
        assert (await refused(server, "run", quote="0" * 32))["hint"] == "make one with `plan`"
        more = await refused(server, "run", quote=planned["quote"], budget=99)
        assert more["message"] == "budget: Extra inputs are not permitted"
        (root / "specs" / "launch.yaml").write_text(LAUNCH.replace("neon", "street"))
        changed = await refused(server, "run", quote=planned["quote"])
        assert changed["code"] == "quote"
        assert "its text has changed" in changed["message"]
        found = await server.call_tool("plan", {"spec": "version: 1\nname: [\n"})
        assert found.is_error
        assert isinstance(found.structured_content, dict)
        assert found.structured_content["problems"][0]["line"]
    assert not bought(sandbox)


async def test_a_client_walks_from_a_plan_to_the_receipt(
    root: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, call: Terminal
) -> None:
    # One server of Prefect for both executions of the run.
    monkeypatch.setenv("RIVYA_FLOWS_SERVER_IDLE", "60")
    try:
        async with client() as server:
            planned = await called(server, "plan", spec="specs/launch.yaml")
            run = (await called(server, "run", quote=planned["quote"]))["run"]
            used = await refused(server, "run", quote=planned["quote"])
            assert f"was used by {run}" in used["message"]
        # The run lives on without the server that started it.
        async with here(root) as server:
            await until(server, run, "suspended")
            asked = await server.call_tool("status", {"run": run})
            pictures = [one for one in asked.content if isinstance(one, types.ImageContent)]
            shown = [Image.open(io.BytesIO(base64.b64decode(one.data))) for one in pictures]
            assert [one.format for one in shown] == ["JPEG", "JPEG"]
            await called(server, "answer", run=run, step="hero", choice="neon")
            await until(server, run, "completed")
            receipt = await called(server, "receipt", run=run)
    finally:
        await asyncio.to_thread(call, "down")
    assert receipt["credits"] == {"spent": 2, "saved": 0, "at_most": 2}
    assert Path(receipt["outputs"]["hero"]["path"]).parent == root / "runs" / run
    assert bought(sandbox) == {"z-image": 2}


async def until(server: Client, run: str, state: str) -> None:
    while (found := await called(server, "status", run=run))["state"] == "running":
        await asyncio.sleep(0.3)
    assert found["state"] == state, found


HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


@pytest.mark.parametrize("end", ["stdin", "signal"])
def test_the_server_ends_with_its_client_and_not_by_a_file_whose_name_is_no_text(
    root: Path, end: str
) -> None:
    (root / os.fsdecode(b"\xff.yaml")).write_text(LAUNCH)
    server = subprocess.Popen(
        [sys.executable, *COMMAND], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with server:
        assert server.stdin
        assert server.stdout
        read, write = server.stdout, server.stdin

        def request(method: str, **params: Any) -> Any:
            asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            write.write(json.dumps(asked) + "\n")
            write.flush()
            return json.loads(read.readline())["result"]

        assert request("initialize", **HELLO)["serverInfo"]["name"] == "rivya-flows"
        write.write('{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
        listed = request("tools/call", name="list_specs", arguments={})["structuredContent"]
        paths = [one["path"] for one in listed["specs"]]
        assert paths == ["\\udcff.yaml", "specs/launch.yaml"]
        if end == "signal":
            server.send_signal(signal.SIGTERM)
            assert server.wait(240) == 130
        else:
            write.close()
            assert server.wait(240) == 0
        assert read.read() == "", "stdout is for the protocol alone"
