"""The pace of one client: a token bucket that the service's `Retry-After` slows down."""

from __future__ import annotations

import asyncio

from rivya_flows.client.transport.runtime import Runtime

MAX_HOLD_SECONDS = 60.0
"""A longer `Retry-After` holds back the call that got it, and not all the others."""

MAX_PAUSE_SECONDS = 5.0
"""Longest pause between two requests, however often the service answers 429."""

_RECOVERY = 0.9  # each good answer shortens the pause between two requests by a tenth


class RateLimiter:
    """Grants turns, first come first served.

    The state is one moment: when the bucket is full again. A turn moves it by the
    pause between two requests; a turn is free while that moment is less than a burst ahead.
    """

    def __init__(self, per_second: float, burst: int, runtime: Runtime) -> None:
        self._normal = 1 / per_second
        self._pause = self._normal
        self._ahead = (burst - 1) * self._normal
        self._full_at = runtime.clock()
        self._slowed_until = runtime.clock()
        self._runtime = runtime
        self._queue = asyncio.Lock()

    async def turn(self) -> None:
        """Returns when the next request may be sent."""
        async with self._queue:
            while (seconds := self._take()) > 0:
                await self._runtime.sleep(seconds)

    def _take(self) -> float:
        now = self._runtime.clock()
        early = self._full_at - self._ahead - now
        # Less than a microsecond is a rounding error, not a wait.
        if early > 1e-6:
            return early
        self._full_at = max(self._full_at, now) + self._pause
        return 0.0

    def slow_down(self, retry_after_seconds: float | None) -> None:
        """Halves the pace, and holds all requests until `Retry-After` is over."""
        now = self._runtime.clock()
        hold = min(retry_after_seconds or 0.0, MAX_HOLD_SECONDS)
        self._full_at = max(self._full_at, now + hold + self._ahead)
        # Ten requests in flight get the same 429: that is one reason to slow down.
        if now >= self._slowed_until:
            self._pause = min(self._pause * 2, max(MAX_PAUSE_SECONDS, self._normal))
            self._slowed_until = now + max(hold, 1.0)

    def recover(self) -> None:
        """Speeds up a little, up to the normal pace."""
        self._pause = max(self._normal, self._pause * _RECOVERY)
