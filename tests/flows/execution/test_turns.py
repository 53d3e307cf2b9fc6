"""Runs of a group wait for each other on a real server, and lose nothing while they wait."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prefect import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.settings import PREFECT_API_URL, temporary_settings

from rivya_flows.flows import campaigns
from rivya_flows.flows.execution.turns import GROUP_PREFIX, LEASE_SECONDS, LimitError, turn
from rivya_flows.language.workflow import Concurrency
from rivya_flows.settings import read_settings
from rivya_flows.store.journal import Journal
from rivya_sandbox.service.admin import ledger
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import buy_from
from support.prefect_workers import Server

pytestmark = pytest.mark.prefect

GROUPED = """\
version: 1
name: {name}
concurrency: {{group: {group}}}
steps:
  still:
    uses: generate
    with: {{model: z-image, prompt: A lamp}}
"""


@pytest.fixture
def group() -> str:
    return f"brand-{uuid.uuid4().hex[:8]}"


@pytest.fixture(autouse=True)
def specs(sandbox: Sandbox, group: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two specs of the group."""
    buy_from(sandbox, monkeypatch)
    (tmp_path / "specs").mkdir()
    for name in ("one", "two"):
        text = GROUPED.format(name=name, group=group)
        (tmp_path / "specs" / f"{name}.yaml").write_text(text)


def limit(server: Server, name: str) -> dict[str, Any]:
    found: dict[str, Any] = server.ask("GET", f"/v2/concurrency_limits/{name}")
    return found


@contextlib.asynccontextmanager
async def held(name: str) -> AsyncIterator[None]:
    """A slot of a limit, taken by somebody else."""
    async with get_client() as client:
        await client.upsert_global_concurrency_limit_by_name(name, 1)
        answer = await client.increment_concurrency_slots_with_lease(
            [name], 1, "concurrency", 10 * LEASE_SECONDS
        )
        yield
        await client.release_concurrency_slots_with_lease(uuid.UUID(answer.json()["lease_id"]))


async def until(caplog: pytest.LogCaptureFixture, words: str) -> None:
    async with asyncio.timeout(240):
        while words not in caplog.text:
            await asyncio.sleep(0.05)


def spans() -> list[tuple[float, float]]:
    """When the engine began and ended with each run."""
    found = []
    with contextlib.closing(Journal(read_settings().store_url)) as journal:
        for run in journal.runs():
            at = {entry.event.kind: entry.at for entry in journal.entries(run.run_id)}
            found.append((at["run.resumed"], at["run.ended"]))
    return sorted(found)


async def test_runs_of_a_group_execute_one_after_the_other_by_the_limit_of_the_spec(
    server: Server, group: str
) -> None:
    async with get_client() as client:
        await client.create_global_concurrency_limit(
            GlobalConcurrencyLimitCreate(name=GROUP_PREFIX + group, limit=5)
        )
    states = await asyncio.gather(
        campaigns.one(return_state=True), campaigns.two(return_state=True)
    )
    assert all(state.is_completed() for state in states), states
    (_, first_ended), (second_began, _) = spans()
    assert first_ended <= second_began
    found = limit(server, GROUP_PREFIX + group)
    assert (found["limit"], found["active_slots"]) == (1, 0)


async def test_a_run_waits_before_it_buys_and_says_so(
    server: Server,
    group: str,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = f"tests-{group}"
    monkeypatch.setenv("RIVYA_FLOWS_GLOBAL_LIMIT", name)
    caplog.set_level("INFO", "prefect.flow_runs")
    async with held(name):
        running = asyncio.create_task(campaigns.one(return_state=True))
        await until(caplog, "waiting for a slot")
        assert f"the limit '{GROUP_PREFIX}{group}' and the limit '{name}' is full" in caplog.text
        # Both slots are taken together: the group's is not held meanwhile.
        assert limit(server, GROUP_PREFIX + group)["active_slots"] == 0
        assert ledger(sandbox.data)["generations"] == []
    state = await running
    assert state.is_completed(), state
    assert "has its turn" in caplog.text
    assert limit(server, name)["active_slots"] == 0


async def test_a_missing_limit_is_logged_and_ignored(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RIVYA_FLOWS_GLOBAL_LIMIT", "nobody-made-this")
    state = await campaigns.two(return_state=True)
    assert state.is_completed(), state
    assert "this server has no limit 'nobody-made-this'" in caplog.text
    assert "prefect gcl create nobody-made-this --limit 3" in caplog.text


async def test_no_run_starts_if_the_server_does_not_answer(server: Server) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}/api"
        with temporary_settings({PREFECT_API_URL: nowhere}), pytest.raises(LimitError) as raised:
            async with turn(Concurrency(group="brand"), None, logging.getLogger("tests.limits")):
                pytest.fail("nothing may begin")
    assert "rivya-flows:brand: the limit could not be read: " in str(raised.value)
    assert raised.value.hint == "check the Prefect server, then retry the run"
