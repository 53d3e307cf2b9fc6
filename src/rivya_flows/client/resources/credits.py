"""The wallet behind the key."""

from __future__ import annotations

from rivya_flows.client.transport.retries import RetryPolicy
from rivya_flows.client.transport.transport import Transport
from rivya_flows.client.wire.api_objects import Credits


class Wallet:
    """Reads the balance."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def retrieve(self, *, retry: RetryPolicy | None = None) -> Credits:
        """The balance now; Studio and other runs spend from it too.

        Raises:
            APIStatusError: The service refused.
            APIConnectionError: No readable answer came.

        Source: ``GET /api/v1/credits``.
        """
        return await self._transport.get("/api/v1/credits", Credits, retry=retry)
