"""A run that is cancelled while its results are on their way home."""

from __future__ import annotations

import asyncio
import threading

import pytest
import sqlalchemy
from sqlalchemy import Engine

from rivya_flows.engine.run import Run
from rivya_flows.queue.events import Event
from rivya_flows.queue.state import State
from support.engine_runs import Bomb, Studio, stills


async def test_a_cancel_during_a_download_ends_at_once_and_a_resume_fetches_it(
    studio: Studio,
) -> None:
    studio.order('on: "GET /media/results/*", do: delay, seconds: 600')
    await studio.start(stills(2), "run-1")
    driving = asyncio.create_task(studio.execute("run-1"))

    def made() -> int:
        return sum(job["status"] == "succeeded" for job in studio.jobs())

    async with asyncio.timeout(240):
        while await asyncio.to_thread(made) < 2:
            await asyncio.sleep(0.05)
        # The next look at the jobs comes a moment later, then the downloads begin.
        await asyncio.sleep(0.5)
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
    receipt = studio.receipt()
    assert receipt["status"] == "cancelled"
    assert {row["status"] for row in receipt["ledger"]} == {"accepted"}
    assert list(studio.folder.glob("result-*")) == []

    studio.order()
    assert await studio.ends() == "completed"
    assert studio.audit() == 2


class TerminationSignal(BaseException):
    """What a host raises, wherever its signal arrives."""


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_termination_in_the_middle_of_a_step_ends_the_run_unless_it_goes_on_elsewhere(
    studio: Studio, elsewhere: bool
) -> None:
    """A container that is taken away is no cancellation."""
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
    assert studio.receipt()["status"] == ("running" if elsewhere else "cancelled")

    assert await studio.ends() == "completed"
    assert studio.audit() == 2


@pytest.mark.parametrize("times", [1, 2])
async def test_a_cancel_while_a_group_is_written_keeps_the_group_and_ends_behind_it(
    studio: Studio, times: int
) -> None:
    """Also a second cancel, while the end waits for the store."""
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
    kinds = [event.kind for event in studio.events()]
    assert kinds[1:] == counted, "what is on disk counts, in its order"
    assert (kinds.count("run.ended"), kinds[-1]) == (1, "run.ended")
    assert studio.receipt()["status"] == "cancelled"

    assert await studio.ends() == "completed"
    assert studio.audit() == 3


async def test_no_statement_of_the_store_is_executed_in_the_thread_of_the_event_loop(
    studio: Studio,
) -> None:
    await studio.start(stills(3, top="cache: spec"), "run-1")
    threads: list[threading.Thread] = []

    def look(*_: object) -> None:
        threads.append(threading.current_thread())

    def watch(event: Event, _: State) -> None:
        if event.kind == "run.resumed":
            sqlalchemy.event.listen(Engine, "before_cursor_execute", look)
        elif event.kind == "run.ended":
            sqlalchemy.event.remove(Engine, "before_cursor_execute", look)

    assert await studio.ends(listen=watch, renewal_seconds=0.01) == "completed"
    assert threads
    assert threading.current_thread() not in threads
