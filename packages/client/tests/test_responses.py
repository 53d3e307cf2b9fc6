"""Bodies in bounded memory, and answers and errors of their bytes."""

from __future__ import annotations

import functools
import gzip
import json
import pickle
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
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
from rivya_client.retries import ONCE, RetryPolicy
from rivya_client.types import Generation
from support.api_stage import KEY, Answer, Stage, refused
from support.raw_server import http, saying

BALANCE = b'{"current_credits": 5}'
JSON = "Content-Type: application/json"
GZIP = "Content-Encoding: gzip"


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
    [
        "Content-Encoding: gzip, gzip",
        "Content-Encoding: gzip\r\nContent-Encoding: gzip",
        "Content-Encoding: deflate",
        "Content-Encoding: br",
        "Content-Encoding: zstd",
        "Content-Encoding: " + "x" * 5000,
    ],
)
async def test_another_compression_is_a_clear_error(packing: str) -> None:
    twice = gzip.compress(gzip.compress(BALANCE))
    with saying(http(twice, JSON, packing)) as raw:
        async with raw.client() as client:
            with pytest.raises(
                APIConnectionError, match=r"compressed as .*only gzip, once"
            ) as caught:
                await client.credits.retrieve()
    assert len(str(caught.value)) < 300


async def test_a_bomb_inside_a_bomb_takes_no_memory() -> None:
    body = gzip.compress(bomb(64))
    with saying(http(body, JSON, "Content-Encoding: gzip, gzip")) as raw:
        async with raw.client() as client:
            tracemalloc.start()
            with pytest.raises(APIConnectionError, match="gzip"):
                await client.models.list()
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert most < MAX_ANSWER_BYTES


async def test_one_piece_that_decompresses_to_too_much_ends_at_the_bound() -> None:
    with saying(http(bomb(128), JSON, GZIP)) as raw:
        async with raw.client() as client:
            tracemalloc.start()
            with pytest.raises(APIConnectionError, match=f"more than {MAX_ANSWER_BYTES} bytes"):
                await client.models.list()
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert most < 2 * MAX_ANSWER_BYTES


@pytest.mark.parametrize(
    "body", [b"plain", gzip.compress(BALANCE)[:9] + b"\xff" * 20], ids=("no-gzip", "broken")
)
async def test_damaged_compression_is_an_unreadable_answer(body: bytes) -> None:
    with saying(http(body, JSON, GZIP)) as raw:
        async with raw.client() as client:
            with pytest.raises(APIConnectionError, match="damaged"):
                await client.credits.retrieve()


@pytest.mark.parametrize(
    ("body", "packing", "code"),
    [
        (gzip.compress(b'{"error": {"code": "bad", "message": "No."}}'), "gzip", "bad"),
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
    with saying(answer) as raw:
        async with raw.client() as client:
            with pytest.raises(APIStatusError) as caught:
                await client.credits.retrieve()
    assert (caught.value.status, caught.value.code) == (400, code)


async def test_a_compressed_stream_is_read_and_a_bomb_in_it_ends() -> None:
    words = b'data: {"content": "Hi"}\n\nevent: done\ndata: [DONE]\n\n'
    kind = "Content-Type: text/event-stream"
    endless = gzip.compress(words[:25] + bytes(MAX_ANSWER_BYTES))
    with saying(http(gzip.compress(words), kind, GZIP), http(endless, kind, GZIP)) as raw:
        async with raw.client() as client:
            async with client.chat.stream(b"{}", idempotency_key="k") as stream:
                assert (await stream.complete()).message.content == "Hi"
            async with client.chat.stream(b"{}", idempotency_key="k") as stream:
                with pytest.raises(APIConnectionError, match="more than"):
                    await stream.complete()


@pytest.mark.parametrize("packing", ["gzip", "gzip, gzip", "br"])
async def test_a_compressed_download_is_refused_and_leaves_no_file(
    tmp_path: Path, packing: str
) -> None:
    answer = http(gzip.compress(bomb(32)), f"Content-Encoding: {packing}")
    with saying(answer) as raw:
        async with raw.client() as client:
            with pytest.raises(MediaError, match=r"compressed the file as .*forbids it"):
                await client.download(f"{raw.url}/a", tmp_path / "a", max_bytes=2**30)
    assert "accept-encoding: identity\r\n" in raw.heads[0].lower()
    assert list(tmp_path.iterdir()) == []


async def test_a_download_with_the_identity_coding_is_saved(tmp_path: Path) -> None:
    with saying(http(b"bytes", "Content-Encoding: identity")) as raw:
        async with raw.client() as client:
            await client.download(f"{raw.url}/a", tmp_path / "a", max_bytes=100)
    assert (tmp_path / "a").read_bytes() == b"bytes"


async def test_the_error_of_a_download_is_decompressed_within_bounds(tmp_path: Path) -> None:
    answer = http(bomb(32), GZIP, status=403)
    with saying(answer) as raw:
        async with raw.client() as client:
            with pytest.raises(APIStatusError, match="http_403"):
                await client.download(f"{raw.url}/a", tmp_path / "a", max_bytes=100)


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
    ("status", "said", "taken"), [(200, "more than", MAX_ANSWER_BYTES), (502, "http_502", 2**16)]
)
async def test_an_endless_response_ends(status: int, said: str, taken: int) -> None:
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


async def test_an_endless_compressed_response_ends() -> None:
    packed = zlib.compressobj(wbits=31)
    piece = packed.compress(bytes(2**26)) + packed.flush(zlib.Z_SYNC_FLUSH)
    body = Endless(piece)
    answer = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=body)
    async with Stage(answer).client(retry=ONCE) as client:
        with pytest.raises(APIConnectionError, match="more than"):
            await client.models.list()
    assert body.taken == len(piece)


