from __future__ import annotations

import socket
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from rivya_flows.errors import UsageError
from rivya_flows.processes.ports import answers, choose_port, free_port, probe


def test_the_wanted_port_is_chosen_else_the_last_else_the_usual_else_a_free_one() -> None:
    with socket.socket() as taken, socket.socket() as also_taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        also_taken.bind(("127.0.0.1", 0))
        also_taken.listen()
        port, other = taken.getsockname()[1], also_taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} is taken"):
            choose_port(port, None)
        assert choose_port(None, port, other) not in (port, other)
    assert choose_port(port, other) == port
    assert choose_port(None, port, other) == port
    assert choose_port(None, None, other) == other
    assert choose_port(0, None, other) != other


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port cannot be held for a server")
def test_a_chosen_port_is_given_to_nobody_by_chance_and_a_server_may_listen_on_it() -> None:
    port = choose_port(0, None)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    for _ in range(2):  # it starts again
        with socket.create_server(("127.0.0.1", port)):
            socket.create_connection(("127.0.0.1", port)).close()
    assert choose_port(port, None) == port


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keeps the output of tests short."""


def test_only_a_successful_answer_counts() -> None:
    with HTTPServer(("127.0.0.1", 0), _Hello) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, daemon=True).start()
        found = probe(url)
        assert found is not None
        assert found.status == 404
        assert found.getheader("Date")
        assert not answers(url)
        assert answers(f"{url}/health")
        server.shutdown()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{}", "https://127.0.0.1:{}", "http://[", "no url"]
)
def test_no_http_answer_is_not_an_error(url: str) -> None:
    assert probe(url.format(free_port())) is None
