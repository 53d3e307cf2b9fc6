"""Whose program is at the other end of a connection over loopback."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from pathlib import Path

Address = tuple[str, int]
"""IPv4 address and port."""

# A program may use either for 127.0.0.1.
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def owns(user: int, client: Address, server: Address, tables: Sequence[Path] = _TABLES) -> bool:
    """Whether a connection to a server on this machine is from a program of a user.

    Both whole addresses count: another user can take the port of a connection on 127.0.0.2. True
    where the system does not tell, as on macOS. Source: proc(5), ``/proc/net/tcp``: second and
    third column the two ends, eighth the user.

    Args:
        user: Number of the user.
        client: The end of the program.
        server: The end of the server.
        tables: Where the system lists connections.
    """
    known = False
    for table in tables:
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        known = True
        for words in map(str.split, lines):
            if (_address(words[1]), _address(words[2])) == (client, server):
                return int(words[7]) == user
    return not known


def _address(written: str) -> Address | None:
    """``0100007F:1068`` as an address; None for one of IPv6 that stands for none of IPv4."""
    host, _, port = written.partition(":")
    # Each word of 32 bits is written in the byte order of the machine.
    packed = b"".join(
        struct.pack("=I", int(host[begin : begin + 8], 16)) for begin in range(0, len(host), 8)
    )
    if len(packed) == 16 and packed[:12] != bytes(10) + b"\xff\xff":
        return None
    return socket.inet_ntoa(packed[-4:]), int(port, 16)
