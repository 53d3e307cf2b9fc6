"""Bodies in bounded memory, and answers and errors of their bytes."""

from __future__ import annotations

import functools
import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import httpx
import pytest

from rivya_client.chat_stream import MAX_LINES
from rivya_client.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    MediaError,
    RefusedAddressError,
)
from rivya_client.responses import MAX_ANSWER_BYTES, read_answer, refusal, retry_after_seconds
from rivya_client.retries import ONCE
from rivya_client.types import ChatSession, Generation, Listing
from rivya_client.wire import WireModel
from support.api_stage import KEY, Call, Stage, balance, buy, stream
from support.raw_server import http, saying

E = TypeVar("E", bound=APIError)
BALANCE = b'{"current_credits": 5}'
JSON, EVENTS = "Content-Type: application/json", "Content-Type: text/event-stream"
GZIP = "Content-Encoding: gzip"
ENVELOPE = b'{"error": {"code": "bad", "message": "No."}}'


async def error_of(kind: type[E], answer: bytes, call: Call, match: str | None = None) -> E:
    """The error of a call that raw bytes answer; its message is short."""
    with saying(answer) as raw:
        async with raw.client() as client:
            with pytest.raises(kind, match=match) as caught:
                await call(client)
    assert len(str(caught.value)) < 300
    return caught.value


@functools.cache
def bomb(mebibytes: int) -> bytes:
    """Zeros, packed to a thousandth."""
    packing = zlib.compressobj(wbits=31)
    packed = [packing.compress(bytes(2**20)) for _ in range(mebibytes)]
    return b"".join((*packed, packing.flush()))


async def test_a_response_with_one_gzip_is_read_and_only_gzip_is_accepted() -> None:
    with saying(http(gzip.compress(BALANCE), JSON, GZIP)) as raw:
        async with raw.client() as client:
            assert (await client.credits.retrieve()).current_credits == 5
    assert "accept-encoding: gzip\r\n" in raw.heads[0].lower()


@pytest.mark.parametrize(
    "packing",
    ["gzip, gzip", "gzip\r\nContent-Encoding: gzip", "deflate", "br", "zstd", "x" * 5000],
    ids=range(6),
)
async def test_another_compression_is_a_clear_error(packing: str) -> None:
    twice = http(gzip.compress(gzip.compress(BALANCE)), JSON, f"Content-Encoding: {packing}")
    await error_of(APIConnectionError, twice, balance, r"compressed as .*only gzip, once")


@pytest.mark.parametrize(
    ("body", "packing", "said", "most"),
    [
        (gzip.compress(bomb(64)), "gzip, gzip", "gzip", MAX_ANSWER_BYTES),
        (bomb(128), "gzip", f"more than {MAX_ANSWER_BYTES} bytes", 2 * MAX_ANSWER_BYTES),
    ],
    ids=["bomb-in-a-bomb", "one-piece"],
)
async def test_a_bomb_takes_no_memory(body: bytes, packing: str, said: str, most: int) -> None:
    with saying(http(body, JSON, f"Content-Encoding: {packing}")) as raw:
        async with raw.client() as client:
            tracemalloc.start()
            with pytest.raises(APIConnectionError, match=said):
                await client.models.list()
            _, taken = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert taken < most


@pytest.mark.parametrize(
    "body", [b"plain", gzip.compress(BALANCE)[:9] + b"\xff" * 20], ids=("no-gzip", "broken")
)
async def test_damaged_compression_is_an_unreadable_answer(body: bytes) -> None:
    await error_of(APIConnectionError, http(body, JSON, GZIP), balance, "damaged")


@pytest.mark.parametrize(
    ("body", "packing", "code"),
    [
        (gzip.compress(ENVELOPE), "gzip", "bad"),
        (bomb(32), "gzip", "http_400"),
        (bomb(32), "gzip, gzip", "http_400"),
        (b"plain", "gzip", "http_400"),
        (b"plain", "br", "http_400"),
    ],
    ids=("envelope", "bomb", "twice", "no-gzip", "other"),
)
async def test_an_error_keeps_its_status_whatever_compresses_its_body(
    body: bytes, packing: str, code: str
) -> None:
    answer = http(body, JSON, f"Content-Encoding: {packing}", status=400)
    error = await error_of(APIStatusError, answer, balance)
    assert (error.status, error.code) == (400, code)


