"""Options of a request: their checks, their order, and what is sent."""

from __future__ import annotations

import math
from collections.abc import Mapping

import httpx
import pytest

from rivya_flows.client.options import RequestSettings
from rivya_flows.client.retries import RetryPolicy
from rivya_flows.errors import APIConnectionError, APIStatusError, UsageError
from support.api_stage import BODY, Stage, job, refused

BALANCE = httpx.Response(200, json={"current_credits": 1})


def unavailable() -> httpx.Response:
    return refused(503, "public_api_disabled")


def test_max_retries_changes_the_attempts_alone() -> None:
    settings = RequestSettings().updated(retry=RetryPolicy(9, 7.0), max_retries=2)
    assert settings.retry == RetryPolicy(3, 7.0)
    assert settings.updated(retry=RetryPolicy(4)).retry == RetryPolicy(4)
    assert settings.updated(retry=None, max_retries=None, timeout=None) == settings


@pytest.mark.parametrize("timeout", [0, -1, math.inf, math.nan])
def test_a_timeout_is_finite_and_above_zero(timeout: float) -> None:
    with pytest.raises(UsageError, match="timeout"):
        RequestSettings().updated(timeout=timeout)


def test_max_retries_is_not_negative() -> None:
    with pytest.raises(UsageError, match="max_retries"):
        RequestSettings().updated(max_retries=-1)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Authorization": "Bearer hunter2"}, "cannot be set"),
        ({"idempotency-key": "k"}, "cannot be set"),
        ({"Accept-Encoding": "br"}, "cannot be set"),
        ({"X Team": "a"}, "not the name of a header"),
        ({"": "a"}, "not the name of a header"),
        ({"X-Team": "hunter2\r\nX-Other: b"}, "not printable ASCII"),
    ],
)
def test_a_header_that_the_client_owns_or_that_is_not_one_is_refused(
    headers: Mapping[str, str], words: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        RequestSettings().updated(extra_headers=headers)
    assert "hunter2" not in repr(caught.value)


async def test_a_call_overrides_with_options_which_overrides_the_client() -> None:
    stage = Stage(BALANCE, BALANCE)
    async with stage.client(extra_headers={"X-Team": "a", "X-App": "b"}) as client:
        await client.with_options(extra_headers={"x-team": "c"}).credits.retrieve(
            extra_headers={"X-Trace": "d"}
        )
        await client.credits.retrieve()
    first, second = (request.headers for request in stage.requests)
    assert (first["x-team"], first["x-app"], first["x-trace"]) == ("c", "b", "d")
    assert (second["x-team"], second.get("x-trace")) == ("a", None)


async def test_max_retries_bounds_the_attempts_of_a_call() -> None:
    stage = Stage(*(unavailable() for _ in range(4)))
    async with stage.client(max_retries=2) as client:
        with pytest.raises(APIStatusError):
            await client.credits.retrieve()
        with pytest.raises(APIStatusError):
            await client.with_options(max_retries=0).credits.retrieve()
    assert len(stage.requests) == 4


async def test_a_timeout_bounds_an_attempt_and_the_silence_in_it() -> None:
    stage = Stage(BALANCE, httpx.ReadTimeout("slow"))
    async with stage.client() as client:
        await client.credits.retrieve(timeout=5)
        with pytest.raises(APIConnectionError, match="no answer in time"):
            await client.credits.retrieve(timeout=0.25, max_retries=0)
    reads = [request.extensions["timeout"]["read"] for request in stage.requests]
    assert reads == [5, 0.25]


async def test_a_paid_call_without_a_key_of_its_own_keeps_one_through_its_retries() -> None:
    stage = Stage(httpx.ReadTimeout("lost"), job(), job())
    async with stage.client() as client:
        await client.generations.create(BODY)
        await client.generations.create(BODY)
    keys = [request.headers["idempotency-key"] for request in stage.requests]
    assert keys[0] == keys[1] != keys[2]
    assert len(keys[0]) == 32


async def test_a_paid_call_with_none_as_its_key_is_sent_once() -> None:
    stage = Stage(httpx.ReadTimeout("lost"))
    async with stage.client(max_retries=9) as client:
        with pytest.raises(APIConnectionError) as caught:
            await client.generations.create(BODY, idempotency_key=None, max_retries=9)
    assert "idempotency-key" not in stage.requests[0].headers
    assert caught.value.idempotency_key is None


async def test_an_error_has_the_key_under_which_a_repetition_is_safe() -> None:
    stage = Stage(httpx.ReadTimeout("lost"), job())
    async with stage.client(max_retries=0) as client:
        with pytest.raises(APIConnectionError) as caught:
            await client.generations.create(BODY)
        await client.generations.create(BODY, idempotency_key=caught.value.idempotency_key)
    keys = {request.headers["idempotency-key"] for request in stage.requests}
    assert keys == {caught.value.idempotency_key}
