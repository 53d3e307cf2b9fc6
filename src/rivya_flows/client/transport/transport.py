"""Sends requests: the key, time-outs, pace, repetition and errors of every call to the API."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import httpx

from rivya_flows.client.transport.ambiguous_outcome import remembering
from rivya_flows.client.transport.connection import (
    ANSWER_SECONDS,
    CHAT_SECONDS,
    SILENCE_SECONDS,
    UPLOAD_SECONDS,
    open_pool,
    said,
    time_outs,
)
from rivya_flows.client.transport.rate_limit import RateLimiter
from rivya_flows.client.transport.requests import (
    Form,
    as_json,
    checked_base_url,
    checked_idempotency_key,
    checked_key,
    masked,
    refuse_plain_http,
)
from rivya_flows.client.transport.response_parsing import (
    Nothing,
    NotSentError,
    Shape,
    read_answer,
    refusal,
    request_id,
)
from rivya_flows.client.transport.retries import RetryPolicy, retrying
from rivya_flows.client.transport.runtime import Runtime
from rivya_flows.client.transport.streaming_response import (
    StreamingResponse,
    arriving,
    beginning,
    body_of,
    within,
)
from rivya_flows.errors import APIConnectionError, APIStatusError, UsageError

logger = logging.getLogger("rivya_flows.wire")

Begun = TypeVar("Begun")


class Transport:
    """One pool of connections to one service, used by every resource of a client.

    Args:
        api_key: Sent to the service alone; None allows the public routes only.
        base_url: Where the service is; paths start with ``/api/v1``.
        retry: For requests that bring no policy of their own.
        per_second: Requests each second at the normal pace.
        surroundings: Sleep, clocks and chance.
        transport: Answers instead of the network, in tests.

    Raises:
        UsageError: The key or the address cannot be one.
    """

    def __init__(
        self,
        api_key: str | None,
        base_url: str,
        *,
        retry: RetryPolicy,
        per_second: float,
        surroundings: Runtime,
        transport: Any = None,
    ) -> None:
        self.base_url = checked_base_url(base_url)
        self.surroundings = surroundings
        self.retry = retry
        self._api_key = checked_key(api_key)
        if self._api_key is not None:
            refuse_plain_http(self.base_url)
        self._pace = RateLimiter(per_second, max(1, round(per_second * 2)), surroundings)
        self.http = open_pool(transport)

    async def aclose(self) -> None:
        """Closes every connection."""
        await self.http.aclose()

    async def get(
        self, path: str, shape: type[Shape], *, public: bool = False, retry: RetryPolicy | None
    ) -> Shape:
        """Reads something; repeated as `retry` says.

        Args:
            path: From ``/api/v1`` on, with its parts already quoted.
            shape: What the answer has to be.
            public: No key is needed, so none is sent and an expired one does no harm.
            retry: None takes the client's.

        Raises:
            APIStatusError: The service refused.
            APIConnectionError: No readable answer came.
        """
        return await self._send("GET", path, shape, {}, public=public, safe=True, retry=retry)

    async def post(
        self,
        path: str,
        body: bytes | Mapping[str, Any] | None,
        shape: type[Shape],
        *,
        idempotency_key: str | None,
        total_seconds: float = ANSWER_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
        retry: RetryPolicy | None,
    ) -> Shape:
        """Buys or makes something; repeated only under an idempotency key.

        Args:
            path: From ``/api/v1`` on.
            body: Bytes go out unchanged; None sends no body.
            shape: What the answer has to be.
            idempotency_key: 1 to 255 printable ASCII characters.
            total_seconds: For one attempt.
            silence_seconds: Until the first byte of the answer.
            retry: None takes the client's.

        Raises:
            UsageError: The idempotency key cannot be one.
            RefusedAfterSilenceError: The service refused, after an attempt without an answer.
            APIStatusError: The service refused.
            APIConnectionError: No readable answer came; with a key the same call is safe again.
        """
        return await self._send(
            "POST",
            path,
            shape,
            _with_body(body, idempotency_key, silence_seconds),
            safe=idempotency_key is not None,
            total_seconds=total_seconds,
            retry=retry,
        )

    async def patch(
        self, path: str, body: Mapping[str, Any], shape: type[Shape], *, retry: RetryPolicy | None
    ) -> Shape:
        """Changes something; the same change again changes nothing, so it is repeated.

        Raises:
            RefusedAfterSilenceError: The service refused, after an attempt without an answer.
            APIStatusError: The service refused.
            APIConnectionError: No readable answer came.
        """
        content = _with_body(body, None, SILENCE_SECONDS)
        return await self._send("PATCH", path, shape, content, safe=True, retry=retry)

    async def delete(self, path: str, *, retry: RetryPolicy | None) -> None:
        """Removes something; repeated as `retry` says. What the answer says does not matter.

        Raises:
            RefusedAfterSilenceError: The service refused, after an attempt without an answer.
            APIStatusError: The service refused.
            APIConnectionError: No answer came.
        """
        await self._send("DELETE", path, Nothing, {}, safe=True, retry=retry)

    async def upload(
        self, path: str, form: Form, shape: type[Shape], *, retry: RetryPolicy | None
    ) -> Shape:
        """Sends a file; free, so it is repeated without a key.

        Raises:
            MediaError: The file cannot be read.
            APIStatusError: The service refused.
            APIConnectionError: No readable answer came.
        """
        return await self._send(
            "POST", path, shape, form, safe=True, total_seconds=UPLOAD_SECONDS, retry=retry
        )

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        body: bytes | Mapping[str, Any],
        begin: Callable[[StreamingResponse], Awaitable[Begun]],
        *,
        idempotency_key: str | None,
        retry: RetryPolicy | None,
    ) -> AsyncIterator[Begun]:
        """Buys something whose answer comes piece by piece; closed at the end of the context.

        Repeated under an idempotency key until `begin` has given its answer, and never after.

        Args:
            path: From ``/api/v1`` on.
            body: Bytes go out unchanged.
            begin: Reads what has to be there before anything is handed on.
            idempotency_key: 1 to 255 printable ASCII characters.
            retry: None takes the client's.

        Raises:
            UsageError: The idempotency key cannot be one.
            RefusedAfterSilenceError: The service refused, after an attempt without an answer.
            APIStatusError: The service refused.
            APIConnectionError: No beginning of an answer came.
        """
        content = _with_body(body, idempotency_key, CHAT_SECONDS)
        content["headers"]["Accept"] = "text/event-stream, application/json"
        # Compression would hold pieces back.
        content["headers"]["Accept-Encoding"] = "identity"
        asked = f"POST {path}"
        async with AsyncExitStack() as kept:

            async def attempt() -> Begun:
                await self._pace.turn()
                async with AsyncExitStack() as opened, within(CHAT_SECONDS, asked):
                    answer, _ = await self._exchange("POST", path, content, False, whole=False)
                    coming = await opened.enter_async_context(
                        arriving(asked, answer, self._api_key)
                    )
                    if not answer.is_success:
                        raise self._refused(answer, await beginning(coming.pieces))
                    self._pace.recover()
                    begun = await begin(coming)
                    await kept.enter_async_context(opened.pop_all())
                    return begun

            yield await self._repeated(
                attempt, changes=True, safe=idempotency_key is not None, retry=retry
            )

    async def _send(
        self,
        method: str,
        path: str,
        shape: type[Shape],
        content: Mapping[str, Any] | Form,
        *,
        public: bool = False,
        safe: bool,
        total_seconds: float = ANSWER_SECONDS,
        retry: RetryPolicy | None,
    ) -> Shape:
        asked = f"{method} {path}"

        async def attempt() -> Shape:
            await self._pace.turn()
            async with within(total_seconds, asked):
                if isinstance(content, Form):
                    async with content.opened() as arguments:
                        answer, body = await self._exchange(method, path, arguments, public)
                else:
                    answer, body = await self._exchange(method, path, content, public)
            if not answer.is_success:
                raise self._refused(answer, body)
            self._pace.recover()
            return read_answer(asked, answer.status_code, body, shape)

        changes = method != "GET" and not isinstance(content, Form)
        return await self._repeated(attempt, changes=changes, safe=safe, public=public, retry=retry)

    async def _repeated(
        self,
        attempt: Callable[[], Awaitable[Begun]],
        *,
        changes: bool,
        safe: bool,
        public: bool = False,
        retry: RetryPolicy | None,
    ) -> Begun:
        """What the first good attempt gives; its error says what all attempts together know."""
        if not public and self._api_key is None:
            raise UsageError("RIVYA_API_KEY is not set", "set it, or use the local sandbox")
        attempts = retrying(retry or self.retry, self.surroundings, repeatable=safe, ages=changes)
        return await attempts(remembering(attempt, changes=changes))

    async def _exchange(
        self,
        method: str,
        path: str,
        arguments: Mapping[str, Any],
        public: bool,
        *,
        whole: bool = True,
    ) -> tuple[httpx.Response, bytes]:
        """An answer and its body, which is empty and still to come if not `whole`."""
        asked = f"{method} {path}"
        headers = {"Accept": "application/json", **arguments.get("headers", {})}
        if not public:
            headers["Authorization"] = f"Bearer {self._api_key}"
        began = self.surroundings.clock()
        outcome = "no answer"
        try:
            request = self.http.build_request(
                method, self.base_url + path, **{**arguments, "headers": headers}
            )
            answer = await self.http.send(request, stream=True)
            told = f"{answer.status_code} {request_id(answer.headers, self._api_key) or ''}"
            outcome = f"{told.rstrip()}, broken off"
            body = await body_of(asked, answer) if whole else b""
            outcome = told.rstrip()
            return answer, body
        except httpx.RequestError as exc:
            outcome = type(exc).__name__
            unsent = isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout)
            kind = NotSentError if unsent else APIConnectionError
            raise kind(f"{asked}: {said(exc)}") from exc
        finally:
            logger.debug(
                "%s %s%s key=%s idempotency_key=%s -> %s in %.0f ms",
                method,
                self.base_url,
                path,
                "none" if public else masked(self._api_key),
                headers.get("Idempotency-Key", "none"),
                outcome,
                (self.surroundings.clock() - began) * 1000,
            )

    def _refused(self, answer: httpx.Response, body: bytes) -> APIStatusError:
        error = refusal(
            answer.status_code, answer.headers, body, self.surroundings.now(), self._api_key
        )
        if error.status == 429 or error.retry_after_seconds is not None:
            self._pace.slow_down(error.retry_after_seconds)
        return error


def _with_body(
    body: bytes | Mapping[str, Any] | None, idempotency_key: str | None, silence_seconds: float
) -> dict[str, Any]:
    """Arguments for the HTTP client."""
    headers = {} if body is None else {"Content-Type": "application/json"}
    if idempotency_key is not None:
        headers["Idempotency-Key"] = checked_idempotency_key(idempotency_key)
    content = body if body is None or isinstance(body, bytes) else as_json(body)
    return {"content": content, "headers": headers, "timeout": time_outs(silence_seconds)}