async def test_a_compressed_stream_is_read_and_a_bomb_in_it_ends() -> None:
    words = b'data: {"content": "Hi"}\n\nevent: done\ndata: [DONE]\n\n'
    endless = gzip.compress(words[:25] + bytes(MAX_ANSWER_BYTES))
    with saying(http(gzip.compress(words), EVENTS, GZIP), http(endless, EVENTS, GZIP)) as raw:
        async with raw.client() as client:
            assert (await stream(client)).message.content == "Hi"
            with pytest.raises(APIConnectionError, match="more than"):
                await stream(client)


async def test_only_a_download_without_compression_is_saved(tmp_path: Path) -> None:
    packed = gzip.compress(bomb(32))
    forbidden = r"compressed the file as .*forbids it"
    path = tmp_path / "a"
    for coding in ("gzip", "gzip, gzip", "br"):
        with saying(http(packed, f"Content-Encoding: {coding}")) as raw:
            async with raw.client() as client:
                with pytest.raises(MediaError, match=forbidden):
                    await client.download(f"{raw.url}/a", path, max_bytes=2**30)
        assert "accept-encoding: identity\r\n" in raw.heads[0].lower()
        assert list(tmp_path.iterdir()) == []
    with saying(
        http(b"bytes", "Content-Encoding: identity"), http(bomb(32), GZIP, status=403)
    ) as raw:
        async with raw.client() as client:
            await client.download(f"{raw.url}/a", path, max_bytes=100)
            with pytest.raises(APIStatusError, match="http_403"):
                await client.download(f"{raw.url}/a", path, max_bytes=100)
    assert path.read_bytes() == b"bytes"


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


def packed_piece() -> bytes:
    packing = zlib.compressobj(wbits=31)
    return packing.compress(bytes(2**26)) + packing.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize(
    ("status", "piece", "call", "said", "most"),
    [
        (200, b"x" * 2**15, balance, "more than", MAX_ANSWER_BYTES + 2**15),
        (502, b"x" * 2**15, balance, "http_502", 2**16 + 2**15),
        (200, b"\n" * 2**15, stream, "more than 1,000,000 lines", MAX_LINES + 2**16),
        (200, packed_piece(), balance, "more than", len(packed_piece())),
    ],
    ids=["answer", "error", "empty-lines-of-a-stream", "compressed"],
)
async def test_an_endless_response_ends(
    status: int, piece: bytes, call: Call, said: str, most: int
) -> None:
    headers = {"Content-Encoding": "gzip"} if piece.startswith(b"\x1f\x8b") else {}
    body = Endless(piece)
    answer = httpx.Response(status, headers=headers, stream=body)
    await Stage(answer).error(APIError, call, said, retry=ONCE)
    assert body.taken <= most


def escaped(key: str, form: str) -> str:
    """A key as some layer on the way may spell it."""
    if form in ("plain", "quoted"):
        return key if form == "plain" else quote(key, safe="")
    return "".join(form.format(ord(one)) for one in key)


@pytest.mark.parametrize(
    "form",
    [
        *("plain", "quoted", "%{:02x}", "%{:02X}", "%25{:02x}"),
        *("\\u{:04x}", "\\u{:04X}", "&#{};", "&#x{:x};"),
    ],
)
@pytest.mark.parametrize("key", [KEY, "a/key+of=another&form_k"])
async def test_a_key_that_is_quoted_in_any_form_is_masked(key: str, form: str) -> None:
    said = f"no route /x?key={escaped(key, form)} here"
    page = json.dumps({"error": {"code": "bad", "message": said, "requestId": said}}).encode()
    events = b"event: error\ndata: " + page + b"\n\n"
    refused, failed = http(page, JSON, status=400), http(events, EVENTS)
    with saying(refused, refused, failed) as raw:
        async with raw.client(key) as client:
            for call in (balance, stream, stream):
                with pytest.raises(APIStatusError, match=r"key=.*\*\*\* here") as caught:
                    await call(client)
                shown = repr(caught.value) + str(caught.value)
                assert escaped(key, form) not in shown
                assert key[-10:] not in shown


