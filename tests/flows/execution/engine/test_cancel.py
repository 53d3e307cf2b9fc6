"""A run that is cancelled while its results are on their way home."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from prefect.exceptions import TerminationSignal

from rivya_flows.planning.queue.events import Event
from rivya_flows.planning.queue.state import State
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import accounts_agree, customer, stills

SLOW_MEDIA = 'faults: [{on: "GET /media/results/*", do: delay, seconds: 600}]'


async def test_a_cancel_during_a_download_ends_at_once_and_a_resume_fetches_it(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    studio = customer(sandbox, tmp_path / "studio")
    admin.set_faults(sandbox.data, SLOW_MEDIA)
    await studio.start(stills(2), "run-1")
    driving = asyncio.create_task(studio.execute("run-1"))

    def made() -> int:
        jobs = admin.ledger(sandbox.data, account=studio.account)["generations"]
        return sum(job["status"] == "succeeded" for job in jobs)

    async with asyncio.timeout(240):
        while await asyncio.to_thread(made) < 2:
            await asyncio.sleep(0.05)
        # The next look at the jobs comes a moment later, then the downloads begin.
        await asyncio.sleep(0.5)
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
    receipt = studio.receipt("run-1")
    assert receipt["status"] == "cancelled"
    assert {row["status"] for row in receipt["ledger"]} == {"accepted"}
    assert list((tmp_path / "studio").glob("result-*")) == []

    admin.set_faults(sandbox.data, "faults: []")
    state = await studio.execute("run-1")
    assert state is not None
    assert state.ended == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


async def test_a_termination_in_the_middle_of_a_step_ends_the_run_where_nobody_else_hears_it(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    studio = customer(sandbox, tmp_path / "studio")
    await studio.start(stills(2), "run-1")

    def strike(event: Event, _: State) -> None:
        if event.kind == "purchase.accepted":
            raise TerminationSignal(signal.SIGTERM)

    async with asyncio.timeout(240):
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(studio.execute("run-1", listen=strike))
    assert studio.receipt("run-1")["status"] == "cancelled"

    state = await studio.execute("run-1")
    assert state is not None
    assert state.ended == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 2
