"""Bodies of responses: decompressed once at most, and never more than a bound in memory."""

from __future__ import annotations

import functools
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from rivya_flows.client.chat_stream import MAX_LINES
from rivya_flows.client.responses import MAX_ANSWER_BYTES
from rivya_flows.client.retries import ONCE
from rivya_flows.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    MediaError,
)
from support.api_stage import Stage
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
    ("status", "said", "taken"),
    [(200, "more than", MAX_ANSWER_BYTES), (502, "http_502", 2**16)],
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
