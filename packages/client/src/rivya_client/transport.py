"""Sends requests: the key, time limits, rate, retries and errors of every call to the API."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self, TypeVar, Unpack

import httpx

from rivya_client.addresses import checked_base_url, refuse_plain_http
from rivya_client.connection import (
    ANSWER_SECONDS,
    CHAT_SECONDS,
    HEADERS,
    SILENCE_SECONDS,
    UPLOAD_SECONDS,
    cause_of,
    describe,
    open_pool,
    send_quietly,
    through_proxy,
    time_outs,
)
from rivya_client.errors import (
    SAME_PURCHASE,
    APIConnectionError,
    APIError,
    APIStatusError,
    NotSentError,
    UsageError,
    may_have_bought,
)
from rivya_client.key_masking import MASK, answer_without_key, body_without_key
from rivya_client.options import (
    Body,
    Form,
    IdempotencyKey,
    RequestOptions,
    RequestSettings,
    checked_api_key,
    checked_idempotency_key,
    sendable,
)
from rivya_client.rate_limit import shared_limiter
from rivya_client.responses import (
    Shape,
    StreamingResponse,
    body_of,
    content_type_of,
    pieces_of,
    read_answer,
    refusal,
    request_id,
    within,
)
from rivya_client.retries import MAX_TURN_SECONDS, repeat
from rivya_client.runtime import Runtime

logger = logging.getLogger("rivya_client.wire")

Begun = TypeVar("Begun")


@dataclass(frozen=True)
class ResponseHead:
    """Status and headers of a response.

    Attributes:
        status: HTTP status, 2xx.
        headers: Names in lower case; several of one name are joined by commas.
        request_id: ``req_…``; quote it when asking for help. None if absent.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    request_id: str | None


