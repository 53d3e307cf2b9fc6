"""What the client takes from the machine: sleep, clocks, chance and names of hosts."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


async def addresses_of(host: str) -> tuple[str, ...]:
    """IP addresses of a host; none when the name is not known here."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(str(entry[4][0]) for entry in found)


@dataclass(frozen=True)
class Runtime:
    """Replace a part of it and nothing has to be waited for.

    Attributes:
        sleep: Sleeps for so many seconds.
        clock: Seconds on a clock that never goes back, of any epoch.
        now: Seconds since 1970, to read dates with.
        chance: A number from 0 up to but without 1.
        resolve: IP addresses of a host name.
    """

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random
    resolve: Callable[[str], Awaitable[tuple[str, ...]]] = addresses_of