async def test_an_error_page_that_quotes_the_key_is_masked() -> None:
    page = {"error": {"code": "bad", "message": f"header 'Bearer {KEY}' is wrong"}}
    headers = {"X-Request-Id": f"Bearer {KEY}"}
    async with Stage(httpx.Response(400, json=page, headers=headers)).client() as client:
        with pytest.raises(APIStatusError, match=r"rvya_sk_\*\*\*") as caught:
            await client.credits.retrieve()
    assert KEY not in repr(caught.value) + str(caught.value)


async def test_a_key_with_another_prefix_is_masked_wherever_it_is_quoted() -> None:
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


@pytest.mark.parametrize(
    "told",
    ["x" * 2**20, "x" * 513, "", "a\x00b", "a\nb", "a\x1b[2Jb", "a\u2028b", "a\u202eb"],
    ids=range(8),
)
async def test_an_impossible_id_is_an_unreadable_answer_with_a_short_message(told: str) -> None:
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
async def test_a_paid_job_survives_an_odd_field(beside: bytes) -> None:
    body = b'{"id": "task_1", "status": "queued", %s}' % beside
    with saying(http(body, JSON, status=202)) as raw:
        async with raw.client() as client:
            job = await client.generations.create(b"{}", idempotency_key="k")
    assert (job.id, job.ended, job.reserved_credits) == ("task_1", False, None)
    assert len(job.model_dump_json()) < 10_000
    assert "\\u0000" not in job.model_dump_json()


@pytest.mark.parametrize("told", [b"NaN", b"Infinity", b"1e999999", LONGEST, b"-" + LONGEST])
async def test_a_balance_that_is_not_a_number_is_an_unreadable_answer(told: bytes) -> None:
    with saying(http(b'{"current_credits": %s}' % told, JSON)) as raw:
        async with raw.client() as client:
            with pytest.raises(APIConnectionError, match=r"current_credits") as caught:
                await client.credits.retrieve()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "body", [b"[" * 10**6, b'{"a":' * 10**5, b'{"id": "\xff', b"\x00", b"9" * 5000]
)
@pytest.mark.parametrize("status", [200, 400])
async def test_json_of_any_depth_or_no_json_is_a_clear_error(body: bytes, status: int) -> None:
    with saying(http(body, JSON, status=status)) as raw:
        async with raw.client() as client:
            for call in (client.credits.retrieve(), client.models.list(), client.openapi()):
                with pytest.raises((APIConnectionError, APIStatusError)) as caught:
                    await call
                assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "wait", ["1e308", "9" * 400, "nan", "-1", "inf", "Fri, 31 Dec 9999 23:59:59 GMT", "\xff", "0x1"]
)
async def test_an_absurd_retry_after_is_ignored(wait: str) -> None:
    twice = f"Retry-After: {wait}\r\nRetry-After: 1" if wait == "0x1" else f"Retry-After: {wait}"
    with saying(http(b"{}", JSON, twice, status=503)) as raw:
        async with raw.client() as client:
            with pytest.raises(APIStatusError, match="http_503"):
                await client.credits.retrieve()


