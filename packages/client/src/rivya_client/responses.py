"""Responses: the body in bounded memory, decompressed at most once, then a wire model or an error.

The HTTP library decompresses as often as the headers say and without a bound, so a few kilobytes
become gigabytes before anybody can count them.
"""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError

from rivya_client.addresses import redact_url
from rivya_client.connection import ACCEPTED, cause_of, describe
from rivya_client.errors import APIConnectionError, APIStatusError, StreamFailedError
from rivya_client.wire import WireModel

MAX_ANSWER_BYTES = 16 * 2**20  # this API gives no larger answer, unpacked
MAX_PIECE_BYTES = 2**16  # of decompressed data at once
_MAX_ERROR_BYTES = 65_536  # read for an error envelope
_MAX_DETAIL_LENGTH = 500  # characters; a proxy's page must not fill a log
_MAX_REQUEST_ID_LENGTH = 128  # characters
_SECRET = re.compile(r"(?i)(rvya(?:_|%5f)sk(?:_|%5f)|whsec(?:_|%5f))[^\s\"'<>,]+")

# HTTP status of each code, for an error inside a stream. Source: contract, section 2.2.
# fmt: off
_STATUS = {
    "validation_failed": 400, "webhook_url_rejected": 400, "chat_model_not_supported": 400,
    "chat_attachment_not_supported": 400, "api_key_missing": 401, "api_key_invalid": 401,
    "api_key_revoked": 401, "api_key_expired": 401, "insufficient_credits": 402,
    "api_scope_denied": 403, "not_found": 404, "chat_session_conflict": 409,
    "idempotency_conflict": 409, "rate_limited": 429, "internal_error": 500,
    "public_api_disabled": 503,
}
# fmt: on
Shape = TypeVar("Shape", bound=WireModel)


class Nothing(WireModel):
    """The shape of an answer that is not read."""


@dataclass(frozen=True)
class StreamingResponse:
    """A response that has begun."""

    asked: str  # the request, such as ``POST /api/v1/chat/completions/stream``, for messages
    status: int
    content_type: str
    pieces: AsyncGenerator[bytes]  # raises APIConnectionError when it breaks or grows too large
    api_key: str | None = field(repr=False)  # to be masked where the body quotes it
    seconds: float  # for each piece
    idempotency_key: str | None
    request_id: str | None  # ``req_…``


@asynccontextmanager
async def within(seconds: float, asked: str) -> AsyncIterator[None]:
    """Limits the time of the block; an APIConnectionError says that it took longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise APIConnectionError(f"{asked}: no whole answer within {seconds:g} s") from None


async def body_of(asked: str, answer: httpx.Response) -> bytes:
    """The whole body of a success; of an error as much as an envelope may be long."""
    body = bytearray()
    try:
        async with aclosing(pieces_of(asked, answer)) as pieces:
            async for piece in pieces:
                body += piece
                if not answer.is_success and len(body) > _MAX_ERROR_BYTES:
                    break
    finally:
        await answer.aclose()
    return bytes(body)


def content_type_of(answer: httpx.Response) -> str:
    """The media type without parameters, in lower case; empty if absent."""
    named: str = answer.headers.get("content-type", "")
    return named.partition(";")[0].strip().lower()


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


async def pieces_of(asked: str, answer: httpx.Response) -> AsyncGenerator[bytes]:
    """The decompressed body; the body of an error that cannot be decompressed is empty.

    Raises an APIConnectionError if it breaks, is damaged, compressed twice or not with gzip, or
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
        named = ", ".join(names)[:60]
        raise httpx.DecodingError(f"compressed as {named!r}, but only {ACCEPTED}, once, is allowed")
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


def read_answer(asked: str, status: int, body: bytes, shape: type[Shape]) -> Shape:
    """A 2xx answer as a model; messages name the request as `asked`.

    An APIConnectionError says that the body is cut or has another shape: the request may have been
    carried out, and the same request under the same key finds out.
    """
    if shape is Nothing:
        return shape()
    try:
        return shape.from_json(body or b"{}")
    except ValidationError as exc:
        # Not str(exc), which quotes the body.
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise APIConnectionError(
            f"{asked}: HTTP {status} with an unreadable answer: {where}: {first['msg']}"
        ) from None


def refusal(
    status: int, headers: Mapping[str, str], body: bytes, now: float, *, about: str = ""
) -> APIStatusError:
    """The error of a response other than 2xx, whose body may be a page of a proxy.

    `headers` are looked up in lower case, `now` is for an HTTP date in ``Retry-After``, and `about`
    begins the message. Source: contract, section 2.1.
    """
    envelope = _envelope(body)
    return APIStatusError.of_status(status)(
        status,
        _clean(_text(envelope.get("code")) or f"http_{status}"),
        about + _clean(_text(envelope.get("message")) or _reason(status, headers)),
        _request_id(envelope) or request_id(headers),
        retry_after_seconds(headers.get("retry-after"), now),
    )


def error_of_stream(data: str, text: str) -> StreamFailedError:
    """The error of an event: an envelope, the object inside it, or plain text.

    `text` is what was streamed until then. Source: contract, section 6.4.
    """
    envelope = _envelope(data.encode(), bare=True)
    code = _clean(_text(envelope.get("code")) or "stream_failed")
    detail = _clean(_text(envelope.get("message")) or "no reason given")
    status = _STATUS.get(code, 500)
    return StreamFailedError(status, code, detail, _request_id(envelope), None, text)


def request_id(headers: Mapping[str, str]) -> str | None:
    """The request id in the headers of a response, if there is one."""
    return _clean(headers.get("x-request-id", ""))[:_MAX_REQUEST_ID_LENGTH] or None


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Seconds that a ``Retry-After`` header requests; None if absent or unreadable.

    It is a number, or an HTTP date after `now`, in seconds since 1970.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, OverflowError):
            return None
    # A comparison that is false for NaN and infinity too.
    return max(0.0, seconds) if seconds < float("inf") else None


def _request_id(envelope: Mapping[str, Any]) -> str | None:
    found = _text(envelope.get("requestId")) or _text(envelope.get("request_id")) or ""
    return _clean(found)[:_MAX_REQUEST_ID_LENGTH] or None


def _envelope(body: bytes, *, bare: bool = False) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {"message": body.decode(errors="replace")} if bare and body else {}
    error = answer.get("error") if isinstance(answer, dict) else None
    if bare and error is None:
        error = answer
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _clean(text: str) -> str:
    """The service's words, short, on one line, and without any key or secret."""
    short = _SECRET.sub(r"\1***", text[:_MAX_DETAIL_LENGTH])
    # Control characters could control a terminal or forge a line of a log.
    return "".join(
        one if one.isprintable() else " " if one.isspace() else "\ufffd" for one in short
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _reason(status: int, headers: Mapping[str, str]) -> str:
    if 300 <= status < 400:
        # An API does not redirect; the base URL is probably that of a web site.
        where = redact_url(headers.get("location", "nowhere"))
        return f"redirected to {where!r}, which is not followed"
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "no reason given"
