"""The receiver: media and reports for browsers, and webhooks from the service."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from pydantic import SecretStr
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rivya_client.hosts import is_known
from rivya_client.key_masking import body_without_key
from rivya_client.types import WebhookEvent
from rivya_client.webhook_signatures import WebhookError, WebhookPayloadError, verify_webhook
from rivya_flows.errors import StoreError
from rivya_flows.receiver.addresses import REPORT_NAME, SECRET_NAME
from rivya_flows.receiver.live import Reports
from rivya_flows.receiver.media import Uploads, declared_size, read_body, serve_medium, serve_still
from rivya_flows.receiver.notification import (
    Emit,
    JobNotification,
    NotificationDispatcher,
    note_received,
    notification_of,
    prune_received,
)
from rivya_flows.receiver.reviews import Deliver, Reviews, leave
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.database import rows
from rivya_flows.store.journal import Journal
from rivya_flows.store.secrets import shared_secret

WEBHOOK_PATH = "/webhooks/rivya"

MAX_BYTES = 2**20  # of a delivery; an event is a few kilobytes
_TOO_LARGE = "The body is too large."

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FORWARDED = frozenset({"forwarded", "via", "x-forwarded-for", "x-real-ip"})
_PRUNE_SECONDS = 3600.0
_NO_STORE = {"Cache-Control": "no-store"}
_NOT_FOUND = "Not found. Copy all of the link, or ask the person who sent it for another one."
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    # A URL is a key: it must not reach pages that somebody opens from there.
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex"),
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Metrics:
    """Serves Prometheus text to clients with a password: it names campaigns and costs. Not through a proxy."""

    text: Callable[[], bytes]
    auth: SecretStr = field(repr=False)

    async def __call__(self, request: Request) -> Response:
        if not _FORWARDED.isdisjoint(request.headers):
            raise HTTPException(404)
        expected = b"Basic " + base64.b64encode(self.auth.get_secret_value().encode())
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), expected):
            return PlainTextResponse(
                "Give the name and password of RIVYA_FLOWS_METRICS_AUTH.",
                401,
                {"WWW-Authenticate": 'Basic realm="rivya-flows"'},
            )
        return Response(await run_in_threadpool(self.text), media_type=_METRICS_TYPE)


@dataclass
class Receiver:
    """What the receiver needs, and its routes.

    Attributes:
        secrets: Returns the signing secrets that are valid now.
        prune: Deletes what the store need not keep, and its period in seconds.
        api_key: Masked where a delivery quotes it.
        deliver: Takes the answers of links to the journal of a run.
    """

    journal: Journal
    assets: AssetStore
    secrets: Callable[[], Sequence[SecretStr]]
    emit: Emit
    metrics: Metrics | None = None
    hosts: frozenset[str] = frozenset()
    prune: tuple[Callable[[], object], float] | None = None
    api_key: str | None = field(default=None, repr=False)
    deliver: Deliver = leave

    def __post_init__(self) -> None:
        self._dispatcher = NotificationDispatcher(self.emit)

    def app(self) -> ASGIApp:
        secret = shared_secret(self.journal.engine, SECRET_NAME)
        uploads = Uploads(self.assets, secret)
        reports = Reports.of(self.journal, secret)
        reviews = Reviews(self.journal, self.assets, secret, self.deliver, self.hosts)
        self._reviews = reviews
        routes = [
            Route("/media/{token}/{name}", partial(serve_medium, self.assets, secret)),
            Route("/stills/{token}/{name}", partial(serve_still, self.assets, secret)),
            Route(f"/runs/{{token}}/{REPORT_NAME}", reports.page),
            *reviews.routes(),
            Route("/runs/{token}/events", reports.events),
            Route("/runs/{token}/past", reports.past),
            Route("/upload/{token}", uploads.page),
            Route("/upload/{token}", uploads.take, methods=["POST"]),
            Route(WEBHOOK_PATH, self._take, methods=["POST"]),
            Route("/healthz", self._health),
        ]
        if self.metrics is not None:
            routes.append(Route("/metrics", self.metrics.__call__))
        answers = {404: _missing, ClientDisconnect: _incomplete, StoreError: _unusable}
        app = Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=answers)
        app.router.redirect_slashes = False
        return _Guarded(app, self.hosts)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        prune = partial(prune_received, self.journal.engine), _PRUNE_SECONDS
        wanted: list[tuple[Callable[[], object], float]] = [prune, *filter(None, [self.prune])]
        working = [asyncio.create_task(_prune(*one)) for one in wanted]
        working.append(asyncio.create_task(self._reviews.deliver_left()))
        try:
            async with self._dispatcher.working():
                yield
        finally:
            await self._reviews.stop()
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    async def _health(self, _: Request) -> Response:
        try:
            await run_in_threadpool(rows, self.journal.engine, select(1))
        except StoreError:
            return JSONResponse({"status": "the store cannot be read"}, status_code=503)
        return JSONResponse({"status": "ok"})

    async def _take(self, request: Request) -> Response:
        """204 once an event is recorded; 400 for one that cannot be verified; 503 asks to deliver it again."""
        declared_size(request, MAX_BYTES, _TOO_LARGE)
        body = b"".join([piece async for piece in read_body(request, MAX_BYTES, _TOO_LARGE)])
        notification = await run_in_threadpool(self._record, body, request.headers)
        if notification is not None:
            self._dispatcher.add(notification)
        return Response(status_code=204)

    def _record(self, body: bytes, headers: Mapping[str, str]) -> JobNotification | None:
        """What a delivery tells about a job, if that is new."""
        secrets = self.secrets()
        if not secrets:
            _log.error("webhook: no signing secret is known; create an endpoint, or give --secret")
            raise HTTPException(503, "Not ready.")
        try:
            verify_webhook(body, headers, secrets, time.time())
            masked = body_without_key(body, self.api_key)
            event, text = WebhookEvent.from_json(masked), masked.decode()
        except WebhookPayloadError as error:
            # Signed, so it is from the service. If a newer kind of event were refused, the
            # service would repeat it until it disables the endpoint.
            _log.warning("%s; %s", error, error.hint)
            return None
        except (WebhookError, UnicodeDecodeError) as error:
            _log.warning("%s", error)
            raise HTTPException(400, "The delivery could not be verified.") from error
        is_new = note_received(self.journal.engine, event, text)
        about = f" about {event.generation.id}" if event.generation else ""
        _log.info("webhook: %s%s%s", event.type, about, "" if is_new else ", repeated")
        return notification_of(event) if is_new else None


@dataclass(frozen=True)
class _Guarded:
    """Answers to known hosts only, with headers that restrict what a browser does."""

    app: ASGIApp
    hosts: frozenset[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_restricted(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_ALWAYS]
            await send(message)

        if scope["type"] != "http":  # the beginning and end of the application
            await self.app(scope, receive, send)
            return
        answer, headers = self.app, Headers(scope=scope)
        if "content-length" in headers and "transfer-encoding" in headers:
            # A proxy that uses the other length would take the rest for another request.
            answer = PlainTextResponse("A body has one length.", 400, {"Connection": "close"})
        elif not is_known(headers.get("host"), self.hosts):
            answer = PlainTextResponse("Set RIVYA_FLOWS_PUBLIC_URL to the address used.", 421)
        await answer(scope, receive, send_restricted)


async def _prune(prune: Callable[[], object], period: float) -> None:
    while True:
        try:
            await run_in_threadpool(prune)
        except Exception:  # or the disk would fill without a word
            _log.exception("what is old cannot be removed; trying again in %g s", period)
        await asyncio.sleep(period)


async def _missing(request: Request, error: Exception) -> Response:
    """The same for what never existed, what is gone, and what is secret."""
    return PlainTextResponse(_NOT_FOUND, 404, _NO_STORE)


async def _incomplete(request: Request, error: Exception) -> Response:
    return PlainTextResponse("The body is incomplete.", 400)


async def _unusable(request: Request, error: Exception) -> Response:
    _log.error("%s", error)
    return PlainTextResponse("Try again later.", 503, _NO_STORE)
