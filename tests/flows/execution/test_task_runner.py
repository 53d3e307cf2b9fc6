"""The graph of a run in Prefect: whose each node is, and after what it comes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rivya_flows.flows import campaigns
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.prefect_workers import Server

pytestmark = pytest.mark.prefect

SERIES = """\
version: 1
name: series
steps:
  stills:
    uses: generate
    matrix: {style: ["{neon}", oak]}
    with: {model: z-image, prompt: "A lamp, ${{ matrix.style }}"}
  variants:
    uses: generate
    foreach: ${{ steps.stills.items }}
    as: still
    allow_failures: 1
    with: {model: nano-banana, prompt: "Once more, ${{ still.key }}"}
  best:
    uses: pick
    with: {from: "${{ steps.variants.items }}", mode: first}
finally:
  farewell:
    uses: generate
    with: {model: z-image, prompt: Good night}
"""
ONE_FAILS = "faults: [{on: generation, model: nano-banana, do: fail, times: 1}]"
NAME = re.compile(r"models|\w+(\[.+\])? (submit|wait|chat|upload|pick|compose)")


@pytest.fixture
def server(
    prefect_server: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    monkeypatch.setenv("RIVYA_API_KEY", sandbox.api_key)
    monkeypatch.setenv("RIVYA_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("RIVYA_POLL_SECONDS", "0.1")
    with httpx.Client(verify=False, timeout=120) as client:
        yield Server(prefect_server, client)


async def graph_of(server: Server, name: str) -> dict[str, set[str]]:
    """What each node comes after, once a run of a spec has ended well."""
    state = await getattr(campaigns, name)(return_state=True)
    assert state.is_completed(), state
    flow_run = str(state.state_details.flow_run_id)
    server.task_runs(flow_run)
    graph = server.graph(flow_run)
    assert graph["roots"] == ["models"]
    assert len(graph["after"]) == graph["count"], "two nodes of one name"
    assert [name for name in graph["after"] if not NAME.fullmatch(name)] == []
    after: dict[str, set[str]] = graph["after"]
    return after


async def test_a_launch_is_shown_as_it_was_made(server: Server) -> None:
    styles = ("studio", "street", "watercolor", "neon")
    stills = {
        f"stills[{style}] {stage}": {before}
        for style in styles
        for stage, before in (("submit", "script chat"), ("wait", f"stills[{style}] submit"))
    }
    assert await graph_of(server, "product_launch") == stills | {
        "models": set(),
        "script chat": {"models"},
        "hero pick": {f"stills[{style}] wait" for style in styles},
        "film upload": {"hero pick"},
        "film submit": {"film upload"},
        "film wait": {"film submit"},
        "voice submit": {"script chat"},
        "voice wait": {"voice submit"},
        "spot compose": {"film wait", "voice wait"},
    }


async def test_items_follow_their_own_items_and_failed_ones_are_followed_too(
    server: Server, sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "series.yaml").write_text(SERIES)
    admin.set_faults(sandbox.data, ONE_FAILS)
    after = await graph_of(server, "series")
    assert after["variants[{neon}] submit"] == {"stills[{neon}] wait"}
    assert after["variants[oak] submit"] == {"stills[oak] wait"}
    assert after["best pick"] == {"variants[{neon}] wait", "variants[oak] wait"}
    assert after["farewell submit"] == {"best pick"}
