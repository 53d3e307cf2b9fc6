"""Answers without an end, with cookies, redirects or the key in them."""

from __future__ import annotations

import json
import logging
import pickle
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from rivya_flows.client.resources.chat_stream import MAX_LINES
from rivya_flows.client.transport.addresses import RefusedAddressError
from rivya_flows.client.transport.response_body import MAX_ANSWER_BYTES
from rivya_flows.client.transport.retries import ONCE, RetryPolicy
from rivya_flows.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
)
from support.api_stage import KEY, Answer, Stage, refused
from support.raw_server import http, saying


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
            assert self.taken < 8 * MAX_ANSWER_BYTES
            self.taken += len(self.piece)
            yield self.piece


@pytest.mark.parametrize(
    ("status", "said", "taken"),
    [(200, "more than", MAX_ANSWER_BYTES), (502, "http_502", 2**16)],
)
async def test_an_endless_answer_ends(status: int, said: str, taken: int) -> None:
    body = Endless(b"x" * 2**15)
    async with Stage(httpx.Response(status, stream=body)).client(retry=ONCE) as client:
        with pytest.raises(APIError, match=said):
            await client.credits.retrieve()
    assert body.taken <= taken + 2**15


async def test_a_stream_of_empty_lines_ends() -> None:
    body = Endless(b"\n" * 2**15)
    async with Stage(httpx.Response(200, stream=body)).client(retry=ONCE) as client:
        with pytest.raises(APIError, match="more than 1,000,000 lines"):
            async with client.chat.stream(b"{}", idempotency_key="k"):
                pass
    assert body.taken <= MAX_LINES + 2**16


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


JSON = "Content-Type: application/json"


@pytest.mark.parametrize(
    "told",
    ["x" * 2**20, "x" * 513, "", "a\x00b", "a\nb", "a\x1b[2Jb", "a\u2028b", "a\u202eb"],
    ids=range(8),
)
async def test_an_id_that_none_can_be_is_an_unreadable_answer_in_few_words(told: str) -> None:
    body = json.dumps({"id": told, "status": "queued"}).encode()
    with saying(http(body, JSON, status=202)) as raw:
        async with raw.client() as client:
            with pytest.raises(APIConnectionError, match=r"unreadable answer: id") as caught:
                await client.generations.create(b"{}", idempotency_key="k")
    assert len(str(caught.value)) < 300


LONGEST = b"9" * 100_000


@pytest.mark.parametrize(
    "beside",
    [
        *(b'"reserved_credits": %s' % told for told in (b"NaN", b"-Infinity", b"1e999999", b"-1")),
        *(
            b'"reserved_credits": %s' % told
            for told in (b'"NaN"', b'"1e999999"', b"9007199254740993")
        ),
        b'"reserved_credits": ' + LONGEST,
        b'"reserved_credits": -' + LONGEST,
        b'"reserved_credits": "' + LONGEST + b'"',
        b'"a field of tomorrow": ' + LONGEST,
        b'"model": "' + b"x" * 2**20 + b'", "created_at": "' + b"x" * 2**20 + b'"',
        b'"error": {"code": "' + b"x" * 2**20 + b'", "message": "' + b"\\u0000" * 2**20 + b'"}',
        b'"result": {"urls": [7, null, {}], "primary_url": 5}',
        b'"status": null',
        b'"status": "' + b"q" * 2**20 + b'"',
        b'"id": "other", "id": "task_1"',
    ],
    ids=range(17),
)
async def test_a_paid_job_is_not_lost_for_an_odd_field_beside_its_id(beside: bytes) -> None:
    body = b'{"id": "task_1", "status": "queued", %s}' % beside
    with saying(http(body, JSON, status=202)) as raw:
        async with raw.client() as client:
            job = await client.generations.create(b"{}", idempotency_key="k")
    assert (job.id, job.ended, job.reserved_credits) == ("task_1", False, None)
    assert len(job.model_dump_json()) < 10_000
    assert "\\u0000" not in job.model_dump_json()


@pytest.mark.parametrize("told", [b"NaN", b"Infinity", b"1e999999", LONGEST, b"-" + LONGEST])
async def test_a_balance_that_is_no_number_is_an_unreadable_answer(told: bytes) -> None:
    with saying(http(b'{"current_credits": %s}' % told, JSON)) as raw:
        async with raw.client() as client:
            with pytest.raises(APIConnectionError, match=r"current_credits") as caught:
                await client.credits.retrieve()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "body", [b"[" * 10**6, b'{"a":' * 10**5, b'{"id": "\xff', b"\x00", b"9" * 5000]
)
@pytest.mark.parametrize("status", [200, 400])
async def test_json_of_any_depth_or_none_is_one_clear_error(body: bytes, status: int) -> None:
    with saying(http(body, JSON, status=status)) as raw:
        async with raw.client() as client:
            for call in (client.credits.retrieve(), client.models.list(), client.openapi()):
                with pytest.raises((APIConnectionError, APIStatusError)) as caught:
                    await call
                assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "wait", ["1e308", "9" * 400, "nan", "-1", "inf", "Fri, 31 Dec 9999 23:59:59 GMT", "\xff", "0x1"]
)
async def test_an_absurd_retry_after_is_neither_obeyed_nor_a_crash(wait: str) -> None:
    twice = f"Retry-After: {wait}\r\nRetry-After: 1" if wait == "0x1" else f"Retry-After: {wait}"
    with saying(http(b"{}", JSON, twice, status=503)) as raw:
        async with raw.client() as client:
            with pytest.raises(APIStatusError, match="http_503"):
                await client.credits.retrieve()


