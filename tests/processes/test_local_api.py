from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from rivya_flows.processes.local_api import FILE, Loopback, new_auth, server_auth

AUTH = "rivya:secret"


@pytest.fixture
def squatter() -> Iterator[tuple[int, list[str]]]:
    """Another user's server on the port, and the requests that it got."""
    heard: list[str] = []

    class Squatter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(f"{self.path} {self.headers}")
            body = json.dumps({"proof": "I am it, trust me"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Squatter) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_port, heard
        server.shutdown()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a\nb", "пароль".encode()])
def test_no_server_is_ours_with_a_broken_password_file(
    tmp_path: Path, content: bytes, squatter: tuple[int, list[str]]
) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert not Loopback(squatter[0], server_auth(tmp_path)).healthy()


def test_a_server_that_cannot_prove_its_identity_does_not_get_the_password(
    squatter: tuple[int, list[str]],
) -> None:
    port, heard = squatter
    assert not Loopback(port, AUTH).healthy()
    assert len(heard) == 1
    assert "Authorization" not in heard[0]


def test_the_representation_of_a_server_hides_its_password() -> None:
    assert "secret" not in repr(Loopback(4200, AUTH))


def test_each_server_has_a_new_password_that_only_its_owner_can_read(tmp_path: Path) -> None:
    first = new_auth(tmp_path)
    assert server_auth(tmp_path) == first
    assert len(first) > 40
    assert new_auth(tmp_path) != first
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600]
