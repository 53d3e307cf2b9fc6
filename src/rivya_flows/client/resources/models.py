"""The models of the service."""

from __future__ import annotations

from rivya_flows.client.transport.retries import RetryPolicy
from rivya_flows.client.transport.transport import Transport
from rivya_flows.client.wire.api_objects import ModelEntry, ModelList
from rivya_flows.errors import UsageError


class Models:
    """Lists models. Public: works without a key."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self, *, retry: RetryPolicy | None = None) -> ModelList:
        """Every model, those not yet callable included.

        Raises:
            APIStatusError: The service refused.
            APIConnectionError: No readable answer came.

        Source: ``GET /api/v1/models``.
        """
        return await self._transport.get("/api/v1/models", ModelList, public=True, retry=retry)

    async def retrieve(self, model_id: str, *, retry: RetryPolicy | None = None) -> ModelEntry:
        """One model out of the list, since the service has no route for one.

        Raises:
            UsageError: The service has no such model.
            APIStatusError: The service refused.
            APIConnectionError: No readable answer came.
        """
        for entry in (await self.list(retry=retry)).data:
            if entry.id == model_id:
                return entry
        raise UsageError(f"model {model_id!r}: the service has none of this name", "see the list")
