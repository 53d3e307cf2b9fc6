"""An event loop in a thread: results, errors, interruption and the end."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any

import pytest

from rivya_flows.client.calls import EventLoopThread
from rivya_flows.errors import UsageError


async def answer(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def fail() -> int:
    raise ValueError("no")


def test_a_result_and_an_error_reach_the_caller() -> None:
    thread = EventLoopThread()
    assert thread.run(answer(7)) == 7
    with pytest.raises(ValueError, match="no"):
        thread.run(fail())
    thread.close()


async def test_it_works_while_the_caller_has_an_event_loop() -> None:
    thread = EventLoopThread()
    assert thread.run(answer(7)) == 7
    thread.close()


def test_several_threads_share_one() -> None:
    thread = EventLoopThread()
    found: list[int] = []
    callers = [
        threading.Thread(target=lambda n=n: found.append(thread.run(answer(n)))) for n in range(5)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert sorted(found) == [0, 1, 2, 3, 4]
    thread.close()


def test_an_interrupted_wait_cancels_the_coroutine(monkeypatch: pytest.MonkeyPatch) -> None:
    thread = EventLoopThread()
    cancelled = threading.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    submit = asyncio.run_coroutine_threadsafe

    def interrupted(
        coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop
    ) -> Future[None]:
        future = submit(coroutine, loop)
        submit(answer(1), loop).result()  # the coroutine has begun

        def interrupt() -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(future, "result", interrupt)
        return future

    monkeypatch.setattr("asyncio.run_coroutine_threadsafe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        thread.run(endless())
    assert cancelled.wait(60)
    thread.close()


def test_a_call_from_its_own_callback_is_an_error_and_not_a_deadlock() -> None:
    thread = EventLoopThread()

    async def calls_itself() -> int:
        return thread.run(answer(1))

    with pytest.raises(UsageError, match="own callback"):
        thread.run(calls_itself())
    thread.close()


def test_a_closed_one_and_one_of_before_a_fork_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    thread = EventLoopThread()
    with monkeypatch.context() as forked:
        forked.setattr("os.getpid", lambda: -1)
        with pytest.raises(UsageError, match="another process"):
            thread.run(answer(1))
    thread.close()
    thread.close()
    with pytest.raises(UsageError, match="is closed"):
        thread.run(answer(1))


def test_what_still_runs_is_cancelled_at_the_end() -> None:
    thread = EventLoopThread()
    cancelled = threading.Event()

    async def leave_a_task() -> None:
        async def endless() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        tasks.append(asyncio.create_task(endless()))
        await asyncio.sleep(0)

    tasks: list[asyncio.Task[None]] = []
    thread.run(leave_a_task())
    thread.close()
    assert cancelled.is_set()


def test_nobody_has_to_close_it() -> None:
    thread = EventLoopThread()
    loop_thread = thread._thread
    del thread
    gc.collect()
    loop_thread.join(60)
    assert not loop_thread.is_alive()
