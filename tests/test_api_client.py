"""The client's requests: what goes out, what is repeated, what comes back, what is never shown."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import pickle
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from api_stage import BODY, JOB, KEY, Answer, Stage, job, refused

from rivya_flows.api.answers import NotSentError, RefusedAfterSilenceError
from rivya_flows.api.arriving import LARGEST_ANSWER_BYTES
from rivya_flows.api.client import RivyaClient
from rivya_flows.api.connection import _trust
from rivya_flows.api.retries import ONCE, RetryPolicy
from rivya_flows.api.surroundings import Surroundings
from rivya_flows.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    MediaError,
    UsageError,
)


async def test_bytes_go_out_unchanged_under_their_key() -> None:
    stage = Stage(job())
    async with stage.client() as client:
        generation = await client.generations.create(BODY, idempotency_key="k1")
    (request,) = stage.requests
    assert request.content == BODY
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == "k1"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["user-agent"].startswith("rivya-flows/")
    assert generation.reserved_credits == 1


async def test_a_mapping_becomes_compact_json() -> None:
    stage = Stage(job())
    async with stage.client() as client:
        await client.generations.create(
            {"model": "z-image", "prompt": "दीया"}, idempotency_key=None
        )
    assert stage.requests[0].content.decode() == '{"model":"z-image","prompt":"दीया"}'


@pytest.mark.parametrize("body", [{"n": float("nan")}, {"n": {1, 2}}])
async def test_a_body_without_a_json_form_is_never_sent(body: dict[str, object]) -> None:
    stage = Stage()
    async with stage.client() as client:
        with pytest.raises(UsageError, match="request body"):
            await client.generations.create(body, idempotency_key="k1")
    assert not stage.requests


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
async def test_a_definite_refusal_is_told_at_once(status: int, code: str) -> None:
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


async def test_a_read_that_is_refused_after_silence_is_an_ordinary_refusal() -> None:
    stage = Stage(httpx.ReadError(""), refused(404, "not_found"))
    async with stage.client() as client:
        with pytest.raises(APIStatusError) as caught:
            await client.generations.retrieve("task_1")
    assert type(caught.value) is APIStatusError


async def test_attempts_end_with_the_last_error() -> None:
    stage = Stage(*[refused(500, "internal_error")] * 4, refused(502, "bad_upstream"))
    async with stage.client() as client:
        with pytest.raises(APIStatusError, match="bad_upstream"):
            await client.credits.retrieve()
    assert stage.sleeps == [0.5, 1, 2, 4]


async def test_a_request_that_never_left_says_so() -> None:
    async with Stage(*[httpx.ConnectError("refused")] * 5).client() as client:
        with pytest.raises(NotSentError, match="no connection: refused"):
            await client.generations.create(BODY, idempotency_key="k1")


async def test_a_call_that_left_once_does_not_say_that_it_never_left() -> None:
    stage = Stage(httpx.ReadError(""), *[httpx.ConnectError("refused")] * 4)
    async with stage.client() as client:
        with pytest.raises(APIConnectionError) as caught:
            await client.generations.create(BODY, idempotency_key="k1")
    assert not isinstance(caught.value, NotSentError)


async def test_a_call_brings_its_own_attempts() -> None:
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


@pytest.mark.parametrize("when", ["in flight", "in the pause"])
async def test_a_purchase_is_not_sent_again_by_itself_after_the_machine_was_asleep(
    when: str,
) -> None:
    def cut(_: httpx.Request) -> httpx.Response:
        stage.asleep = 0 if when == "in the pause" else 3 * 86400
        raise httpx.ReadError("")

    class Asleep(Stage):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            self.asleep = 3 * 86400

    stage = Asleep(cut, job())
    async with stage.client() as client:
        with pytest.raises(APIConnectionError):
            await client.generations.create(BODY, idempotency_key="k1")
    assert len(stage.requests) == 1


async def test_what_buys_nothing_is_sent_again_after_the_machine_was_asleep() -> None:
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


async def test_models_need_no_key_and_are_sent_none() -> None:
    listed = httpx.Response(200, json={"object": "list", "data": [{"id": "z-image"}]})
    stage = Stage(listed, listed, listed)
    async with stage.client() as client:
        assert (await client.models.list()).data[0].id == "z-image"
        with pytest.raises(UsageError, match="'z-imag'"):
            await client.models.retrieve("z-imag")
    assert "authorization" not in stage.requests[0].headers
    async with stage.client(api_key=None) as client:
        assert (await client.models.retrieve("z-image")).id == "z-image"


async def test_without_a_key_nothing_is_sent() -> None:
    stage = Stage()
    async with stage.client(api_key=None) as client:
        with pytest.raises(UsageError, match="RIVYA_API_KEY is not set"):
            await client.credits.retrieve()
    assert not stage.requests


async def test_an_id_cannot_name_another_path() -> None:
    stage = Stage(job())
    async with stage.client() as client:
        await client.generations.retrieve("a/../b?c")
        with pytest.raises(UsageError, match=r"'\.\.'"):
            await client.generations.retrieve("..")
    assert stage.requests[0].url.raw_path == b"/api/v1/generations/a%2F..%2Fb%3Fc"


async def test_a_redirect_of_the_api_is_an_error_and_takes_no_key_along() -> None:
    stage = Stage(httpx.Response(301, headers={"Location": "https://other.test/"}))
    async with stage.client() as client:
        with pytest.raises(APIStatusError, match=r"redirected to 'https://other\.test/'"):
            await client.credits.retrieve()
    assert len(stage.requests) == 1


async def test_an_upload_is_a_form_that_may_be_sent_again(tmp_path: Path) -> None:
    picture = tmp_path / "दीया.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 200_000)
    stage = Stage(
        httpx.ReadError(""), httpx.Response(201, json={"id": "file_1", "url": "https://c/1"})
    )
    async with stage.client() as client:
        file = await client.files.upload(picture, kind="image", model="nano-banana-2")
    assert file.id == "file_1"
    first, second = (request.content for request in stage.requests)
    assert len(first) == len(second) > 200_000
    assert b'name="model"\r\n\r\nnano-banana-2' in second
    assert b"Content-Type: image/png" in second
    assert "दीया.png".encode() in second
    assert "idempotency-key" not in stage.requests[0].headers


@pytest.mark.parametrize("name", ["absent.png", "."])
async def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    stage = Stage()
    async with stage.client() as client:
        with pytest.raises(MediaError, match="cannot be read"):
            await client.files.upload(tmp_path / name, kind="image")
    assert not stage.requests


async def test_an_upload_refuses_a_trace_id_that_is_too_long() -> None:
    async with Stage().client() as client:
        with pytest.raises(UsageError, match="129 characters"):
            await client.files.upload(b"", kind="image", client_request_id="x" * 129)


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "लाल", "a\nb"])
async def test_an_idempotency_key_is_one_bounded_ascii_word(key: str) -> None:
    async with Stage().client() as client:
        with pytest.raises(UsageError, match="idempotency key"):
            await client.generations.create(BODY, idempotency_key=key)


@pytest.mark.parametrize(
    "url",
    [
        *("rivya.ai", "ftp://rivya.ai", "https://", "http://a:b", "http://a/?k"),
        *("https://ri\nvya.ai", "https://rivya .ai", "https://rivya.ai\\x", "https://xn--a"),
    ],
)
def test_a_base_url_has_to_be_an_address(url: str) -> None:
    with pytest.raises(UsageError, match="RIVYA_BASE_URL"):
        RivyaClient(KEY, url)


@pytest.mark.parametrize("rest", ["", "?k=1", ":port", "/a b"])
def test_a_password_in_the_base_url_is_refused_and_not_repeated(rest: str) -> None:
    with pytest.raises(UsageError) as caught:
        RivyaClient(KEY, "https://me:hunter2@rivya.ai" + rest)
    assert "hunter2" not in repr(caught.value)


@pytest.mark.parametrize("number", [0, -1, math.inf, math.nan])
def test_a_pace_is_a_number_that_can_be_kept(number: float) -> None:
    with pytest.raises(UsageError, match="finite and above 0"):
        RivyaClient(KEY, poll_seconds=number)
    with pytest.raises(UsageError, match="finite and above 0"):
        RivyaClient(KEY, requests_per_second=number)


@pytest.mark.parametrize("proxy", ["odd://me:hunter2@proxy", "http://me:hunter2@[::1"])
def test_a_proxy_that_cannot_be_used_is_told(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(UsageError, match="ALL_PROXY") as caught:
        RivyaClient(KEY)
    assert "hunter2" not in repr(caught.value)


def test_certificates_that_cannot_be_read_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _trust.cache_clear()
    for content in (None, "no certificate"):
        path = tmp_path / "certificates.pem"
        if content is not None:
            path.write_text(content)
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        with pytest.raises(UsageError, match="SSL_CERT_FILE"):
            RivyaClient(KEY)


@pytest.mark.parametrize("key", ["rvya_sk_12\n34", "rvya_sk_ 1234", "rvya_sk_é"])
def test_a_broken_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(UsageError) as caught:
        RivyaClient(key)
    assert key not in str(caught.value) + repr(caught.value)


async def test_the_base_url_may_end_like_the_api() -> None:
    async with RivyaClient(KEY, " http://127.0.0.1:8000/api/v1/ ") as client:
        assert client.base_url == "http://127.0.0.1:8000"
        assert KEY not in repr(client)


async def test_the_trace_names_requests_and_never_the_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    stage = Stage(httpx.Response(202, json=JOB, headers={"X-Request-Id": "req_9"}))
    async with stage.client() as client:
        await client.generations.create(BODY, idempotency_key="k1")
    (line,) = [r.getMessage() for r in caplog.records if r.name == "rivya_flows.wire"]
    assert "POST https://rivya.test/api/v1/generations" in line
    assert "rvya_sk_***" in line
    assert "202 req_9" in line
    assert KEY not in caplog.text


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


@pytest.fixture
async def cutting_service() -> AsyncIterator[tuple[str, list[str]]]:
    """A real server that cuts the first connection in the middle of its answer."""
    seen: list[str] = []
    whole = json.dumps(JOB).encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(BODY))
        seen.append(head.decode())
        length = f"HTTP/1.1 202 Accepted\r\nContent-Length: {len(whole)}\r\n\r\n".encode()
        writer.write(length + (whole[:20] if len(seen) == 1 else whole))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen


async def test_a_connection_cut_in_the_answer_is_asked_again(
    cutting_service: tuple[str, list[str]],
) -> None:
    base_url, seen = cutting_service
    surroundings = Surroundings(sleep=Stage().sleep)
    async with RivyaClient(KEY, base_url, surroundings=surroundings) as client:
        generation = await client.generations.create(BODY, idempotency_key="k1")
    assert generation.id == "task_1"
    assert len(seen) == 2
