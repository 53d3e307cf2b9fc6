"""A Prefect server that is away for long, and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect import flow, get_client, task
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)
from prefect.states import Cancelling, Running, Suspended

from rivya_flows.flows.prefect_internals import send_pending
from rivya_flows.flows.server.environment import server_environment
from rivya_flows.flows.worker import prefect_internals as internals
from rivya_flows.flows.worker.campaign_worker import CampaignWorker
from rivya_flows.processes.ports import choose_port
from support.prefect_workers import PATIENCE
from support.seeded_data import seeded

USER, PASSWORD = "rivya", "of-a-test"
AUTH = f"{USER}:{PASSWORD}"
SERVE = "import sys; from rivya_flows.flows.server_process import serve; serve(int(sys.argv[1]), sys.argv[2])"


@contextlib.asynccontextmanager
async def serving(home: Path, port: int) -> AsyncIterator[None]:
    """A Prefect server that is killed at the end; the next one has the same address and password."""
    environment = {
        **server_environment(home, port, os.environ),
        "PREFECT_SERVER_API_AUTH_STRING": AUTH,
    }
    command = [sys.executable, "-c", SERVE, str(port), AUTH]
    with (home / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        async with httpx.AsyncClient(trust_env=False, auth=(USER, PASSWORD)) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"http://127.0.0.1:{port}/api/health")).is_success:
                        break
                assert process.poll() is None, (home / "server.log").read_text()
                await asyncio.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()


async def until(ask: Callable[[], bool]) -> None:
    while not ask():
        await asyncio.sleep(0.05)


class Counting:
    """A client that counts the calls that failed."""

    def __init__(self, client: PrefectClient) -> None:
        self.client, self.refused = client, 0

    async def read_flow_runs(self, **wanted: Any) -> list[FlowRun]:
        try:
            return await self.client.read_flow_runs(**wanted)
        except httpx.TransportError:
            self.refused += 1
            raise


@pytest.mark.prefect
async def test_after_a_long_outage_of_the_server_a_cancel_and_a_pause_reach_their_runs(
    prefect_server: str, prefect_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, port = (
        seeded(tmp_path / "own", prefect_data, empty=True) / "prefect",
        choose_port(0, None),
    )
    begun, goes_on = asyncio.Event(), asyncio.Event()

    @task
    async def step() -> None:
        await asyncio.sleep(0.05)

    @flow
    async def working() -> None:
        begun.set()
        await goes_on.wait()
        while True:
            await step()

    worker: Any = CampaignWorker("any", name="hearing")
    shared = internals.SharedRuns()
    monkeypatch.setattr(internals, "POLL_SECONDS", 0.1)
    here = {PREFECT_API_URL: f"http://127.0.0.1:{port}/api", PREFECT_API_AUTH_STRING: AUTH}
    async with asyncio.timeout(2 * PATIENCE), contextlib.AsyncExitStack() as stack:
        stack.enter_context(temporary_settings(here))
        async with serving(home, port), get_client() as client:
            flow_id = await client.create_flow(working)
            deployment = await client.create_deployment(flow_id, "any")
            paused, cancelled = [
                (await client.create_flow_run_from_deployment(deployment)).id for _ in range(2)
            ]
            await client.set_flow_run_state(cancelled, Running(), force=True)
            with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):  # they give up at once
                await stack.enter_async_context(shared)
                asking = Counting(await stack.enter_async_context(get_client()))
                worker._cancellations.start(asking)
            stack.push_async_callback(worker._cancellations.stop)
            worker._cancellations.flow_runs.add(cancelled)
            executing = asyncio.create_task(shared.execute(paused, lambda: working))
            await begun.wait()
        refused = asking.refused
        await until(lambda: asking.refused > refused + 1)
        assert worker._cancelled == set()
        async with serving(home, port), get_client() as client:
            await client.set_flow_run_state(cancelled, Cancelling(), force=True)
            await client.set_flow_run_state(paused, Suspended(timeout_seconds=3600), force=True)
            goes_on.set()
            await until(lambda: cancelled in worker._cancelled)
            assert await executing  # it ended, and the server knows why
            state = (await client.read_flow_run(paused)).state
            assert state is not None
            assert state.name == "Suspended"
            await send_pending(60)