async def test_headers_that_come_twice_are_no_crash() -> None:
    twice = ("X-Request-Id: a", "X-Request-Id: b", "Content-Type: text/html", JSON)
    with saying(http(b'{"current_credits": 5}', *twice)) as raw:
        async with raw.client() as client:
            assert (await client.credits.retrieve()).current_credits == 5


@pytest.mark.parametrize("lines", ["Content-Length: 3", "Transfer-Encoding: chunked"])
async def test_an_answer_of_two_lengths_is_no_answer(lines: str) -> None:
    told = http(b'{"current_credits": 5}', JSON, lines)
    with saying(told) as raw:
        async with raw.client() as client:
            with pytest.raises(APIConnectionError):
                await client.credits.retrieve()


def escaped(key: str, form: str) -> str:
    """A key as some layer on the way may spell it."""
    if form == "quoted":
        return quote(key, safe="")
    return "".join(form.format(ord(one)) for one in key)


@pytest.mark.parametrize(
    "form",
    ["quoted", "%{:02x}", "%{:02X}", "%25{:02x}", "\\u{:04x}", "\\u{:04X}", "&#{};", "&#x{:x};"],
)
async def test_an_escaped_key_is_masked(form: str) -> None:
    key = "a/key+of=another&form_k"
    said = f"no route /x?key={escaped(key, form)} here"
    page = json.dumps({"error": {"code": "bad", "message": said, "requestId": said}}).encode()
    with saying(http(page, JSON, status=400)) as raw:
        async with raw.client(key) as client:
            with pytest.raises(APIStatusError, match=r"key=rvya_sk_\*\*\* here") as caught:
                await client.credits.retrieve()
            with pytest.raises(APIStatusError, match=r"key=rvya_sk_\*\*\* here") as streamed:
                async with client.chat.stream(b"{}", idempotency_key="k"):
                    pass
    for error in (caught.value, streamed.value):
        assert escaped(key, form) not in repr(error) + str(error)


async def test_the_error_of_a_stream_masks_the_key() -> None:
    page = json.dumps({"error": {"code": "bad", "message": "of another-form-of-key"}}).encode()
    events = b"event: error\ndata: " + page + b"\n\n"
    with saying(http(events, "Content-Type: text/event-stream")) as raw:
        async with raw.client("another-form-of-key") as client:
            with pytest.raises(APIStatusError, match=r"rvya_sk_\*\*\*"):
                async with client.chat.stream(b"{}", idempotency_key="k"):
                    pass


async def test_the_escaped_form_of_any_key_is_masked() -> None:
    page = {"error": {"code": "bad", "message": "rvya%5Fsk%5F0123abc and whsec%5f42 and more"}}
    async with Stage(httpx.Response(400, json=page)).client() as client:
        with pytest.raises(APIStatusError, match=r"\*\*\* and whsec%5f\*\*\* and more") as caught:
            await client.credits.retrieve()
    assert "0123abc" not in str(caught.value)


async def test_a_redirect_is_told_without_what_may_be_a_signature() -> None:
    answer = http(b"", "Location: https://other.test/a?X-Signature=CANARY#CANARY", status=302)
    with saying(answer) as raw:
        async with raw.client() as client:
            with pytest.raises(
                APIStatusError, match=r"redirected to 'https://other\.test/a'"
            ) as it:
                await client.credits.retrieve()
    assert "CANARY" not in str(it.value)


async def test_signed_addresses_stand_in_no_log_and_other_clients_are_logged_as_before(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore.connection", "httpcore.http11"):
        # As somebody sets it who wants to see all, whatever was set before.
        logger = logging.getLogger(name)
        for what, value in (("handlers", [caplog.handler]), ("propagate", False)):
            monkeypatch.setattr(logger, what, value)
        caplog.set_level(logging.DEBUG, name)
    away = http(b"", "Location: /b?signature=CANARY", status=302)
    with saying(away, http(b"picture")) as raw:
        async with raw.client() as client:
            url = f"{raw.url}/a?signature=CANARY"
            await client.download(url, tmp_path / "a", max_bytes=100)
        assert len(raw.heads) == 2
        assert "CANARY" not in caplog.text
        assert "rvya_sk_of" not in caplog.text
        async with httpx.AsyncClient() as other:
            await other.get(f"{raw.url}/of-another")
    assert "/of-another" in caplog.text


async def test_an_address_without_end_is_refused_in_few_words(tmp_path: Path) -> None:
    way = http(b"", "Location: /" + "x" * 20_000, status=302)
    with saying(way) as raw:
        async with raw.client() as client:
            for url in (f"{raw.url}/a", f"{raw.url}/" + "x" * 20_000):
                with pytest.raises(RefusedAddressError, match="at most 8,192") as caught:
                    await client.download(url, tmp_path / "a", max_bytes=100)
                assert len(str(caught.value)) < 700
