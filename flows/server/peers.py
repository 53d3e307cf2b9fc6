"""Which user of this machine is at the other end of a connection over loopback."""

from __future__ import annotations

import contextlib
from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))  # a program may use either for 127.0.0.1


def user_of(client_port: int, server_port: int) -> int | None:
    """The number of the user whose program connects; None where the system does not tell.

    Source: proc(5), ``/proc/net/tcp``: second and third column the two ends, eighth the user.
    """
    for table in _TABLES:
        with contextlib.suppress(OSError, ValueError, IndexError):
            for line in table.read_text().splitlines()[1:]:
                words = line.split()
                ends = [int(end.rpartition(":")[2], 16) for end in words[1:3]]
                if ends == [client_port, server_port]:
                    return int(words[7])
    return None
