"""The body of an answer as it came off the wire: not packed, or packed once, in bounded memory.

The HTTP library unpacks whatever an answer says it is packed with, as often as it says so and
without a bound, so a few kilobytes become gigabytes before anybody can count them.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

import httpx

from rivya_flows.errors import APIConnectionError

ACCEPTED = "gzip"
"""The one coding that requests to the API ask for."""

MAX_PIECE_BYTES = 2**16
"""Most that is unpacked at once."""

_SPELLINGS = ("gzip", "x-gzip")  # RFC 9110, section 8.4.1.3


def codings(answer: httpx.Response) -> tuple[str, ...]:
    """What the body was packed with, in that order, in lower case; empty for a plain body."""
    told = answer.headers.get("content-encoding", "").lower().split(",")
    return tuple(name for part in told if (name := part.strip()) not in ("", "identity"))


async def raw_pieces(answer: httpx.Response) -> AsyncGenerator[bytes]:
    """The bytes of the body as they came; raises httpx.RequestError where it breaks off."""
    # Not `aiter_raw`, which refuses an answer that a test has made whole.
    assert isinstance(answer.stream, httpx.AsyncByteStream)
    async for piece in answer.stream:
        yield piece


async def pieces(asked: str, answer: httpx.Response, max_bytes: int) -> AsyncGenerator[bytes]:
    """The body, unpacked, in pieces of a bounded size.

    Args:
        asked: What was asked, for messages.
        answer: Its head has come.
        max_bytes: Of the body as it came, and of the body unpacked.

    Raises:
        httpx.DecodingError: It is packed twice, in another way than gzip, or damaged.
        httpx.RequestError: It breaks off.
        APIConnectionError: It is larger than `max_bytes`.
    """
    packed = codings(answer)
    if len(packed) > 1 or not set(packed) <= set(_SPELLINGS):
        told = ", ".join(packed)[:60]
        raise httpx.DecodingError(f"packed as {told!r}, and only {ACCEPTED}, once, is read")
    unpack = _Gzip().feed if packed else _as_it_is
    came = size = 0
    async with aclosing(raw_pieces(answer)) as raw:
        async for part in raw:
            came += len(part)
            for piece in unpack(part):
                size += len(piece)
                if max(came, size) > max_bytes:
                    raise APIConnectionError(f"{asked}: more than {max_bytes} bytes")
                yield piece
            if came > max_bytes:
                raise APIConnectionError(f"{asked}: more than {max_bytes} bytes")


def _as_it_is(part: bytes) -> Iterator[bytes]:
    yield part


class _Gzip:
    """Unpacks gzip; what follows its end is ignored."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """What these bytes unpack to, never more than `MAX_PIECE_BYTES` at once."""
        full = True
        # A full piece may leave something inside although all bytes are taken.
        while (packed or full) and not self._inner.eof:
            try:
                piece = self._inner.decompress(packed, MAX_PIECE_BYTES)
            except zlib.error:
                raise httpx.DecodingError(f"damaged: it is not {ACCEPTED}") from None
            packed, full = self._inner.unconsumed_tail, len(piece) == MAX_PIECE_BYTES
            if piece:
                yield piece
