"""Where the event loop of a host stands is seen from outside, and what may be ended for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rivya_flows.engine import functions
from rivya_flows.flows.worker.host_process import LoopWatch
from rivya_flows.flows.worker.hosts import SILENT_SECONDS, STUCK_SECONDS, Alive, why_to_kill

RELEASED = threading.Event()
ENTERED = threading.Event()


async def cut_slowly() -> None:
    """A step function that never yields."""
    ENTERED.set()
    RELEASED.wait()


async def ask_the_server() -> None:
    """What is no step, and waits in the event loop."""
    await cut_slowly()


@contextmanager
def watched(work: Callable[[], Coroutine[Any, Any, None]]) -> Iterator[LoopWatch]:
    """A watch of an event loop that does some work."""
    RELEASED.clear()
    ENTERED.clear()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(work()))
    thread.start()
    assert ENTERED.wait(60)
    assert thread.ident is not None
    try:
        yield LoopWatch(loop, thread.ident)
    finally:
        RELEASED.set()
        thread.join()
        loop.close()


def test_a_step_function_that_blocks_the_loop_is_named_with_its_line() -> None:
    with watched(lambda: functions._contained(cut_slowly)) as watch:
        assert watch.look() == Alive()  # it has not been asked before
        alive = watch.look()
    assert alive.step is not None
    assert alive.step.startswith(f"cut_slowly, {__file__}:")
    assert "RELEASED.wait()" in alive.stack


def test_what_else_blocks_the_loop_is_shown_and_called_no_step() -> None:
    with watched(ask_the_server) as watch:
        watch.look()
        alive = watch.look()
    assert alive.step is None
    assert "ask_the_server" in alive.stack


def test_a_loop_that_turns_stands_nowhere() -> None:
    turned = threading.Event()

    async def turn() -> None:
        ENTERED.set()
        while not RELEASED.is_set():
            await asyncio.sleep(0.001)

    with watched(turn) as watch:
        for _ in range(3):
            turned.clear()
            assert watch.look() == Alive()
            watch._loop.call_soon_threadsafe(turned.set)  # after what the look asked for
            assert turned.wait(60)


@pytest.mark.parametrize(
    ("alive", "killed"),
    [
        (Alive(), False),
        (Alive(SILENT_SECONDS - 1, "", "cut, steps.py:12"), False),
        (Alive(SILENT_SECONDS, "", "cut, steps.py:12"), True),
        (Alive(SILENT_SECONDS, "in read_flow_run"), False),
        (Alive(STUCK_SECONDS - 1, "in read_flow_run"), False),
        (Alive(STUCK_SECONDS, "in read_flow_run"), True),
    ],
)
def test_a_host_is_ended_for_a_step_that_blocks_it_and_not_for_a_wait(
    alive: Alive, killed: bool
) -> None:
    reason = why_to_kill(alive)
    assert (reason is not None) == killed
    assert reason is None or alive.step is None or alive.step in reason
