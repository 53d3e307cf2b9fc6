"""The graph of a run in Prefect: whose each node is, and after what it comes."""

from __future__ import annotations

import asyncio
import re
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect import flow, get_client
from prefect.flow_engine import run_flow
from prefect.runtime import flow_run as prefect_flow_run
from prefect.states import AwaitingRetry

from rivya_client.client import RivyaClient
from rivya_flows.engine.run import Run, ignore
from rivya_flows.flows import campaigns
from rivya_flows.flows.execution import task_runner
from rivya_flows.flows.execution.task_runner import GROUP, MOST_SINGLE, PrefectCalls
from rivya_flows.queue.queue import replay
from rivya_flows.queue.state import State
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import buy_from
from support.naive_service import frozen
from support.prefect_workers import Server, eventually
from support.task_runs import run_of

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
JUDGED = """\
version: 1
name: judged
steps:
  still: {uses: generate, with: {model: z-image, prompt: A lamp}}
  hero:
    uses: pick
    with:
      from: [{key: lamp, asset: "${{ steps.still.asset }}"}]
      mode: judge
      judge: {model: gemini-2-5-flash-chat, criteria: [the lamp is whole]}
"""
MANY = (
    SERIES.partition("finally:")[0]
    .replace("name: series", "name: many")
    .replace('"{neon}", oak', ", ".join(map(str, range(MOST_SINGLE + 1))))
)
MANY_AND_ONE = f"""{MANY}
  encore:
    uses: generate
    with: {{model: z-image, prompt: "After ${{{{ steps.best.key }}}}"}}
"""
THREE_REFUSED = """
faults: [{on: "POST /api/v1/generations", model: nano-banana, do: status, status: 422, times: 3}]
"""
ALL_REFUSED = (
    'faults: [{on: "POST /api/v1/generations", model: nano-banana, do: status, status: 422}]'
)
ONE_FAILS = "faults: [{on: generation, model: nano-banana, do: fail, times: 1}]"
NO_PAGE: Any = SimpleNamespace(show_result=ignore, fill_row=ignore, show_group=ignore)
NAME = re.compile(r"models|\w+(\[.+\])? (buy|collect|chat|upload|pick|compose)")