async def test_a_key_is_masked_at_the_bound_of_a_message_and_in_a_header() -> None:
    key = "another-form-of-key"
    page = {"error": {"code": key, "message": "x" * 490 + key, "requestId": key}}
    for answer in (
        httpx.Response(400, json=page),
        httpx.Response(400, json={}, headers={"X-Request-Id": f"Bearer {key}"}),
    ):
        error = await Stage(answer).error(APIStatusError, balance, api_key=key)
        assert key[:10] not in repr(error) + str(error)
    foreign = {"code": "bad", "message": "rvya%5Fsk%5F0123abc and whsec%5f42 and more"}
    stage = Stage(httpx.Response(400, json={"error": foreign}))
    error = await stage.error(APIStatusError, balance, r"\*\*\* and whsec%5f\*\*\* and more")
    assert "0123abc" not in str(error)


@pytest.mark.parametrize(
    "told",
    ["x" * 2**20, "x" * 513, "", "a\x00b", "a\nb", "a\x1b[2Jb", "a\u2028b", "a\u202eb"],
    ids=range(8),
)
async def test_an_impossible_id_is_an_unreadable_answer(told: str) -> None:
    body = json.dumps({"id": told, "status": "queued"}).encode()
    await error_of(APIConnectionError, http(body, JSON, status=202), buy, "unreadable answer: id")


LONGEST = b"9" * 100_000
ODD_COSTS = [
    *(b"NaN", b"-Infinity", b"1e999999", b"-1", b'"NaN"', b'"1e999999"', b"9007199254740993"),
    *(LONGEST, b"-" + LONGEST, b'"' + LONGEST + b'"'),
]


