"""Webhook endpoints, what was sent to them, and the events behind it."""

from __future__ import annotations

from collections.abc import Sequence

from rivya_flows.client.transport.requests import path_of
from rivya_flows.client.transport.response_parsing import RefusedAfterSilenceError
from rivya_flows.client.transport.retries import RetryPolicy
from rivya_flows.client.transport.transport import Transport
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


class Webhooks:
    """Manages the addresses that the service sends events to."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self,
        url: str,
        *,
        name: str | None = None,
        event_types: Sequence[str] = EVENT_TYPES,
        retry: RetryPolicy | None = None,
    ) -> WebhookEndpoint:
        """A new endpoint, with its `signing_secret`: keep it now, it is told this once.

        The request is sent once and never again. If no answer came, look in `list` whether there is
        one now, and delete it or rotate its secret.

        Args:
            url: Public, https, without credentials and fragment.
            name: For people; None sends none, and whether the service needs one is not known.
            event_types: What to send.
            retry: Only its patience counts; None takes the client's.

        Raises:
            UsageError: `event_types` is one text or empty.
            APIStatusError: The service refused, such as ``webhook_url_rejected``.
            APIConnectionError: No readable answer came; there may be an endpoint now.

        Source: ``POST /api/v1/webhooks``.
        """
        body = {"name": name, "url": url, "event_types": _checked(event_types)}
        told = {key: value for key, value in body.items() if value is not None}
        return await self._transport.post(
            _PATH, told, WebhookEndpoint, idempotency_key=None, retry=retry
        )

    async def list(self, *, retry: RetryPolicy | None = None) -> Listing[WebhookEndpoint]:
        """The endpoints of the account, without their secrets.

        Raises:
            APIStatusError: The service refused.
            APIConnectionError: No readable answer came.

        Source: ``GET /api/v1/webhooks``.
        """
        return await self._transport.get(_PATH, Listing[WebhookEndpoint], retry=retry)

    async def retrieve(
        self, endpoint_id: str, *, retry: RetryPolicy | None = None
    ) -> WebhookEndpoint:
        """One endpoint, without its secret.

        Raises:
            APIStatusError: 404 if there is none, or it is another account's.
            APIConnectionError: No readable answer came.

        Source: ``GET /api/v1/webhooks/{endpointId}``.
        """
        path = path_of("webhooks", endpoint_id)
        return await self._transport.get(path, WebhookEndpoint, retry=retry)

    async def update(
        self,
        endpoint_id: str,
        *,
        name: str | None = None,
        url: str | None = None,
        event_types: Sequence[str] | None = None,
        status: str | None = None,
        retry: RetryPolicy | None = None,
    ) -> WebhookEndpoint:
        """The endpoint as it is after the change; what is None stays as it was.

        Args:
            endpoint_id: From `create` or `list`.
            name: For people.
            url: As for `create`.
            event_types: What to send from now on.
            status: By convention ``active`` brings a disabled endpoint back.
            retry: None takes the client's.

        Raises:
            UsageError: Nothing is to be changed, or `event_types` is one text or empty.
            RefusedAfterSilenceError: Refused, but an earlier attempt of this call got no answer.
            APIStatusError: The service refused.
            APIConnectionError: No readable answer came.

        Source: ``PATCH /api/v1/webhooks/{endpointId}``.
        """
        types = None if event_types is None else _checked(event_types)
        body = {"name": name, "url": url, "event_types": types, "status": status}
        changes = {key: value for key, value in body.items() if value is not None}
        if not changes:
            raise UsageError(f"webhook {endpoint_id!r}: nothing to change was given")
        path = path_of("webhooks", endpoint_id)
        return await self._transport.patch(path, changes, WebhookEndpoint, retry=retry)

    async def delete(self, endpoint_id: str, *, retry: RetryPolicy | None = None) -> None:
        """Removes an endpoint.

        Raises:
            APIStatusError: 404 if there was none, or it is another account's.
            APIConnectionError: No answer came.

        Source: ``DELETE /api/v1/webhooks/{endpointId}``.
        """
        try:
            await self._transport.delete(path_of("webhooks", endpoint_id), retry=retry)
        except RefusedAfterSilenceError as exc:
            # The attempt without an answer removed it.
            if exc.status != 404:
                raise

    async def rotate_secret(
        self, endpoint_id: str, *, retry: RetryPolicy | None = None
    ) -> SigningSecret:
        """A new secret, told this once. Whether the old one still signs for a while is not known.

        Let the receiver accept both until deliveries verify with the new one. The request is sent
        once and never again; if no answer came, call it anew.

        Raises:
            APIStatusError: The service refused.
            APIConnectionError: No readable answer came; the secret may be another one now.

        Source: ``POST /api/v1/webhooks/{endpointId}/rotate-secret``.
        """
        path = path_of("webhooks", endpoint_id) + "/rotate-secret"
        return await self._transport.post(
            path, None, SigningSecret, idempotency_key=None, retry=retry
        )

    async def test(self, endpoint_id: str, *, retry: RetryPolicy | None = None) -> WebhookTest:
        """Lets the service send a test event; see `deliveries` for how that went.

        Raises:
            APIStatusError: The service refused.
            APIConnectionError: No readable answer came; an event may have been sent.

        Source: ``POST /api/v1/webhooks/{endpointId}/test``.
        """
        path = path_of("webhooks", endpoint_id) + "/test"
        return await self._transport.post(
            path, None, WebhookTest, idempotency_key=None, retry=retry
        )

    async def deliveries(
        self, endpoint_id: str, *, retry: RetryPolicy | None = None
    ) -> Listing[WebhookDelivery]:
        """What was sent to an endpoint, in the service's order.

        Raises:
            APIStatusError: 404 if there is no such endpoint, or it is another account's.
            APIConnectionError: No readable answer came.

        Source: ``GET /api/v1/webhooks/{endpointId}/deliveries``.
        """
        path = path_of("webhooks", endpoint_id) + "/deliveries"
        return await self._transport.get(path, Listing[WebhookDelivery], retry=retry)


class WebhookEvents:
    """Reads the events of the account, sent or not."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self, *, retry: RetryPolicy | None = None) -> Listing[WebhookEvent]:
        """The events in the service's order, which by convention begins with the newest.

        Raises:
            APIStatusError: The service refused.
            APIConnectionError: No readable answer came.

        Source: ``GET /api/v1/webhook-events``.
        """
        path = "/api/v1/webhook-events"
        return await self._transport.get(path, Listing[WebhookEvent], retry=retry)


def _checked(event_types: Sequence[str]) -> tuple[str, ...]:
    if isinstance(event_types, str) or not event_types:
        raise UsageError(
            f"event_types: {event_types!r} is not a list of event types",
            f"write it like [{EVENT_TYPES[0]!r}]",
        )
    return tuple(event_types)
