"""The body of a response: received in pieces, decompressed at most once, in bounded memory.

The HTTP library decompresses as often as the headers say and without a bound, so a few kilobytes
become gigabytes before anybody can count them.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from rivya_flows.client.transport.connection import ACCEPTED, CHAT_SECONDS, cause_of, describe
from rivya_flows.errors import APIConnectionError

MAX_ANSWER_BYTES = 16 * 2**20
"""This API gives no larger answer, unpacked."""

MAX_PIECE_BYTES = 2**16
"""Of decompressed data at once."""

_MAX_ERROR_BYTES = 65_536  # bytes read for an error envelope


@dataclass(frozen=True)
class StreamingResponse:
    """A response that has begun.

    Attributes:
        asked: The request, such as ``POST /api/v1/chat/completions/stream``, for messages.
        status: HTTP status, 2xx.
        content_type: Media type without parameters, in lower case; empty if absent.
        pieces: The body; raises APIConnectionError when it breaks or grows too large.
        api_key: The key of the request, masked where the response quotes it.
        seconds: For each piece.
        idempotency_key: The key of the purchase.
        request_id: ``req_…``; None if absent.
    """

    asked: str
    status: int
    content_type: str
    pieces: AsyncGenerator[bytes]
    api_key: str | None = field(default=None, repr=False)
    seconds: float = CHAT_SECONDS
    idempotency_key: str | None = None
    request_id: str | None = None


@asynccontextmanager
async def arriving(
    asked: str, answer: httpx.Response, **more: Any
) -> AsyncIterator[StreamingResponse]:
    """The response, its body not read yet; the connection is given back at the end."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        async with aclosing(_pieces(asked, answer)) as pieces:
            yield StreamingResponse(asked, answer.status_code, kind, pieces, **more)
    finally:
        await answer.aclose()


async def body_of(asked: str, answer: httpx.Response) -> bytes:
    """The whole body of a success; of an error as much as an envelope may be long.

    Raises:
        APIConnectionError: It breaks or grows too large.
    """
    async with arriving(asked, answer) as response:
        if answer.is_success:
            return b"".join([piece async for piece in response.pieces])
        return await beginning(response.pieces)


async def beginning(pieces: AsyncGenerator[bytes]) -> bytes:
    """The body of an error, or as much of it as an envelope may be long."""
    body = b""
    async for piece in pieces:
        body += piece
        if len(body) > _MAX_ERROR_BYTES:
            break
    return body


@asynccontextmanager
async def within(seconds: float, asked: str) -> AsyncIterator[None]:
    """Limits the time of the block.

    Raises:
        APIConnectionError: It took longer.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise APIConnectionError(f"{asked}: no whole answer within {seconds:g} s") from None


def codings(answer: httpx.Response) -> tuple[str, ...]:
    """The content codings of a body in order, in lower case; empty for a plain body."""
    named = answer.headers.get("content-encoding", "").lower().split(",")
    return tuple(name for part in named if (name := part.strip()) not in ("", "identity"))


async def raw_pieces(answer: httpx.Response) -> AsyncGenerator[bytes]:
    """The bytes of the body as received; raises httpx.RequestError if it breaks."""
    # Not `aiter_raw`, which refuses a response that a test built whole.
    assert isinstance(answer.stream, httpx.AsyncByteStream)
    async for piece in answer.stream:
        yield piece


async def _pieces(asked: str, answer: httpx.Response) -> AsyncGenerator[bytes]:
    """The decompressed body; the body of an error that cannot be decompressed is empty.

    Raises:
        APIConnectionError: It breaks, is compressed twice or not with gzip, is damaged, or is
            larger than `MAX_ANSWER_BYTES`, as received or decompressed.
    """
    too_large = APIConnectionError(f"{asked}: more than {MAX_ANSWER_BYTES} bytes")
    received = size = 0
    try:
        decompress = _decompressor(codings(answer))
        async with aclosing(raw_pieces(answer)) as raw:
            async for part in raw:
                received += len(part)
                for piece in decompress(part):
                    size += len(piece)
                    if max(received, size) > MAX_ANSWER_BYTES:
                        raise too_large
                    yield piece
                if received > MAX_ANSWER_BYTES:
                    raise too_large
    except httpx.DecodingError as exc:
        # The status of an error is enough, whatever its body is compressed with.
        if answer.is_success:
            raise APIConnectionError(f"{asked}: the answer cannot be read: {exc}") from None
    except httpx.RequestError as exc:
        raise APIConnectionError(f"{asked}: {describe(exc)}") from cause_of(exc)


def _decompressor(names: tuple[str, ...]) -> Callable[[bytes], Iterable[bytes]]:
    if not names:
        return lambda part: (part,)
    if len(names) > 1 or names[0] not in ("gzip", "x-gzip"):  # RFC 9110, section 8.4.1.3
        shown = ", ".join(names)[:60]
        raise httpx.DecodingError(f"compressed as {shown!r}, but only {ACCEPTED}, once, is allowed")
    inner = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def decompress(packed: bytes) -> Iterator[bytes]:
        """Never more than `MAX_PIECE_BYTES` at once; bytes after the end of the data are ignored."""
        full = True
        # A full piece may leave data inside although all bytes are consumed.
        while (packed or full) and not inner.eof:
            try:
                piece = inner.decompress(packed, MAX_PIECE_BYTES)
            except zlib.error:
                raise httpx.DecodingError(f"damaged: it is not {ACCEPTED}") from None
            packed, full = inner.unconsumed_tail, len(piece) == MAX_PIECE_BYTES
            if piece:
                yield piece

    return decompress
