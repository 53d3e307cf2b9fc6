"""Runs the receiver: with the store, Prefect, and an endpoint at the service that leads to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from rivya_flows.app.metrics import StoreMetrics
from rivya_flows.app.retention import prune_store
from rivya_flows.app.run_context import RunContext
from rivya_flows.errors import APIError
from rivya_flows.hosts import host_in
from rivya_flows.receiver import server
from rivya_flows.receiver.app import WEBHOOK_PATH, Metrics, ReceiverContext, receiver
from rivya_flows.receiver.notification import Emit
from rivya_flows.receiver.registration import register
from rivya_flows.scratch import scratch
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal
from rivya_flows.store.secrets import forget_signing_secrets, signing_secrets

_DAY_SECONDS = 24 * 3600.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ListenOptions:
    """The options of `webhooks listen`; a port of 0 takes a free one, `secrets` come beside those of the store."""

    host: str
    port: int
    secrets: tuple[SecretStr, ...] = ()
    registers: bool = False
    sandbox: bool = False


@dataclass(frozen=True)
class Ready:
    """A receiver that accepts requests; its endpoint at the service is None if it was not registered."""

    base_url: str
    public_url: str
    webhooks: str
    prefect_api_url: str
    endpoint: str | None
    has_secret: bool


async def serve_receiver(
    settings: Settings,
    options: ListenOptions,
    announce: Callable[[Ready], None],
    *,
    events: Callable[[], AbstractAsyncContextManager[tuple[str, Emit]]],
    service: Callable[[], AbstractAsyncContextManager[RunContext]],
) -> None:
    """Serve until SIGTERM or Ctrl-C; must run in the main thread.

    `events` starts a Prefect server unless one runs; it gives its URL, and what sends notifications.
    """
    bound = server.listen(options.host, options.port)
    base_url = server.url_of(bound, options.host)
    public_url = (settings.rivya_flows_public_url or base_url).rstrip("/")
    webhooks = public_url + WEBHOOK_PATH
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(contextlib.closing(bound))
        api_url, emit = await stack.enter_async_context(events())
        endpoint = None
        if options.registers:
            is_local = settings.rivya_flows_public_url is None
            registering = _registered(service, webhooks, removes=is_local)
            endpoint = await stack.enter_async_context(registering)
        folder = stack.enter_context(scratch())
        journal = stack.enter_context(contextlib.closing(Journal(settings.store_url)))

        # Read for each delivery, so that new endpoints and secrets count at once.
        def secrets() -> tuple[SecretStr, ...]:
            return (*options.secrets, *signing_secrets(journal.engine))

        def ready(stop: Callable[[], None]) -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop)
            has_secret = bool(secrets())
            announce(Ready(base_url, public_url, webhooks, api_url, endpoint, has_secret))

        auth = settings.rivya_flows_metrics_auth
        public_host = host_in(settings.rivya_flows_public_url or "")
        context = ReceiverContext(
            journal,
            AssetStore(settings.assets_url, folder),
            secrets,
            emit,
            Metrics(StoreMetrics(journal.engine).text, auth) if auth else None,
            frozenset(name for name in (public_host, options.host.lower()) if name),
            _pruning(settings, journal, folder),
            None if (key := settings.rivya_api_key) is None else key.get_secret_value(),
        )
        await server.serve(receiver(context), bound, ready=ready)


def _pruning(
    settings: Settings, journal: Journal, scratch: Path
) -> tuple[Callable[[], object], float] | None:
    """What `RIVYA_FLOWS_KEEP_MEDIA_DAYS` asks for, and its period in seconds."""
    days = settings.rivya_flows_keep_media_days
    if days is None:
        return None
    assets = AssetStore(settings.assets_url, scratch)

    def prune() -> None:
        pruned = prune_store(
            journal,
            assets,
            now=datetime.now(UTC),
            older_than=timedelta(days=days),
            data=settings.data,
        )
        _log.info("deleted %d media, %d bytes", len(pruned.media), pruned.size_bytes)

    return prune, min(_DAY_SECONDS, days * _DAY_SECONDS / 10)


@asynccontextmanager
async def _registered(
    service: Callable[[], AbstractAsyncContextManager[RunContext]], url: str, *, removes: bool
) -> AsyncIterator[str]:
    """The id of the endpoint at the service, which keeps the events of a public receiver until that comes back."""
    async with service() as context, context.client() as client:
        engine = context.journal.engine
        endpoint_id = await register(client, engine, url)
        try:
            yield endpoint_id
        finally:
            if removes:
                with contextlib.suppress(APIError):
                    await client.webhooks.delete(endpoint_id)
                    forget_signing_secrets(engine, endpoint_id)
