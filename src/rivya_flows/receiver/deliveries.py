"""`POST /webhooks/rivya`: verify a delivery, record it once, answer it, and then pass it on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from rivya_flows.client.transport.key_masking import body_without_key
from rivya_flows.client.webhook_signatures import WebhookError, WebhookPayloadError, verify_webhook
from rivya_flows.client.wire.webhooks import WebhookEvent
from rivya_flows.errors import StoreError
from rivya_flows.receiver.notification import (
    JobNotification,
    NotificationDispatcher,
    notification_of,
)
from rivya_flows.store.received_events import Received

MAX_BYTES = 2**20
"""Size limit of a delivery; an event is a few kilobytes."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Deliveries:
    """Receives the service's deliveries; `api_key` is masked where one quotes it."""

    secrets: Callable[[], Sequence[SecretStr]]
    received: Received
    dispatcher: NotificationDispatcher
    api_key: str | None = field(repr=False)

    async def __call__(self, request: Request) -> Response:
        """204 once an event is recorded; 400 for a delivery that cannot be verified."""
        try:
            body = await _body(request)
            notification = await run_in_threadpool(self._recorded, body, request.headers)
        except ClientDisconnect:
            raise HTTPException(400, "The delivery is incomplete.") from None
        except StoreError as error:
            # The service delivers again later; until then the steps poll.
            _log.error("webhook: %s", error)
            raise HTTPException(503, "Try again later.") from error
        if notification is not None:
            self.dispatcher.add(notification)
        return Response(status_code=204)

    def _recorded(self, body: bytes, headers: Mapping[str, str]) -> JobNotification | None:
        """What a delivery tells about a job, if that is new."""
        secrets = self.secrets()
        if not secrets:
            _log.error("webhook: no signing secret is known; create an endpoint, or give --secret")
            raise HTTPException(503, "Not ready.")
        try:
            event = verify_webhook(body, headers, secrets, time.time())
        except WebhookPayloadError as error:
            # Signed, so it is from the service. If a newer kind of event were refused, the
            # service would repeat it until it disables the endpoint.
            _log.warning("%s; %s", error, error.hint)
            return None
        except WebhookError as error:
            _log.warning("%s", error)
            raise HTTPException(400, "The delivery could not be verified.") from error
        masked = body_without_key(body, self.api_key)
        if masked != body:
            event = WebhookEvent.from_json(masked)
        try:
            text = masked.decode()
        except UnicodeDecodeError as error:
            _log.warning("webhook: the body is signed but is not UTF-8")
            raise HTTPException(400, "The body is not UTF-8.") from error
        is_new = self.received.note(event, text)
        about = f" about {event.generation.id}" if event.generation else ""
        _log.info("webhook: %s%s%s", event.type, about, "" if is_new else ", repeated")
        return notification_of(event) if is_new else None


async def _body(request: Request) -> bytes:
    """The body; refused as soon as it is too large."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > MAX_BYTES:
        raise HTTPException(413, "The body is too large.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BYTES:
            raise HTTPException(413, "The body is too large.")
    return bytes(body)
