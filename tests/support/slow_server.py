"""A program between Prefect's clients and its server that holds back what they send."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class Gate:
    """Passes what clients send to a server, unless it is closed.

    Attributes:
        port: Where it listens, on loopback.
        delay: Seconds that each piece of what clients send is held back.
    """

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._open = threading.Event()
        self._open.set()
        self._closes_at: Callable[[bytes], bool] | None = None
        self.closed = threading.Event()
        self.delay = 0.0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        _start(self._accept)

    def close_at(self, word: Callable[[bytes], bool]) -> None:
        """Holds back everything from the first piece for which `word` is true."""
        self._closes_at = word

    def close(self) -> None:
        """Holds back everything from now on."""
        self._open.clear()
        self.closed.set()

    def open(self) -> None:
        """Passes everything again, first what was held back."""
        self._closes_at = None
        self._open.set()

    def end(self) -> None:
        """Takes no more connections."""
        self.open()
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                _start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._server)
        except OSError:
            client.close()
            return
        _start(_pass, server, client, lambda piece: piece)
        _pass(client, server, self._hold)

    def _hold(self, piece: bytes) -> bytes:
        if self._closes_at is not None and self._closes_at(piece):
            self.close()
        time.sleep(self.delay)
        self._open.wait()
        # The server takes only requests that name it.
        return piece.replace(b":%d\r\n" % self.port, b":%d\r\n" % self._server[1])


def _start(call: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=call, args=arguments, daemon=True).start()


def _pass(source: socket.socket, target: socket.socket, held: Callable[[bytes], bytes]) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(held(piece))
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextmanager
def gate_before(api_url: str) -> Iterator[tuple[Gate, str]]:
    """A gate before the server at an address, and the address of its API behind the gate."""
    parts = urlsplit(api_url)
    gate = Gate((parts.hostname or "", parts.port or 80))
    try:
        yield gate, f"http://127.0.0.1:{gate.port}{parts.path}"
    finally:
        gate.end()
