"""The balance behind the key."""

from __future__ import annotations

from typing import Unpack

from rivya_flows.client.resources.resource import M, Resource, api_call
from rivya_flows.client.transport.request_options import RequestOptions
from rivya_flows.client.wire.api_objects import Credits


class Wallet(Resource[M]):
    """Reads the balance."""

    @api_call
    async def retrieve(self, **options: Unpack[RequestOptions]) -> Credits:
        """The current balance. Studio and other runs spend from it too.

        Source: ``GET /api/v1/credits``.
        """
        return await self._transport.send("GET", "/api/v1/credits", Credits, **options)
