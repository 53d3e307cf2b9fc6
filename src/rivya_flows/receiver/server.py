"""Runs the receiver: bound before anybody is told, ended at once when told."""

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
"""Connections that may wait while the receiver begins; as uvicorn has it later."""

_GRACE_SECONDS = 3  # that running requests get when the receiver ends


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens, so that its address is known before the server begins, and taken.

    Args:
        host: A name or an address.
        port: 0 takes a free one.

    Raises:
        UsageError: The address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise UsageError(f"--host: {host!r} is no address of this machine") from error
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # At once: until then another user can take the same address and listen there first.
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        taken = error.errno == errno.EADDRINUSE
        reason = "is taken" if taken else f"cannot be had: {error.strerror}"
        raise UsageError(f"port {port} on {host} {reason}", "give another --port") from error
    return bound


def url_of(bound: socket.socket, host: str) -> str:
    """Where this machine reaches what listens there, without a slash at its end."""
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
    """Serves until it is stopped.

    Args:
        app: The application.
        bound: From `listen`; closed at the end.
        ready: Told when requests can come, with the function that stops the server; that may be
            called from this event loop only.
        request_seconds: That a request, head and body, may take to come.
        most_connections: At one time.

    Raises:
        UsageError: The application did not start.
    """
    server = _Server(app, ready, bounded(request_seconds, most_connections))
    try:
        await server.serve(sockets=[bound])
    finally:
        bound.close()
    if not server.started:
        raise UsageError("the receiver did not start", "see what is logged above")


class _Server(uvicorn.Server):
    """Says when it is ready, ends at once when told, and leaves signals to its caller."""

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
                access_log=False,  # addresses are keys, and this would write them down
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
