"""Decompresses the body of a response: gzip, once, in bounded memory.

The HTTP library decompresses as often as the headers say and without a bound, so a few kilobytes
become gigabytes before anybody can count them.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

import httpx

from rivya_flows.errors import APIConnectionError

ACCEPTED = "gzip"
"""The only content coding that requests accept."""

MAX_PIECE_BYTES = 2**16
"""Of decompressed data at once."""

_SPELLINGS = ("gzip", "x-gzip")  # RFC 9110, section 8.4.1.3


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


async def pieces(asked: str, answer: httpx.Response, max_bytes: int) -> AsyncGenerator[bytes]:
    """The decompressed body, in pieces of a bounded size.

    Args:
        asked: The request, for messages.
        answer: Its head has arrived.
        max_bytes: Of the body as received, and of the decompressed body.

    Raises:
        httpx.DecodingError: It is compressed twice, not with gzip, or damaged.
        httpx.RequestError: It breaks.
        APIConnectionError: It is larger than `max_bytes`.
    """
    packed = codings(answer)
    if len(packed) > 1 or not set(packed) <= set(_SPELLINGS):
        names = ", ".join(packed)[:60]
        raise httpx.DecodingError(f"compressed as {names!r}, but only {ACCEPTED}, once, is allowed")
    unpack = _Gzip().feed if packed else _unchanged
    received = size = 0
    async with aclosing(raw_pieces(answer)) as raw:
        async for part in raw:
            received += len(part)
            for piece in unpack(part):
                size += len(piece)
                if max(received, size) > max_bytes:
                    raise APIConnectionError(f"{asked}: more than {max_bytes} bytes")
                yield piece
            if received > max_bytes:
                raise APIConnectionError(f"{asked}: more than {max_bytes} bytes")


def _unchanged(part: bytes) -> Iterator[bytes]:
    yield part


class _Gzip:
    """Decompresses gzip; bytes after its end are ignored."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """These bytes decompressed, never more than `MAX_PIECE_BYTES` at once."""
        full = True
        # A full piece may leave data inside although all bytes are consumed.
        while (packed or full) and not self._inner.eof:
            try:
                piece = self._inner.decompress(packed, MAX_PIECE_BYTES)
            except zlib.error:
                raise httpx.DecodingError(f"damaged: it is not {ACCEPTED}") from None
            packed, full = self._inner.unconsumed_tail, len(piece) == MAX_PIECE_BYTES
            if piece:
                yield piece
