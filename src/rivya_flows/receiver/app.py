"""The receiver: media and reports for browsers, and webhooks from the service."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import logging
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rivya_flows.errors import StoreError
from rivya_flows.hosts import is_known
from rivya_flows.receiver.addresses import REPORT_NAME, SECRET_NAME
from rivya_flows.receiver.deliveries import Deliveries
from rivya_flows.receiver.dispatcher import NotificationDispatcher
from rivya_flows.receiver.media import MediaRoutes
from rivya_flows.receiver.notification import Emit
from rivya_flows.receiver.reports import Reports
from rivya_flows.receiver.responses import not_found
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.database import reading
from rivya_flows.store.journal import Journal
from rivya_flows.store.received_events import Received
from rivya_flows.store.shared_secrets import shared_secret

WEBHOOK_PATH = "/webhooks/rivya"

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FORWARDED = frozenset({"forwarded", "via", "x-forwarded-for", "x-real-ip"})
_PRUNE_SECONDS = 3600.0
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    # An address is a key: it must not travel on to pages that somebody opens from there.
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex"),
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReceiverContext:
    """What the receiver stands on.

    Attributes:
        journal: Of the store.
        assets: Its media.
        secrets: Gives the signing secrets that count now.
        emit: Passes notices on; None passes on nothing.
        metrics: Gives Prometheus text; None has no ``/metrics``.
        auth: ``name:password`` that who asks for metrics must give; None asks for none.
        hosts: Names with a dot that it answers to, in lower case; see `hosts.is_known`.
    """

    journal: Journal
    assets: AssetStore
    secrets: Callable[[], Sequence[SecretStr]]
    emit: Emit | None = None
    metrics: Callable[[], bytes] | None = None
    hosts: frozenset[str] = frozenset()
    auth: SecretStr | None = None


def receiver(site: ReceiverContext) -> ASGIApp:
    """The application.

    Raises:
        StoreError: The store cannot be read or written.
    """
    secret = shared_secret(site.journal.engine, SECRET_NAME)
    relay = NotificationDispatcher(site.emit or _nobody)
    received = Received(site.journal.engine)
    deliveries = Deliveries(site.secrets, received, relay)
    routes = [
        Route("/media/{token}/{name}", MediaRoutes(site.assets, secret).__call__, methods=["GET"]),
        Route(f"/runs/{{token}}/{REPORT_NAME}", Reports(site.journal, secret).__call__),
        Route(WEBHOOK_PATH, deliveries.__call__, methods=["POST"]),
        Route("/healthz", _Health(site.journal).__call__),
    ]
    if site.metrics is not None:
        routes.append(Route("/metrics", _Metrics(site.metrics, site.auth).__call__))

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        pruning = asyncio.create_task(_prune(received))
        try:
            async with relay.working():
                yield
        finally:
            pruning.cancel()
            await asyncio.gather(pruning, return_exceptions=True)

    app = Starlette(
        routes=routes, lifespan=lifespan, exception_handlers={404: _missing, StoreError: _unusable}
    )
    app.router.redirect_slashes = False
    return _Guarded(app, site.hosts)


@dataclass(frozen=True)
class _Health:
    journal: Journal

    async def __call__(self, request: Request) -> Response:
        """200 while the store answers."""
        try:
            await run_in_threadpool(self._look)
        except StoreError:
            return JSONResponse({"status": "the store cannot be read"}, status_code=503)
        return JSONResponse({"status": "ok"})

    def _look(self) -> None:
        with reading(self.journal.engine) as connection:
            connection.execute(select(1))


@dataclass(frozen=True)
class _Metrics:
    text: Callable[[], bytes]
    auth: SecretStr | None

    async def __call__(self, request: Request) -> Response:
        """The text, for who asks this machine itself: a proxy makes media public, not numbers."""
        if not _FORWARDED.isdisjoint(request.headers):
            return not_found()
        if not self._may(request.headers.get("authorization", "")):
            asks = {"WWW-Authenticate": 'Basic realm="rivya-flows"'}
            return PlainTextResponse(
                "Give the name and password of RIVYA_FLOWS_METRICS_AUTH.", 401, asks
            )
        return Response(await run_in_threadpool(self.text), media_type=_METRICS_TYPE)

    def _may(self, given: str) -> bool:
        if self.auth is None:
            return True
        encoded = base64.b64encode(self.auth.get_secret_value().encode())
        return hmac.compare_digest(given.encode(), b"Basic " + encoded)


@dataclass(frozen=True)
class _Guarded:
    """Answers to known hosts alone, in a way that lets a browser show it and do no more with it."""

    app: ASGIApp
    hosts: frozenset[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(message)
            await send(message)

        app = (
            self.app if scope["type"] != "http" else self._refusal(Headers(scope=scope)) or self.app
        )
        await app(scope, receive, guarded)

    def _refusal(self, headers: Headers) -> Response | None:
        if "content-length" in headers and "transfer-encoding" in headers:
            # A proxy that counts the other way would take the rest for a request of somebody else.
            words, away = "A body has one length.", {"Connection": "close"}
            return PlainTextResponse(words, status_code=400, headers=away)
        if not is_known(headers.get("host"), self.hosts):
            words = "Set RIVYA_FLOWS_PUBLIC_URL to the address used."
            return PlainTextResponse(words, status_code=421)
        return None


def _add_headers(message: MutableMapping[str, Any]) -> None:
    message["headers"] = [*message.get("headers", ()), *_ALWAYS]


async def _prune(received: Received) -> None:
    while True:
        try:
            await run_in_threadpool(received.prune)
        except StoreError as error:
            _log.warning("old webhook events stay: %s", error)
        await asyncio.sleep(_PRUNE_SECONDS)


async def _nobody(_: object) -> None:
    """Passes on to nobody."""


async def _missing(request: Request, error: Exception) -> Response:
    return not_found()


async def _unusable(request: Request, error: Exception) -> Response:
    _log.error("%s", error)
    return Response("Try again later.", status_code=503, headers={"Cache-Control": "no-store"})
