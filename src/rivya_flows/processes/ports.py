"""Loopback ports, and HTTP servers on them."""

from __future__ import annotations

import contextlib
import http.client
import socket
import sys
from urllib.parse import urlsplit

import psutil

from rivya_flows.errors import UsageError

RECEIVER_PORT = 8710  # default port of the receiver: URLs in pages should stay valid
_RESERVED: dict[int, socket.socket] = {}


def probe(url: str, *, timeout_seconds: float = 3.0) -> http.client.HTTPResponse | None:
    """Status and headers of the answer to a GET, its body unread; None without an HTTP answer."""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        parts = urlsplit(url)
        is_https = parts.scheme == "https"
        kind = http.client.HTTPSConnection if is_https else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=timeout_seconds)
        with contextlib.closing(connection):
            connection.request("GET", parts.path or "/")
            return connection.getresponse()
    return None


def answers(url: str, *, timeout_seconds: float = 3.0) -> bool:
    found = probe(url, timeout_seconds=timeout_seconds)
    return found is not None and found.status == 200


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _reserve(port: int) -> int:
    """The port, which no program is given by chance while this process lives; on Linux alone.

    A server may listen there: what holds the port does not listen, and both set SO_REUSEADDR.
    """
    if sys.platform == "linux" and port not in _RESERVED:
        _RESERVED[port] = socket.socket()
        _RESERVED[port].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # a server has just begun to listen there
            _RESERVED[port].bind(("127.0.0.1", port))
    return port


def is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True  # `create_server` sets SO_REUSEADDR, as the servers do
    return False


def holder(port: int) -> str:
    """Who listens on a port, as far as the system tells this user."""
    with contextlib.suppress(psutil.Error, OSError):
        for one in psutil.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port:
                if one.pid is None:
                    return " by another user's program"
                return f" by {psutil.Process(one.pid).name()} (process {one.pid})"
    return ""


def choose_port(
    wanted: int | None,
    last: int | None,
    usual: int | None = None,
    *,
    option: str = "--port",
    moves: bool = True,
) -> int:
    """The wanted port (0: any free one; None: any), else the last one, else the usual one, else a free one.

    `moves`: another one will do if the last one, or without one the usual one, is taken.
    """
    fixed = wanted if moves or wanted is not None else last or usual
    if fixed:
        if not is_free(fixed):
            raise UsageError(
                f"port {fixed} is taken{holder(fixed)}",
                f"end that program, or give another {option}, or 0 for a free one",
            )
        return _reserve(fixed)
    candidates = (last, usual if wanted is None else None)
    chosen = next((port for port in candidates if port and is_free(port)), None)
    return _reserve(chosen or free_port())
