"""A response whose head has arrived; its body follows in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from rivya_flows.client.transport import unpacking
from rivya_flows.client.transport.connection import CHAT_SECONDS, describe
from rivya_flows.errors import APIConnectionError

MAX_ANSWER_BYTES = 16 * 2**20
"""This API gives no larger answer, unpacked."""

_MAX_REFUSAL_BYTES = 65_536  # bytes read for an error envelope


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
    """The response; the connection is given back at the end.

    Args:
        asked: The request, for messages.
        answer: Its body is not read yet.
        more: Further fields of the `StreamingResponse`.
    """
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
        if len(body) > _MAX_REFUSAL_BYTES:
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


async def _pieces(asked: str, answer: httpx.Response) -> AsyncGenerator[bytes]:
    try:
        async with aclosing(unpacking.pieces(asked, answer, MAX_ANSWER_BYTES)) as parts:
            async for part in parts:
                yield part
    except httpx.DecodingError as exc:
        # The status of an error is enough, whatever its body is packed in.
        if answer.is_success:
            raise APIConnectionError(f"{asked}: the answer cannot be read: {exc}") from None
    except httpx.RequestError as exc:
        raise APIConnectionError(f"{asked}: {describe(exc)}") from exc
