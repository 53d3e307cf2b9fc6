"""Malformed HTTP, and requests with two lengths."""

from __future__ import annotations

import json
import re
import socket
from urllib.parse import urlsplit

import pytest
from starlette.datastructures import Headers

from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import PATIENCE


def test_a_connection_whose_request_has_two_lengths_is_closed_after_it(sandbox: Sandbox) -> None:
    head = b"GET /api/v1/models HTTP/1.1\r\nHost: x\r\n"
    both = head + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    where = urlsplit(sandbox.base_url)
    with socket.create_connection((where.hostname, where.port), timeout=PATIENCE) as connection:
        connection.sendall(both + head + b"\r\n")
        came = b""
        while piece := connection.recv(2**16):
            came += piece
    assert came.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "request_head",
    [
        b"nonsense\r\n\r\n",
        b"GET /api/v1/models HTTP/1.1\r\n\r\n",  # no Host
        b"GET /api/v1/models HTTP/1.1\r\nHost: x\r\nIdempotency-Key: a\x00b\r\n\r\n",
        b"GET /api/v1/models HTTP/1.1\r\nHost: x\r\nBad Header: a\r\n\r\n",
        b"POST /api/v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /api/v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 9" + b"9" * 30 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 2**18 + b"\r\n\r\n",
    ],
    ids=range(8),
)
def test_malformed_http_is_refused_in_json(sandbox: Sandbox, request_head: bytes) -> None:
    where = urlsplit(sandbox.base_url)
    with socket.create_connection((where.hostname, where.port), timeout=PATIENCE) as connection:
        connection.sendall(request_head)
        head, _, body = _all(connection).partition(b"\r\n\r\n")
    status, _, lines = head.decode().partition("\r\n")
    headers = Headers(dict(line.split(": ", 1) for line in lines.split("\r\n")))
    assert status.startswith("HTTP/1.1 4")
    assert headers["content-type"] == "application/json"
    assert json.loads(body)["error"]["requestId"] == headers["x-request-id"]


def _all(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(2**16):
        received += chunk
        head, cut, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        if cut and length is not None and len(body) >= int(length[1]):
            break
    return received
