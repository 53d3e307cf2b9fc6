"""Runs the receiver: binds its port before it announces it, and ends requests that take too long."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Iterator

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from rivya_flows.errors import UsageError

BACKLOG = 2048  # connections that may wait while the receiver starts; uvicorn's default
_GRACE_SECONDS = 3  # for running requests when the receiver ends
_TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, so that its address is taken before the server starts; port 0 is a free one."""
    try:
        kind, flags = socket.SOCK_STREAM, socket.AI_PASSIVE
        family, *_, address = socket.getaddrinfo(host, port, type=kind, flags=flags)[0]
    except OSError as error:
        raise UsageError(f"--host: {host!r} is not an address of this machine") from error
    both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    try:
        return socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "is taken" if taken else f"cannot be used: {error.strerror}"
        raise UsageError(f"port {port} on {host} {reason}", "give another --port") from error


def url_of(bound: socket.socket, host: str) -> str:
    """The URL of a socket on this machine, without a slash at the end."""
    port = bound.getsockname()[1]
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


async def serve(
    app: ASGIApp,
    bound: socket.socket,
    *,
    ready: Callable[[Callable[[], None]], None],
    protocol: type[asyncio.Protocol] | None = None,
) -> None:
    """Serve until it is stopped, by what `ready` gets when requests are accepted, and close the socket."""
    server = _Server(
        uvicorn.Config(
            app,
            http=protocol or Bounded,
            ws="none",
            lifespan="on",
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    server.ready = ready
    try:
        await server.serve(sockets=[bound])
    finally:
        bound.close()
    if not server.started:
        raise UsageError("the receiver did not start", "see the log above")


class _Server(uvicorn.Server):
    """Reports when it is ready, and leaves signals to its caller."""

    ready: Callable[[Callable[[], None]], None]

    def stop(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.ready(self.stop)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Bounded(H11Protocol):
    """HTTP/1.1 with a time limit for each request."""

    seconds = 30.0  # for the head and body of a request, from the moment it is awaited
    most = 512  # connections; one more closes the one that has waited longest for its request
    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base
        super().connection_made(transport)
        self.access_log = False  # URLs are keys and must not be logged
        self._watch()
        if len(self.connections) > self.most:
            waiting = [one for one in self.connections if isinstance(one, Bounded) and one._limit]
            min(waiting, key=lambda one: one._limit.when(), default=self).transport.abort()  # type: ignore[union-attr]  # it has one

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def _watch(self) -> None:
        """Start the timer when a request is awaited, and stop it when it is complete."""
        is_awaited = not self.transport.is_closing() and self._is_awaited()
        if is_awaited and self._limit is None:
            self._limit = self.loop.call_later(self.seconds, self._end)
        elif not is_awaited and self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _is_awaited(self) -> bool:
        if self.conn.their_state is h11.IDLE:
            # Between two requests the server's own limit for idle connections applies.
            first = self.cycle is None
            return first or bool(self.conn.trailing_data[0])
        return self.conn.their_state is h11.SEND_BODY

    def _end(self) -> None:
        self._limit = None
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):  # no answer has begun
            self.transport.write(_TOO_LATE)
        self.transport.close()
