"""What the client needs from the machine: sleep, clocks, chance and host names."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


async def addresses_of(host: str) -> tuple[str, ...]:
    """IP addresses of a host; none if the name is unknown."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(str(entry[4][0]) for entry in found)


@dataclass(frozen=True)
class Runtime:
    """Tests replace a part of it, so that they do not wait.

    Attributes:
        sleep: Sleeps for a number of seconds.
        clock: Seconds of a monotonic clock.
        now: Seconds since 1970.
        chance: A number from 0 to below 1.
        resolve: IP addresses of a host name.
    """

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random
    resolve: Callable[[str], Awaitable[tuple[str, ...]]] = addresses_of
