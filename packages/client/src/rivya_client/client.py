"""The clients: asynchronous and synchronous, each for one service and one key."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, Unpack

import httpx

from rivya_client.calls import (
    Async,
    Blocking,
    CallContext,
    EventLoopThread,
    M,
    RawAsync,
    RawBlocking,
    Resource,
    api_call,
)
from rivya_client.downloads import MAX_BYTES, Download, fetch
from rivya_client.errors import UsageError
from rivya_client.generations import Generations
from rivya_client.job_durations import JobDurations
from rivya_client.options import NOT_GIVEN, NotGiven, RequestOptions, RequestSettings
from rivya_client.rate_limit import REQUESTS_PER_SECOND
from rivya_client.resources import Chat, Files, Models, Wallet, WebhookEvents, Webhooks
from rivya_client.runtime import Runtime
from rivya_client.transport import Transport
from rivya_client.types import Document

SERVICE = "https://rivya.ai"  # where the service is, unless something says otherwise


class ApiCalls(Resource[M]):
    """Every call of the API, in one of its four forms; see `RivyaClient` and `SyncRivyaClient`."""

    @property
    def models(self) -> Models[M]:
        """Lists models."""
        return Models(self._context)

    @property
    def files(self) -> Files[M]:
        """Uploads reference files."""
        return Files(self._context)

    @property
    def generations(self) -> Generations[M]:
        """Buys jobs and waits for them."""
        return Generations(self._context)

    @property
    def chat(self) -> Chat[M]:
        """Buys answers, whole or streamed, and reads the chats."""
        return Chat(self._context)

    @property
    def credits(self) -> Wallet[M]:
        """Reads the balance."""
        return Wallet(self._context)

    @property
    def webhooks(self) -> Webhooks[M]:
        """Manages webhook endpoints."""
        return Webhooks(self._context)

    @property
    def webhook_events(self) -> WebhookEvents[M]:
        """Reads the events of the account."""
        return WebhookEvents(self._context)

    @api_call
    async def openapi(self, **options: Unpack[RequestOptions]) -> Mapping[str, Any]:
        """The service's own description of its routes, unchanged. Public: works without a key.

        Source: ``GET /api/v1/openapi.json``; contract, section 9.
        """
        path = "/api/v1/openapi.json"
        return (await self._transport.send("GET", path, Document, public=True, **options)).payload

    @api_call
    async def download(
        self,
        url: str,
        destination: Path,
        *,
        max_bytes: int = MAX_BYTES,
        **options: Unpack[RequestOptions],
    ) -> Download:
        """Saves a file at `destination`, whole and hashed, and replaces what was there.

        The key is sent to no host, not even to the service; nor are `extra_headers`. An interrupted
        download resumes if the host identifies its bytes, else it restarts. A 404 is repeated for some
        seconds, since a result may be announced before every host has it. An error leaves no file.

        Args:
            url: An address without a host belongs to the service.
            destination: Missing folders are created.
            max_bytes: A larger file is refused; 1 GiB unless another number is given.

        Raises:
            RefusedAddressError: The address, or a redirect of it, is not allowed.
            MediaError: The file is larger than `max_bytes`.
            UsageError: `destination` is not a path or cannot be written.
            APIStatusError: The host refused.
            APIConnectionError: The file did not arrive whole.
        """
        transport = self._transport.with_options(**options)
        return await fetch(transport, url, destination, max_bytes)


class _Client(ApiCalls[M]):
    """What both clients have in common."""

    _blocking: ClassVar[bool]

    def __init__(
        self,
        api_key: str | NotGiven | None = NOT_GIVEN,
        base_url: str | None = None,
        *,
        poll_seconds: float = 2.5,
        requests_per_second: float | None = None,
        http_client: httpx.AsyncClient | None = None,
        runtime: Runtime | None = None,
        transport: Any = None,
        **options: Unpack[RequestOptions],
    ) -> None:
        """Connects to nothing yet.

        Args:
            api_key: Sent to the service only and never shown. Default: RIVYA_API_KEY. None allows
                `models`, `openapi` and `download` only.
            base_url: Where the service is. None: RIVYA_BASE_URL, else https://rivya.ai.
            poll_seconds: First pause between two polls of a job of a model that the client does not
                know yet. The other pauses are multiples of it, so that a rehearsal in fast time
                polls fast.
            requests_per_second: The most of all calls together, of all clients of this process with
                the same service, key and maximum; None is 100. They start at 20, rise while the
                service answers well, and halve when it answers 429 or ever more slowly. Downloads do
                not count.
            http_client: Sends the requests, for proxies or certificates of your own; the caller
                closes it. Redirects are not followed, and its `auth` is not used. None opens a
                pool.
            runtime: Sleep, clocks, chance and host names, for tests.
            transport: An httpx transport that answers instead of the network, for tests.
            options: Defaults of all calls, see `RequestOptions`.

        Raises:
            UsageError: The key, the address or an option is not possible, or the environment has a
                proxy or certificates that cannot be used.
        """
        per_second = REQUESTS_PER_SECOND if requests_per_second is None else requests_per_second
        # Comparisons that are false for NaN too.
        if not (0 < poll_seconds < math.inf and 0 < per_second < math.inf):
            raise UsageError("poll_seconds and requests_per_second must be finite and above 0")
        if api_key is NOT_GIVEN:
            api_key = os.environ.get("RIVYA_API_KEY")
        connected = Transport(
            api_key,
            base_url or os.environ.get("RIVYA_BASE_URL") or SERVICE,
            settings=RequestSettings().merge(**options),
            per_second=per_second,
            runtime=runtime or Runtime(),
            http_client=http_client,
            transport=transport,
        )
        thread = EventLoopThread() if self._blocking else None
        super().__init__(CallContext(connected, poll_seconds, thread=thread))

    @property
    def durations(self) -> JobDurations:
        """How long jobs took that ended; `generations.wait` learns from them when to poll."""
        return self._context.durations

    @property
    def base_url(self) -> str:
        """Where the service is, without a slash at its end."""
        return self._transport.base_url

    def with_options(self, **options: Unpack[RequestOptions]) -> Self:
        """A client with other defaults, on the same connections and at the same rate.

        Closing either closes both.

        Raises:
            UsageError: An option is not possible.
        """
        return self._change(transport=self._transport.with_options(**options))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"


class RivyaClient(_Client[Async]):
    """The asynchronous client of one service; share one between all code that uses one key.

    Use it with ``async with``, or call `aclose` at the end.
    """

    _blocking = False

    @property
    def with_raw_response(self) -> ApiCalls[RawAsync]:
        """The same calls; each gives a `RawResponse` with status, headers and request id."""
        return ApiCalls(self._change(raw=True)._context)

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()


class SyncRivyaClient(_Client[Blocking]):
    """`RivyaClient` without ``await``. Use it with ``with``, or call `close` at the end.

    The calls run on an event loop in a thread of the client's own: several threads can share one
    client, and so can a notebook. Callbacks run in that thread too and must not call the client.
    """

    _blocking = True

    @property
    def with_raw_response(self) -> ApiCalls[RawBlocking]:
        """The same calls; each gives a `RawResponse` with status, headers and request id."""
        return ApiCalls(self._change(raw=True)._context)

    def close(self) -> None:
        """Closes every connection; a second time does nothing."""
        thread = self._context.thread
        if thread is not None and thread.close.alive:
            thread.run(self._transport.aclose())
            thread.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
