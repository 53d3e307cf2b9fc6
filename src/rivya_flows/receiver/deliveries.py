"""`POST /webhooks/rivya`: a delivery is verified, noted once, answered, and only then passed on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from rivya_flows.client.webhook_signatures import WebhookError, WebhookPayloadError, verify_webhook
from rivya_flows.errors import StoreError
from rivya_flows.receiver.dispatcher import NotificationDispatcher
from rivya_flows.receiver.notification import JobNotification, notice_of
from rivya_flows.store.received_events import Received

MAX_BYTES = 2**20
"""Of a delivery's body; an event is a few kilobytes."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Deliveries:
    """Takes the service's deliveries.

    Attributes:
        secrets: Gives those that a delivery may be signed with now.
        received: Where events are noted.
        relay: Passes them on.
        tolerance_seconds: How old a signature may be.
        clock: Unix seconds.
    """

    secrets: Callable[[], Sequence[SecretStr]]
    received: Received
    relay: NotificationDispatcher
    tolerance_seconds: float = 300
    clock: Callable[[], float] = time.time

    async def __call__(self, request: Request) -> Response:
        """204 once an event is noted; 400 for what is not to be believed."""
        try:
            body = await _body(request)
        except ClientDisconnect:
            return _answer(400, "The delivery did not come whole.")
        if body is None:
            return _answer(413, "The body is too large.")
        try:
            answer, notice = await run_in_threadpool(self._take, body, request.headers)
        except StoreError as error:
            # The service delivers again later, and until then the steps look by themselves.
            _log.error("webhook: %s", error)
            return _answer(503, "Try again later.")
        if notice is not None:
            self.relay.take(notice)
        return answer

    def _take(
        self, body: bytes, headers: Mapping[str, str]
    ) -> tuple[Response, JobNotification | None]:
        secrets = self.secrets()
        if not secrets:
            _log.error("webhook: no signing secret is known; make an endpoint, or give --secret")
            return _answer(503, "Not ready."), None
        try:
            event = verify_webhook(
                body, headers, secrets, self.clock(), tolerance_seconds=self.tolerance_seconds
            )
        except WebhookPayloadError as error:
            # Signed, so it is from the service; to refuse a newer kind of event would make it
            # come again and again, until the endpoint is disabled.
            _log.warning("%s; %s", error, error.hint)
            return _taken(), None
        except WebhookError as error:
            _log.warning("%s", error)
            return _answer(400, "The delivery could not be verified."), None
        try:
            text = body.decode()
        except UnicodeDecodeError:
            _log.warning("webhook: the body is signed but is not UTF-8")
            return _answer(400, "The body is not UTF-8."), None
        is_new = self.received.note(event, text)
        about = f" about {event.generation.id}" if event.generation else ""
        _log.info("webhook: %s%s%s", event.type, about, "" if is_new else ", once more")
        return _taken(), notice_of(event) if is_new else None


def _taken() -> Response:
    return Response(status_code=204)


async def _body(request: Request) -> bytes | None:
    """The body, or None as soon as it is too large."""
    told = request.headers.get("content-length", "")
    if told.isdigit() and int(told) > MAX_BYTES:
        return None
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > MAX_BYTES:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _answer(status: int, words: str) -> Response:
    return PlainTextResponse(words, status_code=status)
