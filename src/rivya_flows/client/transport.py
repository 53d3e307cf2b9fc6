"""Sends requests: the key, time limits, rate, retries and errors of every call to the API."""

from __future__ import annotations

import copy
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self, TypeVar, Unpack

import httpx

from rivya_flows.client.addresses import checked_base_url, refuse_plain_http
from rivya_flows.client.connection import (
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
from rivya_flows.client.errors import NotSentError
from rivya_flows.client.key_masking import answer_without_key
from rivya_flows.client.options import (
    NOT_GIVEN,
    Form,
    IdempotencyKey,
    RequestOptions,
    RequestSettings,
    as_json,
    checked_idempotency_key,
    checked_key,
    masked,
)
from rivya_flows.client.rate_limit import shared_limiter
from rivya_flows.client.responses import (
    Shape,
    StreamingResponse,
    arriving,
    beginning,
    body_of,
    read_answer,
    refusal,
    request_id,
    within,
)
from rivya_flows.client.retries import remembering, retrying
from rivya_flows.client.runtime import Runtime
from rivya_flows.errors import APIConnectionError, APIError, APIStatusError, UsageError

logger = logging.getLogger("rivya_flows.wire")


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

    Attributes:
        content: The body, or the form of an upload; None sends none.
        key: The idempotency key.
        public: No API key is needed, so none is sent and an expired one does no harm.
        changes: It buys, makes, changes or removes something.
        repeatable: Sending it again does no harm.
        seconds: For one attempt.
        silence_seconds: Until the next piece of the response.
        accept: The media types of the response.
    """

    method: str
    path: str
    settings: RequestSettings
    content: bytes | Form | None = None
    key: str | None = None
    public: bool = False
    changes: bool = True
    repeatable: bool = True
    seconds: float = ANSWER_SECONDS
    silence_seconds: float = SILENCE_SECONDS
    accept: Mapping[str, str] = field(default_factory=lambda: {"Accept": "application/json"})

    @property
    def label(self) -> str:
        return f"{self.method} {self.path}"

    def arguments(self, api_key: str | None) -> dict[str, Any]:
        """Arguments for the HTTP client."""
        # One case: names that differ in it alone would be sent twice.
        parts = (HEADERS, self.settings.headers, self.accept)
        headers = {name.lower(): value for part in parts for name, value in part.items()}
        if not self.public:
            headers["authorization"] = f"Bearer {api_key}"
        if self.key is not None:
            headers["idempotency-key"] = self.key
        if isinstance(self.content, bytes):
            headers["content-type"] = "application/json"
        timeout = time_outs(self.settings.limit(self.silence_seconds))
        content = self.content
        body = content.arguments if isinstance(content, Form) else {"content": content}
        return {"headers": headers, "timeout": timeout, **body}


class Transport:
    """One pool of connections to one service, used by every resource of a client.

    Args:
        api_key: Sent to the service only; None allows the public routes only.
        base_url: Where the service is; paths start with ``/api/v1``.
        settings: For requests without options of their own.
        per_second: The most requests per second, shared with all transports of the process to this
            service with this key; see `rate_limit`.
        runtime: Sleep, clocks and chance.
        http_client: Sends the requests, and is not closed; None opens a pool.
        transport: Answers instead of the network; None is the network.

    Raises:
        UsageError: The key or the address is not possible.
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
        self.api_key = checked_key(api_key)
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
        changed.settings = self.settings.updated(**options)
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
        body: bytes | Mapping[str, object] | Form | None = None,
        *,
        idempotency_key: IdempotencyKey = None,
        public: bool = False,
        compares: bool = False,
        seconds: float = ANSWER_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
        **options: Unpack[RequestOptions],
    ) -> Shape:
        """The answer to one request.

        A POST is repeated only under an idempotency key, or when it uploads a file, which is free.
        A PATCH or DELETE is repeated, since the same change again changes nothing.

        Args:
            method: HTTP method.
            path: From ``/api/v1`` on, its parts quoted.
            shape: The model of the answer; `Nothing` ignores its body.
            body: Bytes are sent unchanged; None sends no body.
            idempotency_key: See `IdempotencyKey`.
            public: No API key is needed, so none is sent.
            compares: Its answers always take about as long, so slower ones lower the rate.
            seconds: For one attempt, unless the options say otherwise.
            silence_seconds: Until the next piece of the response.
            options: See `RequestOptions`.

        Raises:
            UsageError: There is no API key, or an argument is not possible.
            RefusedAfterSilenceError: The service refused a change, after an attempt without answer.
            APIStatusError: The service refused.
            APIConnectionError: No readable answer arrived; with a key the same call is safe again.
        """
        key = _checked_key(idempotency_key)
        form = isinstance(body, Form)
        request = _Request(
            method,
            path,
            self.settings.updated(**options),
            as_json(body) if isinstance(body, Mapping) else body,
            key,
            public=public,
            changes=method != "GET" and not form,
            repeatable=method != "POST" or form or key is not None,
            seconds=UPLOAD_SECONDS if form else seconds,
            silence_seconds=silence_seconds,
        )

        async def attempt() -> Shape:
            taken_at = await self._rate.turn(changes=method != "GET")
            began = self.runtime.clock()
            asked = f"{request.label} ({self.base_url})"
            async with within(request.settings.limit(request.seconds), asked):
                answer, content = await self._exchange(request)
            self.record(answer)
            if not answer.is_success:
                raise self._refused(answer, content, taken_at)
            seconds = self.runtime.clock() - began
            self._rate.answered(taken_at, seconds if compares else None)
            return read_answer(request.label, answer.status_code, content, shape, self.api_key)

        return await self._repeated(request, attempt)

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        body: bytes | Mapping[str, object],
        begin: Callable[[StreamingResponse], Awaitable[Begun]],
        *,
        idempotency_key: IdempotencyKey,
        **options: Unpack[RequestOptions],
    ) -> AsyncIterator[Begun]:
        """Buys something that arrives in pieces; closed at the end of the context.

        Repeated under an idempotency key until `begin` returns, and never after.

        Args:
            path: From ``/api/v1`` on.
            body: Bytes are sent unchanged.
            begin: Reads what the caller needs before the context is entered.
            idempotency_key: See `IdempotencyKey`.
            options: See `RequestOptions`.

        Raises as `send` does.
        """
        key = _checked_key(idempotency_key)
        request = _Request(
            "POST",
            path,
            self.settings.updated(**options),
            as_json(body) if isinstance(body, Mapping) else body,
            key,
            repeatable=key is not None,
            silence_seconds=CHAT_SECONDS,
            # Compression would hold pieces back.
            accept={
                "Accept": "text/event-stream, application/json",
                "Accept-Encoding": "identity",
            },
        )
        seconds = request.settings.limit(CHAT_SECONDS)
        async with AsyncExitStack() as kept:

            async def attempt() -> Begun:
                taken_at = await self._rate.turn(changes=True)
                async with AsyncExitStack() as opened, within(seconds, request.label):
                    answer, _ = await self._exchange(request, whole=False)
                    coming = arriving(
                        request.label,
                        answer,
                        api_key=self.api_key,
                        seconds=seconds,
                        idempotency_key=key,
                        request_id=request_id(answer.headers),
                    )
                    response = await opened.enter_async_context(coming)
                    if not answer.is_success:
                        raise self._refused(answer, await beginning(response.pieces), taken_at)
                    self._rate.answered(taken_at, None)
                    self.record(answer)
                    begun = await begin(response)
                    await kept.enter_async_context(opened.pop_all())
                    return begun

            yield await self._repeated(request, attempt)

    async def _repeated(self, request: _Request, attempt: Callable[[], Awaitable[Begun]]) -> Begun:
        """The result of the first good attempt; the error knows what all attempts together did."""
        if not request.public and self.api_key is None:
            raise UsageError("RIVYA_API_KEY is not set", "set it, or use the local sandbox")
        attempts = retrying(
            request.settings.retry,
            self.runtime,
            repeatable=request.repeatable,
            ages=request.changes,
        )
        try:
            return await attempts(remembering(attempt, changes=request.changes))
        except APIError as exc:
            exc.idempotency_key = request.key
            raise

    async def _exchange(
        self, request: _Request, *, whole: bool = True
    ) -> tuple[httpx.Response, bytes]:
        """A response and its body, which is empty and not yet read if not `whole`."""
        began = self.runtime.clock()
        outcome = "no answer"
        try:
            arguments = request.arguments(self.api_key)
            built = self.http.build_request(
                request.method, self.base_url + request.path, **arguments
            )
            answer = answer_without_key(await send_quietly(self.http, built), self.api_key)
            outcome = f"{answer.status_code} {request_id(answer.headers) or ''}".rstrip()
            if not whole:
                return answer, b""
            outcome += ", broken off"
            body = await body_of(request.label, answer)
            outcome = outcome.removesuffix(", broken off")
            return answer, body
        except httpx.RequestError as exc:
            outcome = type(exc).__name__
            unsent = isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout)
            kind = NotSentError if unsent else APIConnectionError
            where = self.base_url + (through_proxy(self.base_url) if self._owns_http else "")
            raise kind(f"{request.label}: {describe(exc)} ({where})") from cause_of(exc)
        finally:
            logger.debug(
                "%s %s%s key=%s idempotency_key=%s -> %s in %.0f ms",
                request.method,
                self.base_url,
                request.path,
                "none" if request.public else masked(self.api_key),
                request.key or "none",
                outcome,
                (self.runtime.clock() - began) * 1000,
            )

    def record(self, answer: httpx.Response) -> None:
        """Hands on the head of a response, see `recording`."""
        if self._record is not None:
            head = MappingProxyType(dict(answer.headers.items()))
            self._record(ResponseHead(answer.status_code, head, request_id(answer.headers)))

    def _refused(self, answer: httpx.Response, body: bytes, taken_at: float) -> APIStatusError:
        error = refusal(answer.status_code, answer.headers, body, self.runtime.now(), self.api_key)
        if error.of_gateway:
            error.hint = f"{self.base_url} sent no Rivya answer; check RIVYA_BASE_URL, or try again"
        if error.status == 429 or error.retry_after_seconds is not None:
            self._rate.refused(taken_at, error.retry_after_seconds)
        return error


def _checked_key(key: IdempotencyKey) -> str | None:
    if key is NOT_GIVEN:
        return secrets.token_hex(16)
    return None if key is None else checked_idempotency_key(key)
