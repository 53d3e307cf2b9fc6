"""The models of the service."""

from __future__ import annotations

from typing import Unpack

from rivya_flows.client.resources.resource import Async, M, Resource, api_call
from rivya_flows.client.transport.request_options import RequestOptions
from rivya_flows.client.wire.api_objects import ModelEntry
from rivya_flows.client.wire.list_page import ModelList
from rivya_flows.errors import UsageError


class Models(Resource[M]):
    """Lists models. Public: works without a key."""

    @api_call
    async def list(self, **options: Unpack[RequestOptions]) -> ModelList:
        """Every model, those not yet callable included.

        Source: ``GET /api/v1/models``.
        """
        return await self._transport.send(
            "GET", "/api/v1/models", ModelList, public=True, **options
        )

    @api_call
    async def retrieve(
        self: Models[Async], model_id: str, **options: Unpack[RequestOptions]
    ) -> ModelEntry:
        """One model of the list, since the service has no route for one.

        Raises:
            UsageError: The service has no such model.
        """
        for entry in await self.list(**options):
            if entry.id == model_id:
                return entry
        raise UsageError(f"model {model_id!r}: the service has no such model", "see the list")
