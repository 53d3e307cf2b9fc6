"""Makes sure that the service sends its events to a receiver that can verify them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from rivya_flows.client.client import RivyaClient
from rivya_flows.client.wire.webhooks import EVENT_TYPES, WebhookEndpoint
from rivya_flows.errors import APIError
from rivya_flows.store.signing_secrets import (
    has_signing_secret,
    keep_signing_secret,
    rotate_signing_secret,
)

NAME = "rivya-flows"
"""Of the endpoints that are made here, for people."""


@dataclass(frozen=True)
class Registered:
    """An endpoint of the service that leads to a receiver.

    Attributes:
        endpoint_id: ``whend_…``.
        is_new: It was made just now.
    """

    endpoint_id: str
    is_new: bool


async def register(client: RivyaClient, engine: Engine, url: str) -> Registered:
    """The endpoint of an address, made or mended where needed; its secret is in the store.

    Args:
        client: Of the service, with a key that may manage webhooks.
        engine: Of the store that the receiver reads.
        url: Where the service is to send events.

    Raises:
        APIStatusError: The service refused, such as ``webhook_url_rejected`` for an address that
            is not public https.
        APIConnectionError: No readable answer came.
        StoreError: The store cannot be written.
    """
    for endpoint in (await client.webhooks.list()).data:
        if endpoint.url == url and not _is_gone(endpoint):
            return await _mended(client, engine, endpoint)
    made = await create_endpoint(client, engine, url, name=NAME)
    return Registered(made.id, is_new=True)


async def create_endpoint(
    client: RivyaClient,
    engine: Engine,
    url: str,
    *,
    name: str | None = None,
    event_types: tuple[str, ...] = EVENT_TYPES,
) -> WebhookEndpoint:
    """A new endpoint; its secret, which the service tells this once, is in the store.

    Args:
        client: Of the service.
        engine: Of the store.
        url: Where to send events.
        name: For people.
        event_types: What to send.

    Raises:
        APIError: The service refused, or no readable answer came.
        StoreError: The store cannot be written.
    """
    made = await client.webhooks.create(url, name=name, event_types=event_types)
    if made.signing_secret is None:
        # Told in no way that this client can read: a rotation tells another one.
        rotated = await client.webhooks.rotate_secret(made.id)
        made = made.model_copy(update={"signing_secret": rotated.signing_secret})
    assert made.signing_secret is not None
    try:
        keep_signing_secret(engine, made.id, made.signing_secret)
    except BaseException:
        # Nobody will ever be able to verify what is sent there.
        await _best_effort_delete(client, made.id)
        raise
    return made


async def _mended(client: RivyaClient, engine: Engine, endpoint: WebhookEndpoint) -> Registered:
    if endpoint.status is not None and endpoint.status != "active":
        await client.webhooks.update(endpoint.id, status="active")
    if not has_signing_secret(engine, endpoint.id):
        rotated = await client.webhooks.rotate_secret(endpoint.id)
        rotate_signing_secret(engine, endpoint.id, rotated.signing_secret)
    return Registered(endpoint.id, is_new=False)


async def _best_effort_delete(client: RivyaClient, endpoint_id: str) -> None:
    try:
        await client.webhooks.delete(endpoint_id)
    except APIError:
        return


def _is_gone(endpoint: WebhookEndpoint) -> bool:
    return endpoint.status == "revoked" or endpoint.revoked_at is not None
