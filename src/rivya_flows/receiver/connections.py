"""Connections to the receiver: none stays for long without a request."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 30.0
"""Time for the head and body of a request, from the moment it is awaited."""

MOST_CONNECTIONS = 512
"""One more closes the connection that has waited longest for its request, else itself."""


class Bounded(H11Protocol):
    """HTTP/1.1 with a time limit for each request."""

    seconds = REQUEST_SECONDS
    most = MOST_CONNECTIONS
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
        headers = [
            ("content-type", "text/plain; charset=utf-8"),
            ("content-length", str(len(words))),
            ("connection", "close"),
        ]
        answer: tuple[Any, ...] = (
            h11.Response(status_code=408, headers=headers, reason=b"Request Timeout"),
            h11.Data(data=words),
            h11.EndOfMessage(),
        )
        for event in answer:
            self.transport.write(self.conn.send(event) or b"")


def bounded(seconds: float, most: int) -> type[Bounded]:
    """The protocol with other bounds."""
    return type("Bounded", (Bounded,), {"seconds": seconds, "most": most})
