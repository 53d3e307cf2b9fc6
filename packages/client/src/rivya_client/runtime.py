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
    """Tests replace a part of it, so that they do not wait."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time  # seconds since 1970
    chance: Callable[[], float] = random.random  # from 0 to below 1
    resolve: Callable[[str], Awaitable[tuple[str, ...]]] = addresses_of  # of a host name


@dataclass
class FastClock:
    """A clock that is set forward by who waits by it, and else goes as all do.

    One that always ran fast would use up every time limit while a busy machine does nothing.
    """

    ahead: float = 0.0  # of the real time, seconds
    shortened: int = 100  # a pause takes this part of its time

    def now(self) -> float:
        """Seconds, any epoch."""
        return time.monotonic() + self.ahead

    async def sleep(self, seconds: float) -> None:
        """A part of `seconds`; afterwards all of them have passed."""
        due = self.now() + seconds
        await asyncio.sleep(seconds / self.shortened)
        self.ahead += max(0.0, due - self.now())

    @property
    def runtime(self) -> Runtime:
        """The machine with this clock, for tests against a sandbox."""
        return Runtime(sleep=self.sleep, clock=self.now)