@dataclass(frozen=True)
class _Request:
    """One request of one call, however often it is sent.

    A public one needs no API key, so none is sent and an expired one does no harm.
    """

    method: str
    path: str
    settings: RequestSettings
    content: bytes | Form | None
    idempotency_key: str | None
    public: bool = False
    chats: bool = False
    streams: bool = False

    @property
    def label(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def seconds(self) -> float:
        """For one attempt."""
        usual = CHAT_SECONDS if self.chats else ANSWER_SECONDS
        return self.settings.limit(UPLOAD_SECONDS if isinstance(self.content, Form) else usual)

    @property
    def changes(self) -> bool:
        """Whether it buys, makes, changes or removes something."""
        return self.method != "GET" and not isinstance(self.content, Form)

    @property
    def repeatable(self) -> bool:
        """Whether sending it again does no harm."""
        return self.method != "POST" or not self.changes or self.idempotency_key is not None

    def arguments(self, api_key: str | None) -> dict[str, Any]:
        """Arguments for the HTTP client."""
        accept = {"accept": "application/json"}
        if self.streams:  # compression would hold pieces back
            accept = {
                "accept": "text/event-stream, application/json",
                "accept-encoding": "identity",
            }
        # One case: names that differ in it alone would be sent twice.
        parts = (HEADERS, self.settings.headers, accept)
        headers = {name.lower(): value for part in parts for name, value in part.items()}
        if not self.public:
            headers["authorization"] = f"Bearer {api_key}"
        if self.idempotency_key is not None:
            headers["idempotency-key"] = self.idempotency_key
        if isinstance(self.content, bytes):
            headers["content-type"] = "application/json"
        silence = CHAT_SECONDS if self.chats else SILENCE_SECONDS
        timeout, content = time_outs(self.settings.limit(silence)), self.content
        body = content.arguments if isinstance(content, Form) else {"content": content}
        return {"headers": headers, "timeout": timeout, **body}


class Transport:
    """One pool of connections to one service, used by every resource of a client.

    The most requests `per_second` are those of all transports of the process to this service with
    this key; see `rate_limit`. For the other arguments see `RivyaClient`.
    """

    def __init__(
        self,
        api_key: str | None,
        base_url: str,
        *,
        settings: RequestSettings,
        per_second: float,
        runtime: Runtime,
        http_client: httpx.AsyncClient | None = None,
        transport: Any = None,
    ) -> None:
        self.base_url = checked_base_url(base_url)
        self.runtime = runtime
        self.settings = settings
        self.api_key = checked_api_key(api_key)
        if self.api_key is not None:
            refuse_plain_http(self.base_url)
        self._rate = shared_limiter(self.base_url, self.api_key, per_second, runtime)
        if http_client is not None and not isinstance(http_client, httpx.AsyncClient):
            raise UsageError("http_client: is not an httpx.AsyncClient, which both clients need")
        self._owns_http = http_client is None
        self.http = http_client or open_pool(transport)
        self._record: Callable[[ResponseHead], None] | None = None

    async def aclose(self) -> None:
        """Closes every connection, unless the HTTP client is the caller's."""
        if self._owns_http:
            await self.http.aclose()

    def with_options(self, **options: Unpack[RequestOptions]) -> Self:
        """The same connections and rate with other defaults."""
        changed = copy.copy(self)
        changed.settings = self.settings.merge(**options)
        return changed

    def recording(self, record: Callable[[ResponseHead], None]) -> Self:
        """The same connections and rate; `record` gets the head of each response.

        A call may succeed with a refusal: an endpoint that an unanswered attempt has removed.
        """
        changed = copy.copy(self)
        changed._record = record
        return changed

    async def send(
        self,
        method: str,
        path: str,
        shape: type[Shape],
        body: Body = None,
        *,
        idempotency_key: IdempotencyKey = None,
        public: bool = False,
        compares: bool = False,
        chats: bool = False,
        **options: Unpack[RequestOptions],
    ) -> Shape:
        """The answer to one request.

        A POST is repeated only under an idempotency key, or when it uploads a file, which is free.
        A PATCH or DELETE is repeated, since the same change again changes nothing.

        `path` is from ``/api/v1`` on, its parts quoted. A `public` request is sent without a key. The
        answers of one that `compares` always take about as long, so slower ones lower the rate; those
        of one that `chats` take longer than others.
        """
        request = _Request(
            method,
            path,
            self.settings.merge(**options),
            sendable(body),
            checked_idempotency_key(idempotency_key),
            public,
            chats,
        )

        async def read(answer: httpx.Response, _: AsyncExitStack) -> Shape:
            found = body_without_key(await body_of(request.label, answer), self.api_key)
            return read_answer(request.label, answer.status_code, found, shape)

        return await self._repeat(request, read, compares=compares)

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        body: Body,
        begin: Callable[[StreamingResponse], Awaitable[Begun]],
        *,
        idempotency_key: IdempotencyKey,
        **options: Unpack[RequestOptions],
    ) -> AsyncIterator[Begun]:
        """Buys something that arrives in pieces; closed at the end of the context.

        Repeated under an idempotency key until `begin` returns, and never after. `begin` reads what
        the caller needs before the context is entered. Arguments and errors are those of `send`.
        """
        request = _Request(
            "POST",
            path,
            self.settings.merge(**options),
            sendable(body),
            checked_idempotency_key(idempotency_key),
            chats=True,
            streams=True,
        )
        async with AsyncExitStack() as stack:

            async def read(answer: httpx.Response, opened: AsyncExitStack) -> Begun:
                pieces = aclosing(pieces_of(request.label, answer))
                response = StreamingResponse(
                    request.label,
                    answer.status_code,
                    content_type_of(answer),
                    await opened.enter_async_context(pieces),
                    self.api_key,
                    request.seconds,
                    request.idempotency_key,
                    request_id(answer.headers),
                )
                begun = await begin(response)
                await stack.enter_async_context(opened.pop_all())
                return begun

            yield await self._repeat(request, read)

    async def _repeat(
        self,
        request: _Request,
        read: Callable[[httpx.Response, AsyncExitStack], Awaitable[Begun]],
        *,
        compares: bool = False,
    ) -> Begun:
        """What `read` makes of the first good response; the error knows what all attempts together did.

        The stack of `read` closes the response at the end of the attempt.
        """
        if not request.public and self.api_key is None:
            raise UsageError("RIVYA_API_KEY is not set", "set it, or pass api_key to the client")

        now, send_before = self.runtime.now(), request.settings.send_before
        latest = now + MAX_TURN_SECONDS if request.changes else math.inf
        latest = latest if send_before is None else send_before.timestamp()

        async def attempt() -> Begun:
            taken_at = await self._rate.turn(changes=request.method != "GET")
            if self.runtime.now() > latest:  # the service may have forgotten the key
                late = NotSentError(f"{request.label}: its turn came too late, and it was not sent")
                late.hint = "call again; if many requests wait, raise requests_per_second"
                raise late
            began, outcome = self.runtime.clock(), "no answer"
            asked = f"{request.label} ({self.base_url})"
            try:
                async with AsyncExitStack() as opened, within(request.seconds, asked):
                    answer = await self._open(request)
                    opened.push_async_callback(answer.aclose)
                    self.record(answer)
                    status = f"{answer.status_code} {request_id(answer.headers) or ''}".rstrip()
                    outcome = f"{status}, broken off"
                    if not answer.is_success:
                        body = body_without_key(await body_of(request.label, answer), self.api_key)
                        outcome = status
                        raise self._refusal(answer, body, taken_at)
                    result = await read(answer, opened)
                    outcome = status
                took = self.runtime.clock() - began
                self._rate.note_answer(taken_at, took if compares else None)
                return result
            except APIConnectionError as error:
                if outcome == "no answer":
                    outcome = type(error.__cause__ or error).__name__
                raise
            finally:
                logger.debug(
                    "%s %s%s key=%s idempotency_key=%s -> %s in %.0f ms",
                    request.method,
                    self.base_url,
                    request.path,
                    "none" if request.public or self.api_key is None else MASK,
                    request.idempotency_key or "none",
                    outcome,
                    (self.runtime.clock() - began) * 1000,
                )

        try:
            return await repeat(
                attempt,
                request.settings.retry,
                self.runtime,
                repeatable=request.repeatable,
                changes=request.changes,
            )
        except APIError as exc:
            exc.idempotency_key = request.idempotency_key
            if request.idempotency_key is not None and may_have_bought(exc):
                exc.hint = "; ".join(filter(None, (SAME_PURCHASE, exc.hint)))
            raise

    async def _open(self, request: _Request) -> httpx.Response:
        """A response, its body not yet read."""
        arguments, url = request.arguments(self.api_key), self.base_url + request.path
        try:
            built = self.http.build_request(request.method, url, **arguments)
            return answer_without_key(await send_quietly(self.http, built), self.api_key)
        except httpx.RequestError as exc:
            unsent = isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout)
            kind = NotSentError if unsent else APIConnectionError
            where = self.base_url + (through_proxy(self.base_url) if self._owns_http else "")
            raise kind(f"{request.label}: {describe(exc)} ({where})") from cause_of(exc)

    def record(self, answer: httpx.Response) -> None:
        """Hands on the head of a response, see `recording`."""
        if self._record is not None:
            head = MappingProxyType(dict(answer.headers.items()))
            self._record(ResponseHead(answer.status_code, head, request_id(answer.headers)))

    def _refusal(self, answer: httpx.Response, body: bytes, taken_at: float) -> APIStatusError:
        error = refusal(answer.status_code, answer.headers, body, self.runtime.now())
        if error.of_gateway:
            error.hint = f"{self.base_url} sent no Rivya answer; check RIVYA_BASE_URL, or try again"
        if error.status == 429 or error.retry_after_seconds is not None:
            self._rate.note_refusal(taken_at, error.retry_after_seconds)
        return error
