"""Where the event loop of a host stands is seen from outside, and what may be ended for it."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rivya_flows.engine import work
from rivya_flows.flows.worker import host_process
from rivya_flows.flows.worker.host_process import STUCK_SECONDS, LoopWatch
from rivya_flows.processes.hosts import SILENT_SECONDS

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


def standing(watch: LoopWatch, seconds: float) -> str:
    return watch.judge(seconds, sys._current_frames()[watch._thread])


def test_a_host_is_ended_for_a_step_function_that_blocks_its_loop_and_names_the_line() -> None:
    with watched(lambda: work._call_coroutine(cut_slowly)) as watch:
        assert watch.look() == ""  # it has not been asked before
        assert watch.look() == ""
        assert standing(watch, SILENT_SECONDS - 1) == ""
        blocked = standing(watch, SILENT_SECONDS)
    assert blocked.startswith("a step function blocked its process for 30 s: cut_slowly, ")
    assert f"{__file__}:" in blocked


def test_what_else_blocks_a_loop_is_shown_once_and_ends_its_host_only_after_long(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_process, "_logger", logging.getLogger("of-a-test"))
    with watched(ask_the_server) as watch:
        for seconds in (SILENT_SECONDS - 1, SILENT_SECONDS, STUCK_SECONDS - 1):
            assert standing(watch, seconds) == ""
        assert standing(watch, STUCK_SECONDS).startswith("its process was stuck for 900 s")
    (shown,) = caplog.messages
    assert "have not gone on for 30 s" in shown
    assert "await cut_slowly()" in shown


def test_a_loop_that_turns_stands_nowhere() -> None:
    turned = threading.Event()

    async def turn() -> None:
        ENTERED.set()
        while not RELEASED.is_set():
            await asyncio.sleep(0.001)

    with watched(turn) as watch:
        for _ in range(3):
            turned.clear()
            watch.look()
            watch._loop.call_soon_threadsafe(turned.set)  # after what the look asked for
            assert turned.wait(60)
            assert watch._unanswered_since is None
