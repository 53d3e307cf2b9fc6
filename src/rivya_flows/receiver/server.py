"""Runs the receiver: binds its port before it announces it, and ends at once when stopped."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from rivya_flows.errors import UsageError
from rivya_flows.receiver.connections import MOST_CONNECTIONS, REQUEST_SECONDS, bounded

BACKLOG = 2048
"""Connections that may wait while the receiver starts; uvicorn's own default."""

_GRACE_SECONDS = 3  # for running requests when the receiver ends


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, so that the address is known and taken before the server starts.

    Args:
        port: 0 takes a free one.

    Raises:
        UsageError: The address is invalid or taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise UsageError(f"--host: {host!r} is not an address of this machine") from error
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # At once: until then another user could listen on the same address.
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        taken = error.errno == errno.EADDRINUSE
        reason = "is taken" if taken else f"cannot be used: {error.strerror}"
        raise UsageError(f"port {port} on {host} {reason}", "give another --port") from error
    return bound


def url_of(bound: socket.socket, host: str) -> str:
    """The URL of a socket on this machine, without a slash at the end."""
    port = bound.getsockname()[1]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    if ":" in name and not name.startswith("["):
        name = f"[{name}]"
    return f"http://{name}:{port}"


async def serve(
    app: ASGIApp,
    bound: socket.socket,
    *,
    ready: Callable[[Callable[[], None]], None],
    request_seconds: float = REQUEST_SECONDS,
    most_connections: int = MOST_CONNECTIONS,
) -> None:
    """Serve until it is stopped.

    Raises:
        UsageError: The application did not start.
    """
    server = _Server(app, ready, bounded(request_seconds, most_connections))
    try:
        await server.serve(sockets=[bound])
    finally:
        bound.close()
    if not server.started:
        raise UsageError("the receiver did not start", "see the log above")


class _Server(uvicorn.Server):
    """Reports when it is ready, ends at once when stopped, and leaves signals to its caller."""

    def __init__(
        self,
        app: ASGIApp,
        ready: Callable[[Callable[[], None]], None],
        protocol: type[asyncio.Protocol],
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,  # URLs are keys and must not be logged
                server_header=False,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        self._ready = ready
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        self._stopped.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready(self.stop)

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # keeps the Date header right
            try:
                await asyncio.wait_for(self._stopped.wait(), 1)
            except TimeoutError:
                continue

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
