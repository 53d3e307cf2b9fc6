"""The plan on the page of a run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rivya_flows.estimate.estimate import estimate, rehearse
from rivya_flows.flows.run_page.drawing import draw_plan
from rivya_flows.queue.queue import replay
from rivya_sandbox.service.startup import Sandbox
from support.campaigns import HOSTILE
from support.engine_runs import Bomb, Studio, customer, stills

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path / "studio")


async def test_the_plan_has_a_graph_and_a_price_for_each_item(studio: Studio) -> None:
    await studio.start(HOSTILE, "run-1")
    with studio.context(Bomb()) as home:
        state = replay(entry.event for entry in home.journal.entries("run-1"))
        priced = estimate(rehearse(state, NOON, home.look_up), 50)
    shown = draw_plan(state.plan, priced).data
    assert shown.startswith("```mermaid\nflowchart TD\n")
    rows = shown.split("\n```\n")[1]
    assert r"| stills\[a\|b\] | z-image | 1 | fixed price of the default request |" in rows
    assert r"| stills\[&lt;img src=x&gt;\] | z-image | 1 |" in rows
    assert "| none |  |  | skipped: " in rows
    assert rows.count("veo3-1-lite | 10 |") == 3
    money, fit = rows.split("\n\n")[-2:]
    assert money == "**33 credits**, budget 9, balance 50"
    assert fit == "over the budget: at least 33 credits, and the budget is 9"


def test_the_plan_says_what_an_earlier_run_saves(studio: Studio) -> None:
    studio.run(stills(2), "run-1", cache="spec")

    async def planned() -> str:
        await studio.start(stills(2), "run-2", cache="spec")
        with studio.context(Bomb()) as home:
            state = replay(entry.event for entry in home.journal.entries("run-2"))
            priced = estimate(rehearse(state, NOON, home.look_up), None)
            return str(draw_plan(state.plan, priced).data)

    shown = asyncio.run(planned())
    assert shown.count("| 0 | bought before, saves 1 |") == 2
    assert shown.endswith("**0 credits**, 2 saved")
