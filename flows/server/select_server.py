"""Which server Prefect in this process speaks to, and whether that answers.

Set through the environment, not `temporary_settings`: neither Prefect's threads for events and
logs nor child processes inherit a context variable.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rivya_flows.environment import set_variables
from rivya_flows.flows.prefect_internals import drop_pending

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

HEALTH_SECONDS = 60.0
"""A server of a busy machine may take so long; one that is gone refuses at once."""


def point(wanted: Mapping[str, str | None]) -> dict[str, str | None]:
    """Set variables, or remove them (None); returns the replaced values, to restore them with."""
    replaced = set_variables(wanted)
    try:
        _reread_settings()
    except Exception:
        set_variables(replaced)
        raise
    return replaced


@contextmanager
def pointed_at(wanted: Mapping[str, str]) -> Iterator[None]:
    replaced = point(wanted)
    try:
        yield
    finally:
        restore(replaced)


def restore(replaced: Mapping[str, str | None]) -> None:
    set_variables(replaced)
    _reread_settings()


async def health_problem(client: PrefectClient) -> Exception | None:
    """Why a server does not serve, or None; waits `HEALTH_SECONDS` for its answer."""
    try:
        async with asyncio.timeout(HEALTH_SECONDS):
            return await client.api_healthcheck()
    except TimeoutError as error:
        return error


def password_hint(status: int) -> str:
    """What to do about an answer with an error of a server that somebody named."""
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return (
            "set PREFECT_API_AUTH_STRING to the name:password of that server, or PREFECT_API_KEY, in the"
            " environment or in its Prefect profile"
        )
    return "check its address, which ends in /api, and see the log of that server"


def _reread_settings() -> None:
    """Let a Prefect that is imported already see the environment as it is now."""
    if "prefect" in sys.modules:
        import prefect.context

        prefect.context.refresh_global_settings_context()


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
            with pointed_at(_GIVES_UP):
                await asyncio.Event().wait()  # until the end of the block
        if failures == 2:
            tell(
                f"the Prefect server at {shown} does not answer: this run goes on, and what it"
                " makes is safe; at its end it waits some minutes for the server, which shall record it"
            )