@pytest.mark.parametrize("lines", ["Content-Length: 3", "Transfer-Encoding: chunked"])
async def test_a_response_with_two_lengths_is_unreadable(lines: str) -> None:
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


async def test_any_escaped_key_is_masked() -> None:
    page = {"error": {"code": "bad", "message": "rvya%5Fsk%5F0123abc and whsec%5f42 and more"}}
    async with Stage(httpx.Response(400, json=page)).client() as client:
        with pytest.raises(APIStatusError, match=r"\*\*\* and whsec%5f\*\*\* and more") as caught:
            await client.credits.retrieve()
    assert "0123abc" not in str(caught.value)


async def test_a_redirect_is_not_followed_and_shown_without_its_signature() -> None:
    answer = http(b"", "Location: https://other.test/a?X-Signature=CANARY#CANARY", status=302)
    with saying(answer) as raw:
        async with raw.client() as client:
            with pytest.raises(
                APIStatusError, match=r"redirected to 'https://other\.test/a'"
            ) as it:
                await client.credits.retrieve()
    assert "CANARY" not in str(it.value)
    assert len(raw.heads) == 1


async def test_an_endless_address_is_refused_with_a_short_message(tmp_path: Path) -> None:
    way = http(b"", "Location: /" + "x" * 20_000, status=302)
    with saying(way) as raw:
        async with raw.client() as client:
            for url in (f"{raw.url}/a", f"{raw.url}/" + "x" * 20_000):
                with pytest.raises(RefusedAddressError, match="at most 8,192") as caught:
                    await client.download(url, tmp_path / "a", max_bytes=100)
                assert len(str(caught.value)) < 700


@pytest.mark.parametrize("body", [b"", b'{"id": "task_1"', b"<html>", b"{}", b"[]", b"\xff"])
def test_an_unreadable_answer_is_a_connection_error(body: bytes) -> None:
    with pytest.raises(APIConnectionError, match="POST /x: HTTP 202 with an unreadable"):
        read_answer("POST /x", 202, body, Generation)


def test_a_message_of_the_service_stays_on_one_line_and_cannot_control_a_terminal() -> None:
    said = {
        "code": "a\nb",
        "message": "\x1b[2Jgone\r\nfine \ud83d",
        "requestId": "r\x07" + "x" * 999,
    }
    error = refusal(400, {}, json.dumps({"error": said}).encode(), 0)
    assert (error.code, error.detail) == ("a b", "�[2Jgone  fine �")
    assert error.request_id is not None
    assert error.request_id.startswith("r�xx")
    assert len(error.request_id) <= 128


def test_refusal_reads_the_envelope() -> None:
    envelope = {"error": {"code": "rate_limited", "message": "Slow down.", "requestId": "req_7"}}
    error = refusal(429, {"retry-after": "12"}, json.dumps(envelope).encode(), now=0)
    assert (error.code, error.detail, error.request_id) == ("rate_limited", "Slow down.", "req_7")
    assert (error.retry_after_seconds, error.retryable) == (12, True)


@pytest.mark.parametrize(
    ("status", "body", "code", "detail"),
    [
        pytest.param(502, b"<html>bad</html>", "http_502", "Bad Gateway", id="page-of-a-proxy"),
        pytest.param(400, b'{"error": "no"}', "http_400", "no", id="text-for-an-object"),
        pytest.param(418, b'{"error": {"code": 4}}', "http_418", "I'm a Teapot", id="code-no-text"),
        pytest.param(599, b"", "http_599", "no reason given", id="unknown-status"),
        pytest.param(500, b"[" * 100_000, "http_500", "Internal Server Error", id="deep"),
    ],
)
def test_an_error_without_an_envelope_has_a_message(
    status: int, body: bytes, code: str, detail: str
) -> None:
    error = refusal(status, {"x-request-id": "req_h"}, body, now=0)
    assert (error.code, error.detail, error.request_id) == (code, detail, "req_h")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param("7", 7, id="seconds"),
        pytest.param("0.5", 0.5, id="broken-seconds"),
        pytest.param(formatdate(1030, usegmt=True), 30, id="date"),
        pytest.param(formatdate(900, usegmt=True), 0, id="date-in-the-past"),
        pytest.param("-3", 0, id="negative"),
        pytest.param("soon", None, id="words"),
        pytest.param("nan", None, id="no-number"),
        pytest.param("inf", None, id="endless"),
        pytest.param(None, None, id="absent"),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, now=1000) == seconds
