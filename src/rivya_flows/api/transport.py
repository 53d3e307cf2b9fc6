"""Sends requests: the key, time-outs, pace, repetition and errors of every call to the API."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import httpx

from rivya_flows.api.answers import (
    NotSentError,
    RefusedAfterSilenceError,
    Shape,
    may_have_been_carried_out,
    read_answer,
    refusal,
    request_id,
)
from rivya_flows.api.pace import Pace
from rivya_flows.api.requests import (
    Form,
    as_json,
    checked_base_url,
    checked_idempotency_key,
    checked_key,
    masked,
)
from rivya_flows.api.retries import RetryPolicy, retrying
from rivya_flows.api.surroundings import Surroundings
from rivya_flows.errors import APIConnectionError, APIError, APIStatusError, UsageError

logger = logging.getLogger("rivya_flows.wire")

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 60.0
"""Longest pause between two pieces of an answer, and between two pieces of a request."""

ANSWER_SECONDS = 120.0
"""For one whole attempt, so that an answer that drips for ever ends too."""

CHAT_SECONDS = 600.0
UPLOAD_SECONDS = 1800.0

_HOME = ("all://127.0.0.1", "all://localhost", "all://[::1]")  # never through a proxy


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
        surroundings: Surroundings,
        transport: Any = None,
    ) -> None:
        self.base_url = checked_base_url(base_url)
        self.surroundings = surroundings
        self.retry = retry
        self._api_key = checked_key(api_key)
        self._pace = Pace(per_second, max(1, round(per_second * 2)), surroundings)
        # The key is no default header: this pool also downloads from other hosts.
        self.http = httpx.AsyncClient(
            headers={"User-Agent": f"rivya-flows/{_version()}"},
            timeout=_time_outs(SILENCE_SECONDS),
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
            follow_redirects=False,
            mounts=None if transport else dict.fromkeys(_HOME),
            transport=transport,
        )

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
        body: bytes | Mapping[str, Any],
        shape: type[Shape],
        *,
        idempotency_key: str | None,
        total_seconds: float = ANSWER_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
        retry: RetryPolicy | None,
    ) -> Shape:
        """Buys something; repeated only under an idempotency key.

        Args:
            path: From ``/api/v1`` on.
            body: Bytes go out unchanged.
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
        headers = {"Content-Type": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = checked_idempotency_key(idempotency_key)
        content = body if isinstance(body, bytes) else as_json(body)
        return await self._send(
            "POST",
            path,
            shape,
            {
                "content": content,
                "headers": headers,
                "timeout": _time_outs(silence_seconds),
            },
            safe=idempotency_key is not None,
            total_seconds=total_seconds,
            retry=retry,
        )

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
        if not public and self._api_key is None:
            raise UsageError("RIVYA_API_KEY is not set", "set it, or use the local sandbox")
        attempts = retrying(retry or self.retry, self.surroundings, repeatable=safe)
        paid = method == "POST" and not isinstance(content, Form)
        unsure = False

        async def attempt() -> Shape:
            nonlocal unsure
            try:
                return await self._attempt(method, path, shape, content, public, total_seconds)
            except APIError as exc:
                if paid and unsure and isinstance(exc, APIStatusError) and not exc.retryable:
                    raise RefusedAfterSilenceError(*exc.args) from exc
                if unsure and isinstance(exc, NotSentError):
                    # This attempt never left, but an earlier one of the same call did.
                    raise APIConnectionError(exc.message) from exc
                unsure = unsure or may_have_been_carried_out(exc)
                raise

        return await attempts(attempt)

    async def _attempt(
        self,
        method: str,
        path: str,
        shape: type[Shape],
        content: Mapping[str, Any] | Form,
        public: bool,
        total_seconds: float,
    ) -> Shape:
        await self._pace.turn()
        try:
            async with asyncio.timeout(total_seconds):
                if isinstance(content, Form):
                    async with content.opened() as arguments:
                        answer = await self._exchange(method, path, arguments, public)
                else:
                    answer = await self._exchange(method, path, content, public)
        except TimeoutError:
            raise APIConnectionError(
                f"{method} {path}: no whole answer within {total_seconds:g} s"
            ) from None
        return self._understood(f"{method} {path}", answer, shape)

    async def _exchange(
        self, method: str, path: str, arguments: Mapping[str, Any], public: bool
    ) -> httpx.Response:
        headers = {"Accept": "application/json", **arguments.get("headers", {})}
        if not public:
            headers["Authorization"] = f"Bearer {self._api_key}"
        began = self.surroundings.clock()
        outcome = "no answer"
        try:
            answer = await self.http.request(
                method, self.base_url + path, **{**arguments, "headers": headers}
            )
            outcome = f"{answer.status_code} {request_id(answer.headers) or ''}".rstrip()
            return answer
        except httpx.RequestError as exc:
            outcome = type(exc).__name__
            unsent = isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout)
            kind = NotSentError if unsent else APIConnectionError
            raise kind(f"{method} {path}: {said(exc)}") from exc
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

    def _understood(self, asked: str, answer: httpx.Response, shape: type[Shape]) -> Shape:
        if answer.is_success:
            self._pace.recover()
            return read_answer(asked, answer.status_code, answer.content, shape)
        error = self._without_key(
            refusal(answer.status_code, answer.headers, answer.content, self.surroundings.now())
        )
        if error.status == 429 or error.retry_after_seconds is not None:
            self._pace.slow_down(error.retry_after_seconds)
        raise error

    def _without_key(self, error: APIStatusError) -> APIStatusError:
        """The same error, in case a proxy's page quotes the request's headers."""
        if self._api_key is None or self._api_key not in error.detail + error.code:
            return error
        return APIStatusError(
            error.status,
            error.code.replace(self._api_key, masked(self._api_key)),
            error.detail.replace(self._api_key, masked(self._api_key)),
            error.request_id,
            error.retry_after_seconds,
        )


def said(error: httpx.RequestError) -> str:
    """What went wrong on the way, in a few words."""
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {CONNECT_SECONDS:g} s"
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        return f"no connection: {error}"
    return str(error) or type(error).__name__


def _time_outs(silence_seconds: float) -> httpx.Timeout:
    # No limit for the pool: the total of an attempt bounds it.
    return httpx.Timeout(SILENCE_SECONDS, read=silence_seconds, connect=CONNECT_SECONDS, pool=None)


def _version() -> str:
    try:
        return version("rivya-flows")
    except PackageNotFoundError:  # run from a folder, not installed
        return "0"
