"""Which user's program is at the other end of a loopback connection."""

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

    Compares both whole addresses: another user can take the port of a connection on 127.0.0.2.
    True if the system does not tell, as on macOS.

    Source: proc(5), ``/proc/net/tcp``: columns 2 and 3 are the two ends, column 8 is the user.
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
    """``0100007F:1068`` as an address; None for an IPv6 address that maps to no IPv4 address."""
    host, _, port = written.partition(":")
    # Each word of 32 bits is written in the byte order of the machine.
    packed = b"".join(
        struct.pack("=I", int(host[begin : begin + 8], 16)) for begin in range(0, len(host), 8)
    )
    if len(packed) == 16 and packed[:12] != bytes(10) + b"\xff\xff":
        return None
    return socket.inet_ntoa(packed[-4:]), int(port, 16)
