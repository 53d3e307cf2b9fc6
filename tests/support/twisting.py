"""A proxy of the sandbox that changes answers: a service that breaks its contract."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

Twist = Callable[[str, bytes], bytes]
"""Maps a request, such as ``GET /api/v1/models``, and the body of its answer to another body."""


@dataclass
class Twisting:
    """The proxy.

    Attributes:
        url: Where it is.
        twist: Applied to each 2xx answer.
        asked: The requests, in order.
    """

    url: str = ""
    twist: Twist = lambda asked, body: body
    asked: list[str] = field(default_factory=list)


@contextmanager
def twisting(base_url: str) -> Iterator[Twisting]:
    """A running proxy of a sandbox."""
    proxy = Twisting()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = f"{self.command} {self.path}"
            proxy.asked.append(asked)
            sent = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            passed = {name: told for name, told in self.headers.items() if name.lower() != "host"}
            answer = behind.request(self.command, self.path, content=sent, headers=passed)
            body = proxy.twist(asked, answer.content) if answer.is_success else answer.content
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *said: object) -> None:
            """Says nothing."""

    with (
        httpx.Client(base_url=base_url, verify=False, timeout=240) as behind,
        ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server,
    ):
        server.daemon_threads, server.block_on_close = True, False
        proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield proxy
        finally:
            server.shutdown()
