"""The way in: one client for one service and one key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rivya_flows.client.downloads import Download, Downloads
from rivya_flows.client.resources.chat import Chat
from rivya_flows.client.resources.credits import Wallet
from rivya_flows.client.resources.files import Files
from rivya_flows.client.resources.generations import Generations
from rivya_flows.client.resources.models import Models
from rivya_flows.client.resources.webhooks import WebhookEvents, Webhooks
from rivya_flows.client.transport.retries import RetryPolicy
from rivya_flows.client.transport.runtime import Runtime
from rivya_flows.client.transport.transport import Transport
from rivya_flows.client.wire.api_objects import Document
from rivya_flows.errors import UsageError

DEFAULT_BASE_URL = "https://rivya.ai"


class RivyaClient:
    """Talks to a Rivya service; share one among everything that uses one key.

    Use it with ``async with``, or call `aclose` at the end.

    Args:
        api_key: Sent to the service alone and shown nowhere; None allows `models`, `openapi` and
            `download`.
        base_url: Where the service is.
        poll_seconds: First pause between two looks at a job. The longest pause and the pace are
            multiples of it, so that a rehearsal in fast time polls fast.
        retry: For calls that bring no policy of their own.
        requests_per_second: Normal pace of all calls together; None is ``50 / poll_seconds``,
            which are 20. Downloads do not count.
        surroundings: Sleep, clocks, chance and host names, for tests.
        transport: Answers instead of the network, for tests.

    Raises:
        UsageError: The key or the address cannot be one, a number is not positive and finite, or the
            environment names a proxy or certificates that cannot be used.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str = DEFAULT_BASE_URL,
        *,
        poll_seconds: float = 2.5,
        retry: RetryPolicy | None = None,
        requests_per_second: float | None = None,
        surroundings: Runtime | None = None,
        transport: Any = None,
    ) -> None:
        per_second = requests_per_second
        if per_second is None and poll_seconds:
            per_second = 50 / poll_seconds
        # Comparisons that are false for "nan" too.
        if not (0 < poll_seconds < math.inf and per_second and 0 < per_second < math.inf):
            raise UsageError("poll_seconds and requests_per_second must be finite and above 0")
        self._transport = Transport(
            api_key,
            base_url,
            retry=retry or RetryPolicy(),
            per_second=per_second,
            surroundings=surroundings or Runtime(),
            transport=transport,
        )
        self._downloads = Downloads(self._transport)
        self._models = Models(self._transport)
        self._files = Files(self._transport)
        self._generations = Generations(self._transport, poll_seconds)
        self._chat = Chat(self._transport)
        self._credits = Wallet(self._transport)
        self._webhooks = Webhooks(self._transport)
        self._webhook_events = WebhookEvents(self._transport)

    @property
    def base_url(self) -> str:
        """Where the service is, without a slash at its end."""
        return self._transport.base_url

    @property
    def models(self) -> Models:
        """Lists models."""
        return self._models

    @property
    def files(self) -> Files:
        """Uploads reference files."""
        return self._files

    @property
    def generations(self) -> Generations:
        """Buys jobs and follows them."""
        return self._generations

    @property
    def chat(self) -> Chat:
        """Buys answers, whole or as they come, and reads the chats."""
        return self._chat

    @property
    def credits(self) -> Wallet:
        """Reads the balance."""
        return self._credits

    @property
    def webhooks(self) -> Webhooks:
        """Manages the addresses that events are sent to."""
        return self._webhooks

    @property
    def webhook_events(self) -> WebhookEvents:
        """Reads the events of the account."""
        return self._webhook_events

    async def openapi(self, *, retry: RetryPolicy | None = None) -> Mapping[str, Any]:
        """The service's own description of its routes, as it came. Public: works without a key.

        Raises:
            APIStatusError: The service refused.
            APIConnectionError: No readable answer came.

        Source: ``GET /api/v1/openapi.json``; contract, section 9.
        """
        path = "/api/v1/openapi.json"
        return (await self._transport.get(path, Document, public=True, retry=retry)).payload

    async def download(
        self,
        url: str,
        destination: Path,
        *,
        max_bytes: int,
        retry: RetryPolicy | None = None,
    ) -> Download:
        """A file at `destination`, whole and hashed; what lay there before is replaced.

        The key is sent to nobody, not even to the service. A cut download goes on where it was
        cut if the host marks its bytes, else it begins anew. On any error nothing is left behind.

        Args:
            url: Where it is; an address without a host belongs to the service.
            destination: Folders on the way are made.
            max_bytes: Nothing larger is kept.
            retry: None takes the client's.

        Raises:
            RefusedAddressError: The address, or where it redirects to, may not be followed.
            MediaError: The file is larger than `max_bytes`.
            UsageError: `destination` is no path or cannot be written.
            APIStatusError: The host refused.
            APIConnectionError: The file did not come whole.
        """
        return await self._downloads.fetch(url, destination, max_bytes=max_bytes, retry=retry)

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"RivyaClient(base_url={self.base_url!r})"
