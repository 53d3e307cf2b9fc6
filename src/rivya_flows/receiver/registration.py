"""Registers a receiver as an endpoint of the service, with a secret to verify its events."""

from __future__ import annotations

import contextlib

from sqlalchemy import Engine

from rivya_client.client import RivyaClient
from rivya_client.types import EVENT_TYPES, WebhookEndpoint
from rivya_flows.errors import APIError
from rivya_flows.store.secrets import has_signing_secret, keep_signing_secret, rotate_signing_secret

NAME = "rivya-flows"
"""Name of the endpoints that are created here, for people."""


async def register(client: RivyaClient, engine: Engine, url: str) -> str:
    """Create the endpoint of a URL, or repair it, and give its id; its secret is in the store after that.

    The service refuses a URL that is not public https with ``webhook_url_rejected``.
    """
    for endpoint in (await client.webhooks.list()).data:
        is_gone = endpoint.status == "revoked" or endpoint.revoked_at is not None
        if endpoint.url != url or is_gone:
            continue
        if endpoint.status not in (None, "active"):
            await client.webhooks.update(endpoint.id, status="active")
        if not has_signing_secret(engine, endpoint.id):
            rotated = await client.webhooks.rotate_secret(endpoint.id)
            rotate_signing_secret(engine, endpoint.id, rotated.signing_secret)
        return endpoint.id
    return (await create_endpoint(client, engine, url, name=NAME)).id


async def create_endpoint(
    client: RivyaClient,
    engine: Engine,
    url: str,
    *,
    name: str | None = None,
    event_types: tuple[str, ...] = EVENT_TYPES,
) -> WebhookEndpoint:
    """Create an endpoint; its secret, which the service shows once, is in the store after that."""
    made = await client.webhooks.create(url, name=name, event_types=event_types)
    if made.signing_secret is None:
        # Not in a field that this client knows: a rotation returns another one.
        rotated = await client.webhooks.rotate_secret(made.id)
        made = made.model_copy(update={"signing_secret": rotated.signing_secret})
    assert made.signing_secret is not None
    try:
        keep_signing_secret(engine, made.id, made.signing_secret)
    except BaseException:
        # Nobody could ever verify its events.
        with contextlib.suppress(APIError):
            await client.webhooks.delete(made.id)
        raise
    return made
