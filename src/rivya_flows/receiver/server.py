"""Runs the receiver: binds its port before it announces it.

No connection stays for long without a request.
"""

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

BACKLOG = 2048
"""Connections that may wait while the receiver starts; uvicorn's own default."""

_GRACE_SECONDS = 3  # for running requests when the receiver ends


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, so that its address is taken before the server starts; port 0 is a free one."""
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
    protocol: type[asyncio.Protocol] | None = None,
) -> None:
    """Serve until it is stopped, and close the socket.

    `ready` is called when the server accepts requests, with the function that stops it, which must
    be called from this event loop.
    """
    server = _Server(
        uvicorn.Config(
            app,
            http=protocol or Bounded,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,  # URLs are keys and must not be logged
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

    seconds = 30.0
    """Time for the head and body of a request, from the moment it is awaited."""

    most = 512
    """Connections; one more closes the one that has waited longest for its request, else itself."""

    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > self.most:
            waiting = [one for one in self.connections if isinstance(one, Bounded) and one._limit]
            min(waiting, key=lambda one: one._limit.when(), default=self).transport.abort()  # type: ignore[union-attr]  # it has one

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unwatch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def _watch(self) -> None:
        """Start the timer when a request is awaited, and stop it when it is complete."""
        if self.transport.is_closing() or not self._is_awaited():
            self._unwatch()
        elif self._limit is None:
            self._limit = self.loop.call_later(self.seconds, self._end)

    def _unwatch(self) -> None:
        if self._limit is not None:
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
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._send_timeout()
        self.transport.close()

    def _send_timeout(self) -> None:
        words = b"The request did not arrive in time."
        headers = [("content-type", "text/plain; charset=utf-8"), ("connection", "close")]
        headers.append(("content-length", str(len(words))))
        head = h11.Response(status_code=408, headers=headers, reason=b"Request Timeout")
        for event in (head, h11.Data(data=words), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
