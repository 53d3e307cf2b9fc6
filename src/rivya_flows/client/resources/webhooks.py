"""Webhook endpoints, their deliveries, and the events of the account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from rivya_flows.client.resources.resource import M, Resource, api_call
from rivya_flows.client.transport.request_options import RequestOptions
from rivya_flows.client.transport.requests import path_of
from rivya_flows.client.transport.response_parsing import Nothing, RefusedAfterSilenceError
from rivya_flows.client.wire.list_page import Listing
from rivya_flows.client.wire.webhooks import (
    EVENT_TYPES,
    SigningSecret,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
    WebhookTest,
)
from rivya_flows.errors import UsageError

_PATH = "/api/v1/webhooks"


class Webhooks(Resource[M]):
    """Manages webhook endpoints."""

    @api_call
    async def create(
        self,
        url: str,
        *,
        name: str | None = None,
        event_types: Sequence[str] = EVENT_TYPES,
        **options: Unpack[RequestOptions],
    ) -> WebhookEndpoint:
        """A new endpoint with its `signing_secret`. Store it: the service shows it only once.

        The request is never repeated. If no answer arrived, look in `list` for the endpoint, and
        delete it or rotate its secret.

        Args:
            url: Public, https, without credentials and fragment.
            name: For people; None sends none. Whether the service requires one is not documented.
            event_types: The events to send, see `EventType`.
            options: See `RequestOptions`.

        Raises:
            UsageError: `event_types` is a string or empty.
            BadRequestError: Such as ``webhook_url_rejected``.
            APIConnectionError: No readable answer arrived; the endpoint may exist.

        Source: ``POST /api/v1/webhooks``.
        """
        body = {"name": name, "url": url, "event_types": _checked(event_types)}
        sent = {key: value for key, value in body.items() if value is not None}
        return await self._transport.send("POST", _PATH, WebhookEndpoint, sent, **options)

    @api_call
    async def list(self, **options: Unpack[RequestOptions]) -> Listing[WebhookEndpoint]:
        """The endpoints of the account, without their secrets.

        Source: ``GET /api/v1/webhooks``.
        """
        return await self._transport.send("GET", _PATH, Listing[WebhookEndpoint], **options)

    @api_call
    async def retrieve(
        self, endpoint_id: str, **options: Unpack[RequestOptions]
    ) -> WebhookEndpoint:
        """One endpoint, without its secret.

        Raises:
            NotFoundError: There is none, or it is another account's.

        Source: ``GET /api/v1/webhooks/{endpointId}``.
        """
        path = path_of("webhooks", endpoint_id)
        return await self._transport.send("GET", path, WebhookEndpoint, **options)

    @api_call
    async def update(
        self,
        endpoint_id: str,
        *,
        name: str | None = None,
        url: str | None = None,
        event_types: Sequence[str] | None = None,
        status: str | None = None,
        **options: Unpack[RequestOptions],
    ) -> WebhookEndpoint:
        """The endpoint after the change; None changes nothing.

        Args:
            endpoint_id: From `create` or `list`.
            name: For people.
            url: As for `create`.
            event_types: As for `create`.
            status: By convention ``active`` enables a disabled endpoint.
            options: See `RequestOptions`.

        Raises:
            UsageError: There is nothing to change, or `event_types` is a string or empty.
            RefusedAfterSilenceError: Refused, but an earlier attempt of this call got no answer.

        Source: ``PATCH /api/v1/webhooks/{endpointId}``.
        """
        types = None if event_types is None else _checked(event_types)
        body = {"name": name, "url": url, "event_types": types, "status": status}
        changes = {key: value for key, value in body.items() if value is not None}
        if not changes:
            raise UsageError(f"webhook {endpoint_id!r}: there is nothing to change")
        path = path_of("webhooks", endpoint_id)
        return await self._transport.send("PATCH", path, WebhookEndpoint, changes, **options)

    @api_call
    async def delete(self, endpoint_id: str, **options: Unpack[RequestOptions]) -> None:
        """Removes an endpoint.

        Raises:
            NotFoundError: There was none, or it is another account's.

        Source: ``DELETE /api/v1/webhooks/{endpointId}``.
        """
        try:
            await self._transport.send(
                "DELETE", path_of("webhooks", endpoint_id), Nothing, **options
            )
        except RefusedAfterSilenceError as exc:
            # The attempt without an answer has removed it.
            if exc.status != 404:
                raise

    @api_call
    async def rotate_secret(
        self, endpoint_id: str, **options: Unpack[RequestOptions]
    ) -> SigningSecret:
        """A new secret, shown only once. Whether the old one stays valid is not documented.

        Let the receiver accept both until deliveries verify with the new one. The request is never
        repeated; if no answer arrived, call it again.

        Raises:
            APIConnectionError: No readable answer arrived; the secret may have changed.

        Source: ``POST /api/v1/webhooks/{endpointId}/rotate-secret``.
        """
        path = path_of("webhooks", endpoint_id) + "/rotate-secret"
        return await self._transport.send("POST", path, SigningSecret, **options)

    @api_call
    async def test(self, endpoint_id: str, **options: Unpack[RequestOptions]) -> WebhookTest:
        """Makes the service send a test event; `deliveries` has the result.

        Raises:
            APIConnectionError: No readable answer arrived; the event may have been sent.

        Source: ``POST /api/v1/webhooks/{endpointId}/test``.
        """
        path = path_of("webhooks", endpoint_id) + "/test"
        return await self._transport.send("POST", path, WebhookTest, **options)

    @api_call
    async def deliveries(
        self, endpoint_id: str, **options: Unpack[RequestOptions]
    ) -> Listing[WebhookDelivery]:
        """The deliveries of an endpoint, in the service's order.

        Raises:
            NotFoundError: There is no such endpoint, or it is another account's.

        Source: ``GET /api/v1/webhooks/{endpointId}/deliveries``.
        """
        path = path_of("webhooks", endpoint_id) + "/deliveries"
        return await self._transport.send("GET", path, Listing[WebhookDelivery], **options)


class WebhookEvents(Resource[M]):
    """Reads the events of the account, sent or not."""

    @api_call
    async def list(self, **options: Unpack[RequestOptions]) -> Listing[WebhookEvent]:
        """The events in the service's order, by convention newest first.

        Source: ``GET /api/v1/webhook-events``.
        """
        path = "/api/v1/webhook-events"
        return await self._transport.send("GET", path, Listing[WebhookEvent], **options)


def _checked(event_types: Sequence[str]) -> tuple[str, ...]:
    if isinstance(event_types, str) or not event_types:
        raise UsageError(
            f"event_types: {event_types!r} is not a list of event types",
            f"write it like [{EVENT_TYPES[0]!r}]",
        )
    return tuple(event_types)
