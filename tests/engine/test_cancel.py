"""A run that is cancelled while its results are on their way home."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import Engine

from rivya_flows.engine.run import Run
from rivya_flows.queue.events import Event
from rivya_flows.queue.state import State
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, accounts_agree, customer, stills

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


class TerminationSignal(BaseException):
    """What a host raises, wherever its signal arrives."""


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_termination_in_the_middle_of_a_step_ends_the_run_unless_it_goes_on_elsewhere(
    sandbox: Sandbox, tmp_path: Path, elsewhere: bool
) -> None:
    """A container that is taken away is no cancellation."""
    studio = customer(sandbox, tmp_path / "studio")
    await studio.start(stills(2), "run-1")

    def strike(event: Event, _: State) -> None:
        if event.kind == "purchase.accepted":
            raise TerminationSignal

    def prepare(run: Run) -> None:
        run.stops = asyncio.CancelledError, TerminationSignal
        run.goes_on_elsewhere = lambda: elsewhere

    async with asyncio.timeout(240):
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(studio.execute("run-1", listen=strike, prepare=prepare))
    assert studio.receipt("run-1")["status"] == ("running" if elsewhere else "cancelled")

    state = await studio.execute("run-1")
    assert state is not None
    assert state.ended == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 2


@pytest.mark.parametrize("times", [1, 2])
async def test_a_cancel_while_a_group_is_written_keeps_the_group_and_ends_behind_it(
    sandbox: Sandbox, tmp_path: Path, times: int
) -> None:
    """Also a second cancel, while the end waits for the store."""
    studio = customer(sandbox, tmp_path / "studio")
    loop = asyncio.get_running_loop()
    writing, may_commit = asyncio.Event(), threading.Event()

    class Slow(Bomb):
        def at_write(self, number: int) -> None:
            super().at_write(number)
            if number > 4 and not may_commit.is_set():
                loop.call_soon_threadsafe(writing.set)
                assert may_commit.wait(240)

    await studio.start(stills(3), "run-1")
    bomb, counted = Slow(), list[str]()
    driving = asyncio.create_task(
        studio.execute("run-1", bomb=bomb, listen=lambda event, _: counted.append(event.kind))
    )
    async with asyncio.timeout(240):
        await writing.wait()
        for _ in range(times):
            driving.cancel()
            # The loop goes on while the store does not.
            await asyncio.sleep(0.05)
        assert not driving.done()
        may_commit.set()
        await asyncio.gather(driving, return_exceptions=True)
    assert driving.cancelled()
    with studio.context(Bomb()) as context:
        kinds = [entry.event.kind for entry in context.journal.entries("run-1")]
    assert kinds[1:] == counted, "what is on disk counts, in its order"
    assert (kinds.count("run.ended"), kinds[-1]) == (1, "run.ended")
    assert studio.receipt("run-1")["status"] == "cancelled"

    state = await studio.execute("run-1")
    assert state is not None
    assert state.ended == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 3


async def test_no_statement_of_the_store_is_executed_in_the_thread_of_the_event_loop(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    studio = customer(sandbox, tmp_path / "studio")
    text = stills(3, top="cache: spec")
    await studio.start(text, "run-1")
    threads: list[threading.Thread] = []

    def look(*_: object) -> None:
        threads.append(threading.current_thread())

    def watch(event: Event, _: State) -> None:
        if event.kind == "run.resumed":
            sqlalchemy.event.listen(Engine, "before_cursor_execute", look)
        elif event.kind == "run.ended":
            sqlalchemy.event.remove(Engine, "before_cursor_execute", look)

    state = await studio.execute("run-1", listen=watch, renewal_seconds=0.01)
    assert state is not None
    assert state.ended == "completed"
    assert threads
    assert threading.current_thread() not in threads
