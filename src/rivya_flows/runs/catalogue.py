"""The catalogue of the service, read once and remembered for work offline."""

from __future__ import annotations

from rivya_flows.api.client import RivyaClient
from rivya_flows.catalogue.models import Catalogue
from rivya_flows.catalogue.snapshot import from_wire
from rivya_flows.runs.prepare import today


async def read_catalogue(client: RivyaClient) -> Catalogue:
    """What ``GET /models`` tells now.

    Raises:
        APIError: The service did not answer.
    """
    listed = await client.models.list()
    return from_wire(listed.payload, date=today(), source="live")
