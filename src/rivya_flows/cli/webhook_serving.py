"""What `webhooks listen` runs: receiver, store, Prefect and the endpoint at the service together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from rivya_flows.app.metrics import StoreMetrics
from rivya_flows.app.runs import open_journal
from rivya_flows.cli.service import at_home
from rivya_flows.errors import APIError
from rivya_flows.flows.server.local_server import local_server
from rivya_flows.hosts import host_in
from rivya_flows.receiver import server
from rivya_flows.receiver.app import WEBHOOK_PATH, ReceiverContext, receiver
from rivya_flows.receiver.notification import Emit
from rivya_flows.receiver.registration import register
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.signing_secrets import forget_signing_secrets, signing_secrets


@dataclass(frozen=True)
class ListenOptions:
    """What is asked for.

    Attributes:
        port: 0 takes a free one.
        secrets: Beside those in the store.
        registers: Let the service send its events here.
        sandbox: The service is the local sandbox, also where there is a key.
    """

    host: str
    port: int
    secrets: tuple[SecretStr, ...] = ()
    registers: bool = False
    sandbox: bool = False


@dataclass(frozen=True)
class Ready:
    """A receiver to which requests can come.

    Attributes:
        base_url: Where this machine reaches it.
        public_url: Where browsers reach it, as far as is known.
        webhooks: Where the service sends events.
        prefect_api_url: Whom they are passed on to.
        endpoint: The service's endpoint for it; None where it was not registered.
        has_secret: Whether any event can be verified.
    """

    base_url: str
    public_url: str
    webhooks: str
    prefect_api_url: str
    endpoint: str | None
    has_secret: bool


async def serve_here(
    settings: Settings, wish: ListenOptions, announce: Callable[[Ready], None]
) -> None:
    """Serves until SIGTERM or Ctrl-C; needs the main thread.

    Args:
        settings: The settings.
        wish: What is asked for.
        announce: Told once, when requests can come.

    Raises:
        UsageError: The port is taken, or no Prefect server starts.
        StoreError: The store cannot be opened.
        APIError: The service does not take the endpoint.
    """
    bound = server.listen(wish.host, wish.port)
    base_url = server.url_of(bound, wish.host)
    public_url = (settings.rivya_flows_public_url or base_url).rstrip("/")
    address = public_url + WEBHOOK_PATH
    # Read by Prefect while it is imported.
    os.environ.setdefault("DO_NOT_TRACK", "1")
    with contextlib.closing(bound):
        async with local_server(settings.data, api_url=settings.prefect_api_url) as api_url:
            # Here and not above: importing Prefect takes longer than opening a store.
            from rivya_flows.flows.execution.webhook_events import prefect_events

            async with prefect_events() as emit, _registered(settings, wish, address) as endpoint:
                with _site(settings, wish, emit) as site:

                    def ready(stop: Callable[[], None]) -> None:
                        _stop_on_signals(stop)
                        known = bool(site.secrets())
                        announce(Ready(base_url, public_url, address, api_url, endpoint, known))

                    await server.serve(receiver(site), bound, ready=ready)


@contextmanager
def _site(settings: Settings, wish: ListenOptions, emit: Emit) -> Iterator[ReceiverContext]:
    auth = settings.rivya_flows_metrics_auth
    with (
        tempfile.TemporaryDirectory(prefix="rivya-flows-") as scratch,
        open_journal(settings) as journal,
    ):
        yield ReceiverContext(
            journal,
            AssetStore(settings.assets_url, Path(scratch)),
            # Read for each delivery: an endpoint that is made, or a secret that is changed, while
            # this runs counts at once.
            lambda: (*wish.secrets, *signing_secrets(journal.engine)),
            emit,
            # They name campaigns and what these cost, and every user of the machine can ask.
            StoreMetrics(journal.engine).text if auth else None,
            _hosts(settings, wish),
            auth,
        )


def _hosts(settings: Settings, wish: ListenOptions) -> frozenset[str]:
    """Names under which it is known on purpose."""
    public = host_in(settings.rivya_flows_public_url or "")
    return frozenset(name for name in (public, wish.host.lower()) if name)


@asynccontextmanager
async def _registered(
    settings: Settings, wish: ListenOptions, address: str
) -> AsyncIterator[str | None]:
    """The endpoint of the service; one that leads to this machine alone goes at the end."""
    if not wish.registers:
        yield None
        return
    async with at_home(sandbox=wish.sandbox) as context, context.client() as client:
        engine = context.journal.engine
        found = await register(client, engine, address)
        try:
            yield found.endpoint_id
        finally:
            # A public address comes back, and the service keeps its events for it meanwhile.
            if settings.rivya_flows_public_url is None:
                with contextlib.suppress(APIError):
                    await client.webhooks.delete(found.endpoint_id)
                    forget_signing_secrets(engine, found.endpoint_id)


def _stop_on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