@pytest.mark.parametrize(
    "beside",
    [
        *(b'"reserved_credits": ' + told for told in ODD_COSTS),
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
async def test_a_paid_job_survives_an_odd_field(beside: bytes) -> None:
    body = b'{"id": "task_1", "status": "queued", %s}' % beside
    job = await Stage(httpx.Response(202, content=body)).answered(buy)
    assert (job.id, job.ended, job.reserved_credits) == ("task_1", False, None)
    assert len(job.model_dump_json()) < 10_000
    assert "\\u0000" not in job.model_dump_json()


@pytest.mark.parametrize("told", [b"NaN", b"Infinity", b"1e999999", LONGEST, b"-" + LONGEST])
async def test_a_balance_that_is_not_a_number_is_an_unreadable_answer(told: bytes) -> None:
    answer = http(b'{"current_credits": %s}' % told, JSON)
    await error_of(APIConnectionError, answer, balance, "current_credits")


@pytest.mark.parametrize(
    "body",
    [b"[" * 10**6, b'{"a":' * 10**5, b'{"id": "\xff', b"\x00", b"9" * 5000, b"<html>"],
    ids=range(6),
)
@pytest.mark.parametrize("status", [200, 400])
async def test_json_of_any_depth_or_no_json_is_a_clear_error(body: bytes, status: int) -> None:
    kind = APIConnectionError if status == 200 else APIStatusError
    for call in (balance, lambda c: c.models.list(), lambda c: c.openapi()):
        await error_of(kind, http(body, JSON, status=status), call)


@pytest.mark.parametrize(
    "wait", ["1e308", "9" * 400, "nan", "-1", "inf", "Fri, 31 Dec 9999 23:59:59 GMT", "\xff", "0x1"]
)
async def test_an_absurd_retry_after_is_ignored(wait: str) -> None:
    twice = f"Retry-After: {wait}\r\nRetry-After: 1" if wait == "0x1" else f"Retry-After: {wait}"
    await error_of(APIStatusError, http(b"{}", JSON, twice, status=503), balance, "http_503")


@pytest.mark.parametrize("lines", ["Content-Length: 3", "Transfer-Encoding: chunked"])
async def test_a_response_with_two_lengths_is_unreadable(lines: str) -> None:
    await error_of(APIConnectionError, http(BALANCE, JSON, lines), balance)


async def test_a_response_with_repeated_headers_is_read() -> None:
    twice = ("X-Request-Id: a", "X-Request-Id: b", "Content-Type: text/html", JSON)
    with saying(http(BALANCE, *twice)) as raw:
        async with raw.client() as client:
            assert (await client.credits.retrieve()).current_credits == 5


async def test_a_redirect_is_not_followed_and_shown_without_its_signature() -> None:
    answer = http(b"", "Location: https://other.test/a?X-Signature=CANARY#CANARY", status=302)
    said = r"redirected to 'https://other\.test/a'"
    assert "CANARY" not in str(await error_of(APIStatusError, answer, balance, said))


async def test_an_endless_address_is_refused_with_a_short_message(tmp_path: Path) -> None:
    way = http(b"", "Location: /" + "x" * 20_000, status=302)
    with saying(way) as raw:
        async with raw.client() as client:
            for url in (f"{raw.url}/a", f"{raw.url}/" + "x" * 20_000):
                with pytest.raises(RefusedAddressError, match="at most 8,192") as caught:
                    await client.download(url, tmp_path / "a", max_bytes=100)
                assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    ("shape", "bodies"),
    [
        (Generation, (b"", b'{"id": "task_1"', b"<html>", b"{}", b"[]", b"\xff")),
        (Listing[ChatSession], (b"{}", b'{"data": null}', b'"text"', b'{"data": {"a": 1}}')),
    ],
)
def test_an_unreadable_answer_is_a_connection_error(
    shape: type[WireModel], bodies: tuple[bytes, ...]
) -> None:
    for body in bodies:
        with pytest.raises(APIConnectionError, match="POST /x: HTTP 202 with an unreadable"):
            read_answer("POST /x", 202, body, shape)


def test_refusal_reads_the_envelope() -> None:
    envelope = {"error": {"code": "rate_limited", "message": "Slow down.", "requestId": "req_7"}}
    error = refusal(429, {"retry-after": "12"}, json.dumps(envelope).encode(), now=0)
    assert (error.code, error.detail, error.request_id) == ("rate_limited", "Slow down.", "req_7")
    assert (error.retry_after_seconds, error.retryable) == (12, True)


def test_a_message_of_the_service_stays_on_one_line_and_cannot_control_a_terminal() -> None:
    said = {
        "code": "a\nb",
        "message": "\x1b[2Jgone\r\nfine \ud83d",
        "requestId": "r\x07" + "x" * 999,
    }
    error = refusal(400, {}, json.dumps({"error": said}).encode(), 0)
    assert (error.code, error.detail) == ("a b", "�[2Jgone  fine �")
    assert str(error.request_id).startswith("r�xx")
    assert len(str(error.request_id)) <= 128


@pytest.mark.parametrize(
    ("status", "body", "detail"),
    [
        pytest.param(502, b"<html>bad</html>", "Bad Gateway", id="page-of-a-proxy"),
        pytest.param(400, b'{"error": "no"}', "no", id="text-for-an-object"),
        pytest.param(418, b'{"error": {"code": 4}}', "I'm a Teapot", id="code-no-text"),
        pytest.param(599, b"", "no reason given", id="unknown-status"),
        pytest.param(500, b"[" * 100_000, "Internal Server Error", id="deep"),
    ],
)
def test_an_error_without_an_envelope_has_a_message(status: int, body: bytes, detail: str) -> None:
    error = refusal(status, {"x-request-id": "req_h"}, body, now=0)
    assert (error.code, error.detail, error.request_id) == (f"http_{status}", detail, "req_h")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param("7", 7, id="seconds"),
        pytest.param("0.5", 0.5, id="broken-seconds"),
        pytest.param(formatdate(1030, usegmt=True), 30, id="date"),
        pytest.param(formatdate(900, usegmt=True), 0, id="date-in-the-past"),
        pytest.param("-3", 0, id="negative"),
        *((told, None) for told in ("soon", "nan", "inf", None)),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, now=1000) == seconds
