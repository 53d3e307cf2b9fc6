"""What the client repeats, for how long, and what it then knows of a purchase."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial
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
from rivya_client.options import RequestSettings
from rivya_client.retries import FIRST_BACKOFF_SECONDS, ONCE, RetryPolicy, backoff_seconds
from rivya_client.types import Generation
from support.api_stage import BODY, JOB, Answer, Call, Stage, balance, buy, job, refused, stream
from support.raw_server import http, saying

CUT = httpx.ReadError("cut")
HALF = httpx.Response(202, content=b'{"id": "task')
NO_CONNECTION = httpx.ConnectError("refused")
DOWN, BUSY = refused(503, "public_api_disabled"), refused(429, "rate_limited")
BROKEN, REVOKED = refused(500, "internal_error"), refused(401, "api_key_revoked")
BALANCE = httpx.Response(200, json={"current_credits": 5})
TURN = httpx.Response(200, json={"id": "chatcmpl_1", "message": {"content": "Hi!"}})
SUSPENDED = 3 * 86400


def busy_for(value: str) -> httpx.Response:
    return refused(429, "rate_limited", **{"Retry-After": value})


@pytest.mark.parametrize(("call", "answer"), [(buy, job()), (stream, TURN)], ids=["job", "stream"])
@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(NO_CONNECTION, id="no-connection"),
        pytest.param(CUT, id="cut"),
        pytest.param(httpx.ReadTimeout(""), id="silence"),
        pytest.param(BROKEN, id="500"),
        pytest.param(DOWN, id="503"),
        pytest.param(refused(408, "http_408"), id="408"),
        pytest.param(BUSY, id="429"),
        pytest.param(HALF, id="half-an-answer"),
        pytest.param(httpx.Response(202, json={}), id="an-answer-without-an-id"),
    ],
)
async def test_a_purchase_is_repeated_with_the_same_bytes_and_key(
    call: Call, answer: httpx.Response, trouble: Answer
) -> None:
    stage = Stage(trouble, answer)
    assert (await stage.answered(call)).id == answer.json()["id"]
    first, second = stage.requests
    assert first.content == second.content == BODY
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == "k1"


async def keyless(client: Any) -> None:
    async with client.chat.stream(BODY, idempotency_key=None):
        pass


@pytest.mark.parametrize("trouble", [NO_CONNECTION, CUT, DOWN, busy_for("1"), HALF])
@pytest.mark.parametrize(
    "call",
    [lambda c: c.chat.complete(BODY, idempotency_key=None), keyless],
    ids=["whole", "stream"],
)
async def test_a_purchase_without_a_key_is_never_repeated(call: Call, trouble: Answer) -> None:
    stage = Stage(trouble)
    assert (await stage.error(APIError, call)).retryable
    assert len(stage.requests) == 1


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (CUT, "; check RIVYA_BASE_URL and the network, then try again"),
        (HALF, "; check RIVYA_BASE_URL and the network"),
        (httpx.Response(502), "; https://rivya.test sent no Rivya answer"),
        (BROKEN, ""),
        (refused(409, "idempotency_conflict"), ""),
    ],
)
async def test_the_hint_of_an_open_purchase_says_how_not_to_buy_it_twice(
    trouble: Answer, words: str
) -> None:
    stage = Stage(trouble, trouble)
    error = await stage.error(APIError, buy, retry=ONCE)
    assert str(error.hint).startswith(SAME_PURCHASE + words)
    free = await stage.error(APIError, balance, retry=ONCE)
    assert SAME_PURCHASE not in str(free.hint)


@pytest.mark.parametrize("trouble", [NO_CONNECTION, refused(402, "insufficient_credits")])
async def test_the_hint_of_what_was_not_bought_says_nothing_of_a_purchase(trouble: Answer) -> None:
    hint = (await Stage(trouble).error(APIError, buy, retry=ONCE)).hint
    assert hint
    assert SAME_PURCHASE not in hint


@pytest.mark.parametrize("status", [400, 401, 402, 404, 409, 422])
async def test_a_definite_error_is_raised_without_retries(status: int) -> None:
    stage = Stage(refused(status, "a_code"))
    assert (await stage.error(APIStatusError, buy)).status == status
    assert stage.sleeps == []


@pytest.mark.parametrize("call", [buy, stream])
@pytest.mark.parametrize(
    ("trouble", "unsure"),
    [
        pytest.param(CUT, True, id="cut"),
        pytest.param(HALF, True, id="half-an-answer"),
        pytest.param(BROKEN, True, id="500"),
        pytest.param(NO_CONNECTION, False, id="never-sent"),
        pytest.param(BUSY, False, id="429"),
    ],
)
async def test_a_refusal_after_silence_does_not_say_that_nothing_was_bought(
    call: Call, trouble: Answer, unsure: bool
) -> None:
    error = await Stage(trouble, REVOKED).error(APIStatusError, call)
    assert isinstance(error, RefusedAfterSilenceError) is unsure
    assert error.code == "api_key_revoked"
    read = await Stage(CUT, REVOKED).error(APIStatusError, balance)
    assert not isinstance(read, RefusedAfterSilenceError)


async def test_attempts_end_with_the_last_error() -> None:
    stage = Stage(*[BROKEN] * 4, refused(502, "bad_upstream"))
    await stage.error(APIStatusError, balance, "bad_upstream")
    assert stage.sleeps == [0.5, 1, 2, 4]
    stage = Stage(CUT, CUT)
    twice = RetryPolicy(attempts=2)
    await stage.error(
        APIError, lambda c: c.generations.create(BODY, idempotency_key="k1", retry=twice)
    )
    assert len(stage.requests) == 2


@pytest.mark.parametrize("call", [buy, stream])
async def test_a_call_is_not_sent_only_if_no_attempt_had_a_connection(call: Call) -> None:
    never = Stage(*[NO_CONNECTION] * 5)
    await never.error(NotSentError, call, r"no connection: refused \(https?:")
    once = await Stage(CUT, *[NO_CONNECTION] * 4).error(APIConnectionError, call)
    assert not isinstance(once, NotSentError)


async def test_a_client_that_is_closed_in_a_pause_leaves_the_purchase_open() -> None:
    class Closing(Stage):
        async def sleep(self, seconds: float) -> None:
            await client.aclose()

    client = Closing(CUT).client()
    with pytest.raises(APIConnectionError, match="is closed") as caught:
        await buy(client)
    assert str(caught.value.hint).startswith(SAME_PURCHASE)


@pytest.mark.parametrize("when", ["in flight", "in the pause", "process stopped in the pause"])
async def test_a_purchase_is_not_repeated_after_the_machine_was_suspended(when: str) -> None:
    def cut(_: httpx.Request) -> httpx.Response:
        stage.asleep = SUSPENDED if when == "in flight" else 0
        raise CUT

    class Asleep(Stage):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            if when == "process stopped in the pause":  # the clock of the machine goes on
                self.time += SUSPENDED
            else:
                self.asleep = SUSPENDED

    stage = Asleep(cut, job())
    await stage.error(APIConnectionError, buy)
    assert len(stage.requests) == 1
    if when == "in flight":
        stage = Asleep(cut, BALANCE)
        assert (await stage.answered(balance)).current_credits == 5, "which is free"


@pytest.mark.parametrize("how", ["suspended", "stopped"])
async def test_a_purchase_whose_turn_comes_after_a_long_sleep_is_not_sent(how: str) -> None:
    class Asleep(Stage):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            if seconds > FIRST_BACKOFF_SECONDS:  # for its turn
                self.asleep += SUSPENDED if how == "suspended" else 0
                self.time += SUSPENDED if how == "stopped" else 0

    stage = Asleep(CUT, job())
    repeated = await stage.error(APIConnectionError, buy, requests_per_second=0.1)
    assert not isinstance(repeated, NotSentError), "the first attempt may have bought"
    assert len(stage.requests) == 1

    async def call_twice(client: RivyaClient, call: Call) -> None:
        await call(client)
        await call(client)

    stage = Asleep(job(), job())
    await stage.error(NotSentError, partial(call_twice, call=buy), requests_per_second=0.1)
    assert len(stage.requests) == 1
    stage = Asleep(BALANCE, BALANCE)
    await stage.answered(partial(call_twice, call=balance), requests_per_second=0.1)
    assert len(stage.requests) == 2, "which is free"


async def test_no_attempt_is_sent_after_the_time_of_its_call_however_long_its_patience_is() -> None:
    async def buy_before(client: RivyaClient, seconds: float) -> Generation:
        before = datetime.fromtimestamp(1000 + seconds, UTC)
        patient = client.with_options(retry=RetryPolicy(5, 90_000), send_before=before)
        return await buy(patient)

    stage = Stage(busy_for("7000"), job())
    assert (await stage.answered(partial(buy_before, seconds=7200))).id == "task_1"
    stage = Stage(CUT, busy_for("7000"), job())
    error = await stage.error(APIConnectionError, partial(buy_before, seconds=6000))
    assert "too late" in str(error)
    assert len(stage.requests) == 2


def test_a_time_without_a_zone_and_what_is_no_time_are_refused() -> None:
    with pytest.raises(UsageError, match="send_before: it has no time zone"):
        RequestSettings().merge(send_before=datetime(2026, 12, 1))
    tomorrow: Any = "tomorrow"
    with pytest.raises(UsageError, match="send_before: 'tomorrow' is not a datetime"):
        RequestSettings().merge(send_before=tomorrow)


async def test_retry_after_is_obeyed_as_a_date_too_and_holds_back_the_other_calls() -> None:
    stage = Stage(busy_for("Thu, 01 Jan 1970 00:16:50 GMT"), job())  # ten seconds after `now`
    await stage.answered(buy)
    assert stage.time == pytest.approx(10)
    stage = Stage(busy_for("20"), BALANCE)
    async with stage.client() as client:
        with pytest.raises(APIStatusError):
            await client.generations.create(BODY, idempotency_key=None)
        await client.credits.retrieve()
    assert stage.time == pytest.approx(20)


async def test_no_repetition_starts_after_patience_is_over() -> None:
    stage = Stage(busy_for("3600"))
    assert (await stage.error(APIStatusError, buy)).retry_after_seconds == 3600
    assert stage.sleeps == []


async def test_a_connection_that_breaks_in_the_response_is_retried(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "rivya_client.wire")
    whole = http(httpx.Response(202, json=JOB).content, "X-Request-Id: req_1", status=202)
    with saying(whole[:-20], whole.replace(b"req_1", b"req_2")) as raw:
        async with raw.client() as client:
            generation = await client.generations.create(
                BODY, idempotency_key="k1", retry=RetryPolicy(2)
            )
    assert generation.id == "task_1"
    told = [r.getMessage().partition(" -> ")[2].partition(" in ")[0] for r in caplog.records]
    assert told == ["202 req_1, broken off", "202 req_2"]


async def test_the_log_tells_a_request_that_was_not_sent_from_one_without_an_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "rivya_client.wire")
    stage = Stage(NO_CONNECTION, httpx.ReadTimeout(""), *([NO_CONNECTION] * 9))
    await stage.error(APIConnectionError, buy)
    ends = [r.getMessage().partition(" -> ")[2].partition(" in ")[0] for r in caplog.records]
    assert ends[:2] == ["ConnectError", "ReadTimeout"]


def test_backoff_doubles_from_one_second_to_thirty_and_never_shortens_retry_after() -> None:
    error = APIConnectionError("cut")
    longest = [backoff_seconds(error, attempt, chance=1) for attempt in (1, 2, 3, 4, 5, 6, 99)]
    assert longest == [1, 2, 4, 8, 16, 30, 30]
    assert backoff_seconds(error, 3, chance=0) == 2
    busy = APIStatusError(429, "rate_limited", "", retry_after_seconds=45)
    assert backoff_seconds(busy, 1, chance=0) == 45
