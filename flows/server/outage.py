"""Says within seconds that the Prefect server of a run is away, and when it is back.

Prefect's client repeats a call for a minute without a word. A run waits for that only at its end:
journal and purchases need no server.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from rivya_flows.flows.prefect_internals import drop_pending
from rivya_flows.flows.server.select_server import point, restore

LOOK_SECONDS = 2.0
_CONNECT_SECONDS = 5.0
_GIVES_UP = {"PREFECT_CLIENT_MAX_RETRIES": "0"}


def accepts(api_url: str) -> bool:
    """Whether a program listens at the address of a server."""
    parts = urlsplit(api_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), _CONNECT_SECONDS):
            return True
    except OSError:
        return False


@asynccontextmanager
async def told_outages(
    api_url: str,
    tell: Callable[[str], object],
    lives: Callable[[], bool] | None = None,
    *,
    look_seconds: float = LOOK_SECONDS,
) -> AsyncIterator[None]:
    """Tell each outage of a server while the block lasts.

    Args:
        lives: Of a server that nobody starts again for this process: whether its process exists.
            Once it does not, Prefect's client in this process stops to repeat calls. None: of a
            server that may come back, to which the run's state is sent until Prefect gives up.
        look_seconds: How often to look; twice without success is an outage.
    """
    away = asyncio.Event()
    watching = asyncio.create_task(_watch(api_url, tell, lives, look_seconds, away))
    try:
        yield
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        if away.is_set():
            drop_pending()


async def _watch(
    api_url: str,
    tell: Callable[[str], object],
    lives: Callable[[], bool] | None,
    seconds: float,
    away: asyncio.Event,
) -> None:
    failures = 0
    shown = api_url.removesuffix("/api")
    while True:
        await asyncio.sleep(seconds)
        if lives is None:
            answered = await asyncio.to_thread(accepts, api_url)
        else:
            answered = lives()
        if answered:
            if failures > 1:
                tell(f"the Prefect server at {shown} answers again")
            failures = 0
            away.clear()
            continue
        failures += 1
        away.set()
        if lives is not None:
            tell(
                f"the Prefect server at {shown} died: this run goes on, and what it makes is safe;"
                " its page in Prefect stays as it is now"
            )
            replaced = point(_GIVES_UP)
            try:
                await asyncio.Event().wait()  # until the end of the block
            finally:
                restore(replaced)
        if failures == 2:
            tell(
                f"the Prefect server at {shown} does not answer: this run goes on, and what it"
                " makes is safe; at its end it waits some minutes for the server, which shall record it"
            )
