"""The HTTP server below the application: readiness, shutdown, and malformed requests."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from rivya_sandbox.service.errors import invalid
from rivya_sandbox.service.fault_injection import DROP
from rivya_sandbox.service.identifiers import new_id

_GRACE = 2  # seconds for running requests at shutdown
_LOOK = 0.01  # seconds between checks whether they have ended


class Server(uvicorn.Server):
    """Reports when it is ready, stops at once, and leaves signals to `serve`."""

    def __init__(self, application: ASGIApp, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                http=_Cuttable,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=_GRACE,
            )
        )
        self._ready = ready
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        self._stopped.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # keeps the Date header current
            try:
                await asyncio.wait_for(self._stopped.wait(), 1)
            except TimeoutError:
                continue

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As the base class, without its pause of a tenth of a second when no client is connected."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        clock = asyncio.get_running_loop().time
        end = clock() + _GRACE
        while self._busy() and not self.force_exit and clock() < end:
            await asyncio.sleep(_LOOK)
        for task in list(self.server_state.tasks):
            task.cancel(msg="the sandbox ends")

    def _busy(self) -> bool:
        return bool(self.server_state.connections or self.server_state.tasks)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Cuttable(H11Protocol):
    """Lets the application cut its connection, for which ASGI has no message.

    Malformed HTTP never reaches the application; it is refused here, in the same envelope.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base
        self.app_state = {**self.app_state, DROP: transport.abort}
        super().connection_made(transport)

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()  # in the middle of an answer
            return
        request_id = new_id("req")
        body = json.dumps(invalid("The request is not valid HTTP.").envelope(request_id)).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            (b"x-request-id", request_id.encode()),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
