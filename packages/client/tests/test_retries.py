"""What the client repeats, for how long, and what it then knows of a purchase."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from rivya_client.client import RivyaClient
from rivya_client.errors import (
    SAME_PURCHASE,
    APIConnectionError,
    APIError,
    APIStatusError,
    NotSentError,
    RefusedAfterSilenceError,
    UsageError,
)
from rivya_client.retries import ONCE, RetryPolicy, backoff_seconds
from rivya_client.runtime import Runtime
from support.api_stage import BODY, JOB, KEY, Answer, Stage, job, refused


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(httpx.ConnectError("refused"), id="no-connection"),
        pytest.param(httpx.ReadError(""), id="cut"),
        pytest.param(httpx.ReadTimeout(""), id="silence"),
        pytest.param(refused(500, "internal_error"), id="500"),
        pytest.param(refused(503, "public_api_disabled"), id="503"),
        pytest.param(refused(408, "http_408"), id="408"),
        pytest.param(refused(429, "rate_limited"), id="429"),
        pytest.param(httpx.Response(202, content=b'{"id": "task'), id="half-an-answer"),
        pytest.param(httpx.Response(202, json={}), id="an-answer-without-an-id"),
    ],
)
async def test_a_purchase_is_repeated_with_the_same_bytes_and_key(trouble: Answer) -> None:
    stage = Stage(trouble, job())
    async with stage.client() as client:
        generation = await client.generations.create(BODY, idempotency_key="k1")
    assert generation.id == "task_1"
    first, second = stage.requests
    assert first.content == second.content == BODY
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(httpx.ConnectError("refused"), id="no-connection"),
        pytest.param(refused(503, "public_api_disabled"), id="503"),
        pytest.param(refused(429, "rate_limited", **{"Retry-After": "1"}), id="429"),
        pytest.param(httpx.Response(202, content=b"{"), id="half-an-answer"),
    ],
)
async def test_a_purchase_without_a_key_is_never_repeated(trouble: Answer) -> None:
    stage = Stage(trouble)
    async with stage.client() as client:
        with pytest.raises((APIConnectionError, APIStatusError)) as caught:
            await client.chat.complete(BODY, idempotency_key=None)
    assert len(stage.requests) == 1
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (httpx.ReadError("cut"), "; check RIVYA_BASE_URL and the network, then try again"),
        (httpx.Response(202, content=b"{"), "; check RIVYA_BASE_URL and the network"),
        (httpx.Response(502), "; https://rivya.test sent no Rivya answer"),
        (refused(500, "internal_error"), ""),
        (refused(409, "idempotency_conflict"), ""),
    ],
)
async def test_the_hint_of_an_open_purchase_says_how_not_to_buy_it_twice(
    trouble: Answer, words: str
) -> None:
    async with Stage(trouble, trouble).client(retry=ONCE) as client:
        with pytest.raises(APIError) as caught:
            await client.generations.create(BODY)
        assert str(caught.value.hint).startswith(SAME_PURCHASE + words)
        assert pickle.loads(pickle.dumps(caught.value)).hint == caught.value.hint
        with pytest.raises(APIError) as keyless:
            await client.credits.retrieve()
    assert SAME_PURCHASE not in str(keyless.value.hint)


@pytest.mark.parametrize(
    "trouble", [httpx.ConnectError("refused"), refused(402, "insufficient_credits")]
)
async def test_the_hint_of_what_was_not_bought_says_nothing_of_a_purchase(trouble: Answer) -> None:
    async with Stage(trouble).client(retry=ONCE) as client:
        with pytest.raises(APIError) as caught:
            await client.generations.create(BODY)
    assert caught.value.hint
    assert SAME_PURCHASE not in caught.value.hint


@pytest.mark.parametrize("attempts", [0, -1, "3"])
def test_a_policy_has_at_least_one_attempt(attempts: Any) -> None:
    with pytest.raises(UsageError, match=r"attempts: .* is not a whole number above 0"):
        RetryPolicy(attempts, 1)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "validation_failed"),
        (401, "api_key_revoked"),
        (402, "insufficient_credits"),
        (404, "not_found"),
        (409, "idempotency_conflict"),
        (422, "a_newer_code"),
    ],
)
async def test_a_definite_error_is_raised_without_retries(status: int, code: str) -> None:
    stage = Stage(refused(status, code))
    async with stage.client() as client:
        with pytest.raises(APIStatusError) as caught:
            await client.generations.create(BODY, idempotency_key="k1")
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (
        status,
        code,
        "req_1",
    )
    assert stage.sleeps == []


@pytest.mark.parametrize(
    ("trouble", "unsure"),
    [
        pytest.param(httpx.ReadError(""), True, id="cut"),
        pytest.param(httpx.Response(202, content=b"{"), True, id="half-an-answer"),
        pytest.param(refused(500, "internal_error"), True, id="500"),
        pytest.param(httpx.ConnectError("refused"), False, id="never-sent"),
        pytest.param(refused(429, "rate_limited"), False, id="429"),
    ],
)
async def test_a_refusal_after_silence_does_not_say_that_nothing_was_bought(
    trouble: Answer, unsure: bool
) -> None:
    stage = Stage(trouble, refused(401, "api_key_revoked"))
    async with stage.client() as client:
        with pytest.raises(APIStatusError) as caught:
            await client.generations.create(BODY, idempotency_key="k1")
    assert isinstance(caught.value, RefusedAfterSilenceError) is unsure
    assert caught.value.code == "api_key_revoked"
    assert type(pickle.loads(pickle.dumps(caught.value))) is type(caught.value)


async def test_a_read_that_is_refused_after_silence_is_an_ordinary_error() -> None:
    stage = Stage(httpx.ReadError(""), refused(404, "not_found"))
    async with stage.client() as client:
        with pytest.raises(APIStatusError) as caught:
            await client.generations.retrieve("task_1")
    assert not isinstance(caught.value, RefusedAfterSilenceError)


async def test_attempts_end_with_the_last_error() -> None:
    stage = Stage(*[refused(500, "internal_error")] * 4, refused(502, "bad_upstream"))
    async with stage.client() as client:
        with pytest.raises(APIStatusError, match="bad_upstream"):
            await client.credits.retrieve()
    assert stage.sleeps == [0.5, 1, 2, 4]


async def test_a_request_without_a_connection_is_not_sent() -> None:
    async with Stage(*[httpx.ConnectError("refused")] * 5).client() as client:
        with pytest.raises(NotSentError, match=r"no connection: refused \(https?:"):
            await client.generations.create(BODY, idempotency_key="k1")


async def test_a_call_that_was_sent_once_is_not_reported_as_not_sent() -> None:
    stage = Stage(httpx.ReadError(""), *[httpx.ConnectError("refused")] * 4)
    async with stage.client() as client:
        with pytest.raises(APIConnectionError) as caught:
            await client.generations.create(BODY, idempotency_key="k1")
    assert not isinstance(caught.value, NotSentError)


async def test_a_client_that_is_closed_in_a_pause_leaves_the_purchase_open() -> None:
    class Closing(Stage):
        async def sleep(self, seconds: float) -> None:
            await client.aclose()

    client = Closing(httpx.ReadError("")).client()
    with pytest.raises(APIConnectionError, match="is closed") as caught:
        await client.generations.create(BODY, idempotency_key="k1")
    assert str(caught.value.hint).startswith(SAME_PURCHASE)


async def test_a_call_has_its_own_attempts() -> None:
    stage = Stage(httpx.ReadError(""), httpx.ReadError(""))
    async with stage.client() as client:
        with pytest.raises(APIConnectionError):
            await client.generations.create(
                BODY, idempotency_key="k1", retry=RetryPolicy(attempts=2)
            )
    assert len(stage.requests) == 2


async def test_no_repetition_starts_after_patience_is_over() -> None:
    stage = Stage(refused(429, "rate_limited", **{"Retry-After": "3600"}))
    async with stage.client() as client:
        with pytest.raises(APIStatusError) as caught:
            await client.generations.create(BODY, idempotency_key="k1")
    assert caught.value.retry_after_seconds == 3600
    assert stage.sleeps == []


@pytest.mark.parametrize("when", ["in flight", "in the pause", "process stopped in the pause"])
async def test_a_purchase_is_not_repeated_after_the_machine_was_suspended(when: str) -> None:
    def cut(_: httpx.Request) -> httpx.Response:
        stage.asleep = 3 * 86400 if when == "in flight" else 0
        raise httpx.ReadError("")

    class Asleep(Stage):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            if when == "process stopped in the pause":  # the clock of the machine goes on
                self.time += 3 * 86400
            else:
                self.asleep = 3 * 86400

    stage = Asleep(cut, job())
    async with stage.client() as client:
        with pytest.raises(APIConnectionError):
            await client.generations.create(BODY, idempotency_key="k1")
    assert len(stage.requests) == 1


async def test_a_free_request_is_repeated_after_the_machine_was_suspended() -> None:
    stage = Stage()

    def cut(_: httpx.Request) -> httpx.Response:
        stage.asleep = 3 * 86400
        raise httpx.ReadError("")

    stage.answers = [cut, httpx.Response(200, json={"current_credits": 5})]
    async with stage.client() as client:
        assert (await client.credits.retrieve()).current_credits == 5


async def test_retry_after_is_obeyed_as_a_date_too() -> None:
    header = {"Retry-After": "Thu, 01 Jan 1970 00:16:50 GMT"}  # ten seconds after `now`
    stage = Stage(refused(429, "rate_limited", **header), job())
    async with stage.client() as client:
        await client.generations.create(BODY, idempotency_key="k1")
    assert stage.time == pytest.approx(10)


async def test_retry_after_holds_back_the_other_calls_too() -> None:
    stage = Stage(
        refused(429, "rate_limited", **{"Retry-After": "20"}),
        httpx.Response(200, json={"current_credits": 5}),
    )
    async with stage.client() as client:
        with pytest.raises(APIStatusError):
            await client.generations.create(BODY, idempotency_key=None)
        await client.credits.retrieve()
    assert stage.time == pytest.approx(20)


@pytest.fixture
async def cutting_service() -> AsyncIterator[tuple[str, list[str]]]:
    """A real server that cuts the first connection in the middle of its answer."""
    seen: list[str] = []
    whole = json.dumps(JOB).encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(BODY))
        seen.append(head.decode())
        length = f"HTTP/1.1 202 Accepted\r\nX-Request-Id: req_{len(seen)}\r\nContent-Length: {len(whole)}\r\n\r\n".encode()
        writer.write(length + (whole[:20] if len(seen) == 1 else whole))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen


async def test_a_connection_that_breaks_in_the_response_is_retried(
    cutting_service: tuple[str, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "rivya_client.wire")
    base_url, seen = cutting_service
    runtime = Runtime(sleep=Stage().sleep)
    async with RivyaClient(KEY, base_url, runtime=runtime) as client:
        generation = await client.generations.create(BODY, idempotency_key="k1")
    assert generation.id == "task_1"
    assert len(seen) == 2
    told = [r.getMessage().partition(" -> ")[2].partition(" in ")[0] for r in caplog.records]
    assert told == ["202 req_1, broken off", "202 req_2"]


def test_backoff_doubles_from_one_second_to_thirty() -> None:
    error = APIConnectionError("cut")
    longest = [backoff_seconds(error, attempt, chance=1) for attempt in (1, 2, 3, 4, 5, 6, 99)]
    assert longest == [1, 2, 4, 8, 16, 30, 30]
    assert backoff_seconds(error, 3, chance=0) == 2


def test_backoff_never_shortens_retry_after() -> None:
    error = APIStatusError(429, "rate_limited", "", retry_after_seconds=45)
    assert backoff_seconds(error, 1, chance=0) == 45
