"""The four forms of a call, and the thread of a synchronous client."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, assert_type

import httpx
import pytest

from rivya_client.calls import EventLoopThread, RawResponse, api_call
from rivya_client.client import RivyaClient, SyncRivyaClient
from rivya_client.errors import APIStatusError, UsageError
from rivya_client.types import Credits, Generation
from support.api_stage import BODY, KEY, Stage, job, refused

BALANCE = {"current_credits": 7}


def balance(**headers: str) -> httpx.Response:
    return httpx.Response(200, json=BALANCE, headers=headers)


async def test_type_checkers_see_the_signature_of_each_form() -> None:
    async with Stage(balance(), balance()).client() as client:
        assert_type(await client.credits.retrieve(timeout=3), Credits)
        raw = client.with_raw_response
        assert_type(await raw.credits.retrieve(), RawResponse[Credits])


def test_a_synchronous_client_gives_answers_responses_and_errors_and_waits() -> None:
    stage = Stage(
        *(balance(), balance(**{"X-Request-Id": "req_1"}), refused(404, "not_found")),
        *(job(), job(status="processing"), job(status="succeeded")),
    )
    statuses: list[str] = []
    with stage.sync_client() as client:
        assert assert_type(client.credits.retrieve(), Credits).current_credits == 7
        response = assert_type(client.with_raw_response.credits.retrieve(), RawResponse[Credits])
        assert (response.status, response.request_id) == (200, "req_1")
        assert response.value.current_credits == 7
        with pytest.raises(APIStatusError, match="not_found"):
            client.generations.retrieve("task_1")
        with pytest.raises(TypeError):
            client.generations.retrieve()  # type: ignore[call-arg]
        done = client.generations.create_and_wait(
            BODY, on_change=lambda generation: statuses.append(generation.status)
        )
    assert assert_type(done, Generation).status == "succeeded"
    assert statuses == ["processing", "succeeded"]


async def test_the_response_of_a_call_with_several_requests_is_the_last_one() -> None:
    queued, done = job(), job(status="succeeded")
    done.headers["X-Request-Id"] = "req_2"
    async with Stage(queued, done).client() as client:
        response = await client.with_raw_response.generations.create_and_wait(BODY)
    assert (response.status, response.request_id) == (202, "req_2")


async def test_a_response_masks_a_key_that_its_headers_quote_and_shows_none_in_its_repr() -> None:
    async with Stage(balance(**{"X-Echo": f"Bearer {KEY}", "X-Other": "v"})).client() as client:
        response = await client.with_raw_response.credits.retrieve()
    assert response.headers["x-echo"] == "Bearer rvya_sk_***"
    assert "x-other" not in repr(response)


async def test_two_calls_at_once_get_their_own_responses() -> None:
    async with Stage(balance(a="1"), balance(a="2")).client() as client:
        raw = client.with_raw_response.credits
        responses = await asyncio.gather(raw.retrieve(), raw.retrieve())
    assert [response.headers["a"] for response in responses] == ["1", "2"]


def test_a_form_has_the_name_and_the_docstring_of_its_method() -> None:
    with SyncRivyaClient(KEY) as client:
        for call in (client.models.list, client.with_raw_response.models.list):
            assert call.__name__ == "list"
            assert "GET /api/v1/models" in (call.__doc__ or "")
        assert not inspect.iscoroutinefunction(client.models.list)
    assert inspect.iscoroutinefunction(RivyaClient(KEY).models.list)
    assert isinstance(vars(type(client.models))["list"], api_call)


def test_a_client_that_was_closed_refuses() -> None:
    client = SyncRivyaClient(KEY)
    client.close()
    client.close()
    with pytest.raises(UsageError, match="SyncRivyaClient: is closed"):
        client.credits.retrieve()


async def test_a_removal_that_an_unanswered_attempt_made_has_the_response_of_the_last() -> None:
    stage = Stage(httpx.ReadError("cut"), refused(404, "not_found"))
    response = await stage.answered(lambda c: c.with_raw_response.webhooks.delete("whend_1"))
    assert (response.status, response.value) == (404, None)


async def answer(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def fail() -> int:
    raise ValueError("no")


async def endless(cancelled: threading.Event) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        cancelled.set()


@pytest.fixture
def thread() -> Iterator[EventLoopThread]:
    opened = EventLoopThread()
    yield opened
    opened.close()


async def test_a_result_and_an_error_reach_the_caller_who_may_have_an_event_loop(
    thread: EventLoopThread,
) -> None:
    assert thread.run(answer(7)) == 7
    with pytest.raises(ValueError, match="no"):
        thread.run(fail())


def test_several_threads_share_one(thread: EventLoopThread) -> None:
    with ThreadPoolExecutor(5) as callers:
        found = list(callers.map(lambda n: thread.run(answer(n)), range(5)))
    assert found == [0, 1, 2, 3, 4]


def test_an_interrupted_wait_cancels_the_coroutine(
    thread: EventLoopThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled = threading.Event()
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
        thread.run(endless(cancelled))
    assert cancelled.wait(60)


def test_a_call_from_its_own_callback_is_an_error_and_not_a_deadlock(
    thread: EventLoopThread,
) -> None:
    async def calls_itself() -> int:
        return thread.run(answer(1))

    with pytest.raises(UsageError, match="own callback"):
        thread.run(calls_itself())


def test_a_closed_one_and_one_of_before_a_fork_refuse(
    thread: EventLoopThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as forked:
        forked.setattr("os.getpid", lambda: -1)
        with pytest.raises(UsageError, match="another process"):
            thread.run(answer(1))
    thread.close()
    with pytest.raises(UsageError, match="is closed"):
        thread.run(answer(1))


def test_what_still_runs_is_cancelled_at_the_end(thread: EventLoopThread) -> None:
    cancelled = threading.Event()
    tasks: list[asyncio.Task[None]] = []

    async def leave_a_task() -> None:
        tasks.append(asyncio.create_task(endless(cancelled)))
        await asyncio.sleep(0)

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
