"""Answers without an end, with cookies, redirects or the key in them."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import AsyncIterator

import httpx
import pytest
from api_stage import KEY, Answer, Stage, refused

from rivya_flows.api.arriving import LARGEST_ANSWER_BYTES
from rivya_flows.api.retries import ONCE, RetryPolicy
from rivya_flows.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
)


async def test_a_redirect_of_the_api_is_an_error_and_takes_no_key_along() -> None:
    stage = Stage(httpx.Response(301, headers={"Location": "https://other.test/"}))
    async with stage.client() as client:
        with pytest.raises(APIStatusError, match=r"redirected to 'https://other\.test/'"):
            await client.credits.retrieve()
    assert len(stage.requests) == 1


class Endless(httpx.AsyncByteStream):
    """A body without an end, that counts what was taken of it."""

    taken = 0

    def __init__(self, piece: bytes) -> None:
        self.piece = piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            assert self.taken < 8 * LARGEST_ANSWER_BYTES
            self.taken += len(self.piece)
            yield self.piece


@pytest.mark.parametrize(
    ("status", "said", "taken"),
    [(200, "more than", LARGEST_ANSWER_BYTES), (502, "http_502", 2**16)],
)
async def test_an_endless_answer_ends(status: int, said: str, taken: int) -> None:
    body = Endless(b"x" * 2**15)
    async with Stage(httpx.Response(status, stream=body)).client(retry=ONCE) as client:
        with pytest.raises(APIError, match=said):
            await client.credits.retrieve()
    assert body.taken <= taken + 2**15


async def test_an_answer_that_unpacks_without_an_end_ends() -> None:
    packed = zlib.compressobj(wbits=31)
    piece = packed.compress(bytes(2**26)) + packed.flush(zlib.Z_SYNC_FLUSH)
    body = Endless(piece)
    answer = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=body)
    async with Stage(answer).client(retry=ONCE) as client:
        with pytest.raises(APIConnectionError, match="more than"):
            await client.models.list()
    assert body.taken == len(piece)


@pytest.mark.parametrize("cookie", [b"session=abc; Path=/", b"\xff=\xe9"])
async def test_a_cookie_is_neither_kept_nor_sent(cookie: bytes) -> None:
    balance = httpx.Response(
        200, json={"current_credits": 5}, headers=httpx.Headers([(b"Set-Cookie", cookie)])
    )
    stage = Stage(balance, balance)
    async with stage.client() as client:
        await client.credits.retrieve()
        await client.credits.retrieve()
    assert "cookie" not in stage.requests[1].headers


async def test_an_error_page_that_quotes_the_key_is_masked() -> None:
    page = {"error": {"code": "bad", "message": f"header 'Bearer {KEY}' is wrong"}}
    headers = {"X-Request-Id": f"Bearer {KEY}"}
    async with Stage(httpx.Response(400, json=page, headers=headers)).client() as client:
        with pytest.raises(APIStatusError, match=r"rvya_sk_\*\*\*") as caught:
            await client.credits.retrieve()
    assert KEY not in repr(caught.value) + str(caught.value)


async def test_a_key_of_another_form_is_masked_wherever_it_is_quoted() -> None:
    key = "another-form-of-key"
    page = {"error": {"code": key, "message": "x" * 490 + key, "requestId": key}}
    async with Stage(httpx.Response(400, json=page)).client(key) as client:
        with pytest.raises(APIStatusError) as caught:
            await client.credits.retrieve()
    assert key[:10] not in repr(caught.value) + str(caught.value)


@pytest.mark.parametrize(
    "trouble", [httpx.ReadTimeout(""), refused(404, "not_found"), httpx.Response(200, json=[])]
)
async def test_errors_survive_pickling(trouble: Answer) -> None:
    async with Stage(trouble).client() as client:
        with pytest.raises((APIConnectionError, APIStatusError)) as caught:
            await client.generations.retrieve("task_1", retry=RetryPolicy(attempts=1))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.retryable) == (str(caught.value), caught.value.retryable)