@pytest.fixture(autouse=True)
def specs(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The sandbox, and specs in the folder that flows are read from."""
    buy_from(sandbox, monkeypatch)
    (tmp_path / "specs").mkdir()
    for name, text in {"judged": JUDGED, "series": SERIES, "many": MANY}.items():
        (tmp_path / "specs" / f"{name}.yaml").write_text(text)


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


async def executed_again(server: Server, flow_run: str) -> None:
    """Execute a flow run of `many` a second time, as Prefect retries it; it completes."""
    server.task_runs(flow_run)  # they are all written, so none is taken for an orphan
    async with get_client() as client:
        await client.set_flow_run_state(uuid.UUID(flow_run), AwaitingRetry(), force=True)
        again = await client.read_flow_run(uuid.UUID(flow_run))
    executed: Any = run_flow(campaigns.many, flow_run=again, parameters={}, return_type="state")
    done = await executed
    assert done.is_completed(), done


async def test_a_launch_is_shown_as_it_was_made(server: Server) -> None:
    styles = ("studio", "street", "watercolor", "neon")
    stills = {
        f"stills[{style}] {stage}": {before}
        for style in styles
        for stage, before in (("buy", "script chat"), ("collect", f"stills[{style}] buy"))
    }
    assert await graph_of(server, "product_launch") == stills | {
        "models": set(),
        "script chat": {"models"},
        "hero pick": {f"stills[{style}] collect" for style in styles},
        "film upload": {"hero pick"},
        "film buy": {"film upload"},
        "film collect": {"film buy"},
        "voice buy": {"script chat"},
        "voice collect": {"voice buy"},
        "bed buy": {"film collect"},
        "bed collect": {"bed buy"},
        "spot compose": {
            "bed collect",
            "film collect",
            "hero pick",
            "script chat",
            "voice collect",
        },
    }


async def test_a_judge_is_a_chat_of_its_pick(server: Server) -> None:
    assert await graph_of(server, "judged") == {
        "models": set(),
        "still buy": {"models"},
        "still collect": {"still buy"},
        "hero upload": {"still collect"},
        "hero chat": {"hero upload"},
        "hero pick": {"hero chat"},
    }


async def test_items_follow_their_own_items_and_failed_ones_are_followed_too(
    server: Server, sandbox: Sandbox
) -> None:
    admin.set_faults(sandbox.data, ONE_FAILS)
    after = await graph_of(server, "series")
    assert after["variants[{neon}] buy"] == {"stills[{neon}] collect"}
    assert after["variants[oak] buy"] == {"stills[oak] collect"}
    assert after["best pick"] == {"variants[{neon}] collect", "variants[oak] collect"}
    assert after["farewell buy"] == {"best pick"}


async def test_many_items_share_task_runs_that_say_what_became_of_each(
    server: Server, sandbox: Sandbox
) -> None:
    admin.set_faults(sandbox.data, ONE_FAILS)
    state = await campaigns.many(return_state=True)
    assert state.is_completed(), state
    flow_run = str(state.state_details.flow_run_id)
    items = MOST_SINGLE + 1
    group = f"[1-{items} of {items}]"
    ends = {one["name"]: one["state"] for one in server.task_runs(flow_run)}
    assert {name: end["type"] for name, end in ends.items()} == {
        "models": "COMPLETED",
        f"stills{group} buy": "COMPLETED",
        f"stills{group} collect": "COMPLETED",
        f"variants{group} buy": "COMPLETED",
        f"variants{group} collect": "FAILED",
        "best pick": "COMPLETED",
    }
    failed = ends[f"variants{group} collect"]["message"]
    assert re.match(rf"1 of {items} failed; variants\[\d+\]: ", failed)
    assert server.graph(flow_run)["after"] == {
        "models": set(),
        f"stills{group} buy": {"models"},
        f"stills{group} collect": {f"stills{group} buy"},
        f"variants{group} buy": {f"stills{group} collect"},
        f"variants{group} collect": {f"variants{group} buy"},
        "best pick": {f"variants{group} collect"},
    }
    shown = {key: one for key, (one, *_) in server.artifacts(flow_run).items()}
    page = shown[f"many-variants-1-{items}-collect"]
    assert page["description"].endswith(f": {items - 1} done, 1 failed")
    assert page["data"].count("![") == items - 1
    assert [n for n in range(items) if f"| variants\\[{n}\\] |" not in page["data"]] == []
    jobs = shown[f"many-stills-1-{items}-buy"]
    assert jobs["data"].count("task_") == items


async def test_a_run_that_is_executed_again_goes_on_after_the_groups_of_before(
    server: Server, sandbox: Sandbox
) -> None:
    admin.set_faults(sandbox.data, ALL_REFUSED)
    state = await campaigns.many(return_state=True)
    assert state.is_failed(), state
    flow_run = str(state.state_details.flow_run_id)
    # The next execution closes the task runs whose end the server has not recorded yet.
    final = {"COMPLETED", "FAILED"}
    eventually(
        lambda: {one["state_type"] for one in server.task_runs(flow_run)} <= final or None,
        "all ends of the first execution are recorded",
    )
    admin.set_faults(sandbox.data, "faults: []")
    await executed_again(server, flow_run)
    group = f"[1-{MOST_SINGLE + 1} of {MOST_SINGLE + 1}]"
    states = [(one["name"], one["state_type"]) for one in server.task_runs(flow_run)]
    assert states.count((f"stills{group} collect", "COMPLETED")) == 1
    submits = [state for name, state in states if name == f"variants{group} buy"]
    assert submits == ["FAILED", "COMPLETED"]
    found = server.ask("GET", f"/flow_runs/{flow_run}/graph-v2")
    names = {node_id: node["label"] for node_id, node in found["nodes"]}
    before = [
        {names[parent["id"]] for parent in node["parents"]}
        for _, node in found["nodes"]
        if node["label"] == f"variants{group} buy"
    ]
    # And after the first task of its own execution.
    assert before == [{f"stills{group} collect"}, {f"variants{group} buy", "models"}]


async def test_a_group_of_a_second_execution_does_not_wait_for_items_of_the_first(
    server: Server, sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "specs" / "many.yaml").write_text(MANY_AND_ONE)
    admin.set_faults(sandbox.data, THREE_REFUSED)
    state = await campaigns.many(return_state=True)
    assert state.is_failed(), state
    flow_run = str(state.state_details.flow_run_id)
    await executed_again(server, flow_run)
    ends = sorted((one["end_time"], one["name"]) for one in server.task_runs(flow_run))
    assert ends[-1][1] == "encore collect", ends


def run_at(state: State) -> Run:
    run = run_of(None, None, Path())
    run.state = state
    return run


async def test_an_item_follows_the_group_of_its_own_item_of_an_earlier_execution() -> None:
    text = MANY.replace("style: [", f"style: [{', '.join(map(str, range(100, 100 + GROUP)))}, ")
    state = replay([frozen(text)])
    groups = [f"stills[1-{GROUP} of 151] collect", f"stills[{GROUP + 1}-151 of 151] collect"]
    earlier = [(name, uuid.uuid4()) for name in groups]
    calls = PrefectCalls(run_at(state), earlier, NO_PAGE)
    for key, (_, group) in (("100", earlier[0]), ("7", earlier[1])):
        assert calls._upstream("variants", key) == [group]


async def test_an_end_that_the_server_has_lost_is_told_again_at_the_end_of_the_run(
    server: Server, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_runner, "RECORDED_SECONDS", 0.0)
    states = list[str]()

    @flow
    async def losing() -> None:
        state = replay([frozen(SERIES)])
        run = run_at(state)
        calls = PrefectCalls(run, (), NO_PAGE)
        async with RivyaClient(sandbox.api_key, sandbox.base_url) as run.client:
            await calls.begin()
        here = str(prefect_flow_run.id)
        one = await asyncio.to_thread(recorded, here)
        # As if the event of its end had not come.
        again = {"state": {"type": "RUNNING", "name": "Running"}, "force": True}
        await asyncio.to_thread(server.ask, "POST", f"/task_runs/{one['id']}/set_state", again)
        states.append(server.ask("GET", f"/task_runs/{one['id']}")["state"]["type"])
        await calls.end()
        states.append(server.ask("GET", f"/task_runs/{one['id']}")["state"]["type"])

    def recorded(here: str) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            found = server.task_runs(here)
            return found[0] if found and found[0]["state_type"] == "COMPLETED" else None

        return eventually(ended, "the end of its task run")

    await losing()
    assert states == ["RUNNING", "COMPLETED"]
