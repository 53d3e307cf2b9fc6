"""What an agent sees over MCP: the tools with their schemas, and one session from a plan to the receipt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, types

from frozen.golden import compare, hash_of, normal
from rivya_flows.engine.run import Runner
from rivya_flows.settings import Settings
from rivya_flows_mcp.server import server_of
from rivya_flows_mcp.tools import AgentTools
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Studio, customer

pytestmark = pytest.mark.slow

SPEC = """
version: 1
name: launch
title: Launch
budget: {credits: 6}
inputs:
  photo: {type: file, kind: image, required: false, title: A photo}
  styles: {type: list, of: text, default: [studio, neon]}
  size: {type: enum, values: [small, large], default: small}
steps:
  stills:
    uses: generate
    matrix: {style: "${{ inputs.styles }}"}
    with: {model: z-image, prompt: "lamp, ${{ matrix.style }}"}
  rest:
    if: ${{ inputs.size == 'large' }}
    uses: generate
    with: {model: z-image, prompt: more}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human, none: {rounds: 3}}
outputs: {hero: "${{ steps.hero.asset }}", all: "${{ steps.stills.assets }}"}
"""


class Started(AgentTools):
    """Tools that start no process: the test executes the run itself."""

    def _continue(self, run_id: str) -> None:
        pass


class Nobody(Runner):
    async def execute(self, execution: Any) -> Any:
        raise AssertionError


class Session:
    """Calls tools, and notes what they give; RUN and QUOTE are those of the session."""

    def __init__(self, client: Client) -> None:
        self.client, self.seen = client, list[dict[str, Any]]()
        self.run = ""
        self.quote = ""

    async def call(self, name: str, **arguments: Any) -> None:
        given = {
            name: {"RUN": self.run, "QUOTE": self.quote}.get(str(value), value)
            for name, value in arguments.items()
        }
        result = await self.client.call_tool(name, given)
        found = result.structured_content
        assert isinstance(found, dict)
        self.run, self.quote = found.get("run") or self.run, found.get("quote") or self.quote
        content = [
            f"({one.mime_type})" if isinstance(one, types.ImageContent) else one.model_dump()
            for one in result.content
        ]
        if "models" in found:
            found = {**found, "models": found["models"][:2]}
            content = [hash_of(str(content))]
        self.seen.append(
            {"tool": name, "given": arguments, "wrong": result.is_error}
            | {"structured": found, "content": content}
        )


@pytest.fixture
def studio(shared_sandbox: Sandbox, tmp_path: Path, small_pictures: None) -> Studio:
    return customer(shared_sandbox, tmp_path / "data")


async def test_an_agent_sees_what_it_ever_did(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    (root / "specs").mkdir(parents=True)
    monkeypatch.chdir(root)
    (root / "specs" / "launch.yaml").write_text(SPEC)
    (root / "wrong.yaml").write_text(SPEC.replace("z-image", "z-imge"))
    settings = Settings(
        rivya_flows_data=studio.folder,
        rivya_base_url=studio.service.base_url,
        rivya_api_key=studio.service.api_key,
    )
    tools = Started(settings, root.resolve(), Nobody())
    async with Client(server_of(tools)) as client:
        listed = await client.list_tools()
        resources = await client.list_resources()
        about = client.server_info, client.instructions, client.server_capabilities
        session = Session(client)
        await session.call("list_specs")
        await session.call("list_models", kind="chat")
        await session.call("list_models", kind="texts")
        await session.call("check_spec", spec="specs/launch.yaml")
        await session.call("check_spec", spec="wrong.yaml")
        await session.call("check_spec", spec=SPEC.replace("outputs:", "outpts:"))
        await session.call("check_spec", spec="../absent.yaml")
        await session.call("plan", spec="specs/launch.yaml", budget=1)
        await session.call("plan", spec="specs/launch.yaml", inputs={"size": "huge"})
        await session.call("plan", spec="specs/launch.yaml", labels={"client": "acme"})
        await session.call("run", quote="nothing")
        await session.call("run")
        await session.call("run", quote="QUOTE", budget=99)
        await session.call("status", run="run-1")
        await session.call("run", quote="QUOTE")
        await session.call("run", quote="QUOTE")
        await session.call("status", run="RUN")
        await studio.execute(session.run)
        await session.call("status", run="RUN")
        await session.call("answer", run="RUN", step="hero")
        await session.call("answer", run="RUN", step="hero", choice="steel")
        await session.call("answer", run="RUN", step="hero", none="warmer light")
        await studio.execute(session.run)
        await session.call("status", run="RUN")
        await session.call("answer", run="RUN", step="hero", choice=["neon"])
        await studio.execute(session.run)
        await session.call("answer", run="RUN", step="hero", choice="neon")
        await session.call("status", run="RUN")
        await session.call("receipt", run="RUN")
    seen = {
        "about": [one if isinstance(one, str) else one.model_dump() for one in about if one],
        "tools": listed.model_dump(),
        "resources": resources.model_dump(),
        "session": session.seen,
    }
    key = studio.service.api_key
    assert key is not None
    text = json.dumps(seen, ensure_ascii=False).replace(session.run, "RUN")
    text = text.replace(f"…{key.get_secret_value()[-4:]}", "…")
    compare("agents", normal(json.loads(text), {str(tmp_path): "<tmp>"}))
