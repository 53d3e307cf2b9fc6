"""A server on loopback that sends raw bytes, as no honest HTTP server would."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from rivya_client.client import RivyaClient
from rivya_client.retries import ONCE


@dataclass
class Raw:
    """A server with one prepared answer for each connection; the last one repeats.

    Attributes:
        url: Where it is.
        heads: Heads of the requests, as text.
    """

    url: str = ""
    heads: list[str] = field(default_factory=list)

    def client(self, api_key: str | None = "rvya_sk_of_a_test") -> RivyaClient:
        """A client of it without retries."""
        return RivyaClient(api_key, self.url, retry=ONCE, requests_per_second=1e6)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False


@contextmanager
def saying(*answers: bytes) -> Iterator[Raw]:
    """A running server."""
    raw = Raw()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(ConnectionError):
                lines = list(iter(self.rfile.readline, b"\r\n"))
                raw.heads.append(b"".join(lines).decode("latin-1"))
                self.wfile.write(answers[min(len(raw.heads), len(answers)) - 1])
                self.connection.shutdown(1)
                # Closing with unread bytes would reset the connection and lose the answer.
                while self.rfile.read1():
                    continue

    with _Server(("127.0.0.1", 0), Handler) as server:
        raw.url = f"http://127.0.0.1:{server.server_address[1]}"
        serving = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        serving.start()
        try:
            yield raw
        finally:
            server.shutdown()


def http(body: bytes, *headers: str, status: int = 200) -> bytes:
    """A response in the bytes of HTTP/1.1."""
    length = f"Content-Length: {len(body)}"
    lines = [f"HTTP/1.1 {status} Said", *headers, length, "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
