"""An answer of which only the head has come; its body follows piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import httpx

from rivya_flows.client.transport import unpacking
from rivya_flows.client.transport.connection import said
from rivya_flows.errors import APIConnectionError

LARGEST_ANSWER_BYTES = 16 * 2**20
"""An answer that is larger than this, unpacked, is none that this API gives."""

_LARGEST_REFUSAL = 65_536  # bytes that are read for an error envelope


@dataclass(frozen=True)
class StreamingResponse:
    """An answer that has begun.

    Attributes:
        asked: What was asked, such as ``POST /api/v1/chat/completions/stream``, for messages.
        status: HTTP status, 2xx.
        content_type: Media type without parameters, in lower case; empty if not told.
        pieces: The body; raises APIConnectionError when it breaks or grows too large.
        api_key: What it was asked with, to be masked where the answer quotes it.
    """

    asked: str
    status: int
    content_type: str
    pieces: AsyncGenerator[bytes]
    api_key: str | None = field(default=None, repr=False)


@asynccontextmanager
async def arriving(
    asked: str, answer: httpx.Response, api_key: str | None = None
) -> AsyncIterator[StreamingResponse]:
    """What comes; the connection is given back at the end."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        async with aclosing(_pieces(asked, answer)) as pieces:
            yield StreamingResponse(asked, answer.status_code, kind, pieces, api_key)
    finally:
        await answer.aclose()


async def body_of(asked: str, answer: httpx.Response) -> bytes:
    """The whole body of a success; of a refusal as much as an envelope may be long.

    Raises:
        APIConnectionError: It breaks or grows too large.
    """
    async with arriving(asked, answer) as coming:
        if answer.is_success:
            return b"".join([piece async for piece in coming.pieces])
        return await beginning(coming.pieces)


async def beginning(pieces: AsyncGenerator[bytes]) -> bytes:
    """The body of a refusal, or as much of it as an envelope may be long."""
    body = b""
    async for piece in pieces:
        body += piece
        if len(body) > _LARGEST_REFUSAL:
            break
    return body


@asynccontextmanager
async def within(seconds: float, asked: str) -> AsyncIterator[None]:
    """Bounds what is done inside.

    Raises:
        APIConnectionError: It took longer.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise APIConnectionError(f"{asked}: no whole answer within {seconds:g} s") from None


async def _pieces(asked: str, answer: httpx.Response) -> AsyncGenerator[bytes]:
    try:
        async with aclosing(unpacking.pieces(asked, answer, LARGEST_ANSWER_BYTES)) as parts:
            async for part in parts:
                yield part
    except httpx.DecodingError as exc:
        # The status of a refusal says all that is needed, whatever its body is packed in.
        if answer.is_success:
            raise APIConnectionError(f"{asked}: the answer cannot be read: {exc}") from None
    except httpx.RequestError as exc:
        raise APIConnectionError(f"{asked}: {said(exc)}") from exc
