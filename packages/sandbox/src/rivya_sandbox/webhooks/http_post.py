"""One HTTP POST to a webhook receiver, at a checked address.

Connects to the very address that passed the check, which defeats DNS rebinding; follows no redirect
and reads only the head of the answer.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import cache

from rivya_sandbox.webhooks.events import AttemptOutcome
from rivya_sandbox.webhooks.urls import Target, is_public

SECONDS = 10.0
"""Time limit of an attempt, from resolving the name to the head of the answer."""
_LARGEST_HEAD = 2**16  # bytes
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: |\r)")

Resolve = Callable[[str, int], Awaitable[list[str]]]


async def addresses(host: str, port: int) -> list[str]:
    """The addresses of a name, without duplicates.

    Raises:
        OSError: It has none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def post(
    target: Target,
    headers: Mapping[str, str],
    body: bytes,
    *,
    allow_local: bool,
    seconds: float = SECONDS,
    resolve: Resolve = addresses,
) -> AttemptOutcome:
    """Send a request; returns the status, or why there is none.

    Args:
        target: The receiver.
        headers: Besides ``Host``, ``Content-Length`` and ``Connection``.
        body: Sent unchanged.
        allow_local: Whether loopback is allowed.
        seconds: Time limit.
        resolve: Returns the addresses of a host.
    """
    try:
        async with asyncio.timeout(seconds):
            found = await resolve(target.host, target.port)
            if not found or not all(is_public(one, allow_local=allow_local) for one in found):
                return AttemptOutcome(None, "The host does not lead to a public address.")
            status = await _exchange(target, found[0], _request(target, headers, body))
    except TimeoutError:
        return AttemptOutcome(None, f"No answer within {seconds:g} s.")
    except ssl.SSLError:
        return AttemptOutcome(None, "The TLS connection failed.")
    except (OSError, UnicodeError):
        return AttemptOutcome(None, "The connection failed.")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        return AttemptOutcome(None, "The answer is not HTTP.")
    return AttemptOutcome(
        status, None if 200 <= status < 300 else f"The receiver answered {status}."
    )


async def _exchange(target: Target, address: str, request: bytes) -> int:
    reader, writer = await asyncio.open_connection(
        address,
        target.port,
        limit=_LARGEST_HEAD,
        ssl=_tls() if target.secure else None,
        # The certificate must match the name, not the address.
        server_hostname=target.host if target.secure else None,
    )
    try:
        writer.write(request)
        await writer.drain()
        status = 100
        while status < 200:
            head = _STATUS_LINE.match(await reader.readuntil(b"\r\n\r\n"))
            if head is None:
                raise ValueError("no status line")
            status = int(head[1])
        return status
    finally:
        writer.transport.abort()


def _request(target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.authority}",
        *(f"{name}: {value}" for name, value in headers.items()),
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
