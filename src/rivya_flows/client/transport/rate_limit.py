"""The rate of all requests of a process to one service: rises while it answers well, halves if not.

`Rate` is pure: a state and a moment give a new state and a wait. `RateLimiter` lends it to any number
of clients, threads and event loops.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import weakref
from collections import deque
from dataclasses import dataclass, replace

from rivya_flows.client.transport.runtime import Runtime

START = 20.0
"""Requests per second of a process that knows nothing about its service yet."""

MAX_HOLD_SECONDS = 60.0
"""A longer `Retry-After` holds back the call that got it, and not all the others."""

MAX_PAUSE_SECONDS = 5.0
"""Longest pause between two requests, however often the service answers 429."""

BURST_SECONDS = 0.1
"""Requests at the ceiling that need not be spread, so that a late wake-up costs no turn."""

_CLIMB_SECONDS = 20.0
"""From 0 to the ceiling after the service was too slow or refused; before that the rate doubles."""

_SAMPLES = 8
_SLOWER_SECONDS = 0.5
_WINDOW_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Latency:
    """How long requests of one kind take.

    Attributes:
        smoothed: Seconds, of about the last eight; `count` are in it.
        lowest: The lowest `smoothed` since `since`; `before` is that of the window before.
    """

    smoothed: float = 0.0
    count: int = 0
    lowest: float = float("inf")
    before: float = float("inf")
    since: float = 0.0

    def measured(self, now: float, seconds: float) -> Latency:
        """With one more request."""
        count = min(self.count + 1, _SAMPLES)
        smoothed = self.smoothed + (seconds - self.smoothed) / count
        known = smoothed if count == _SAMPLES else float("inf")
        if now - self.since >= _WINDOW_SECONDS:
            return Latency(smoothed, count, known, self.lowest, now)
        return Latency(smoothed, count, min(self.lowest, known), self.before, self.since)

    @property
    def rising(self) -> bool:
        """Twice the lowest of the last half minute to minute, and half a second above it."""
        lowest = min(self.lowest, self.before)
        return self.count == _SAMPLES and self.smoothed > 2 * lowest + _SLOWER_SECONDS


@dataclass(frozen=True, slots=True)
class Rate:
    """The state of the rate; as TCP does, it doubles until the first trouble, then climbs evenly.

    In any window of `w` seconds there are at most ``ceiling * (w + BURST_SECONDS) + 1`` turns.

    Attributes:
        ceiling: Requests per second, never exceeded.
        per_second: Requests per second now.
        full_at: When the bucket is full again. A turn moves it by the pause between two requests, and
            is free while it is less than the burst ahead.
        slowed_at: When it was halved; answers to earlier requests tell nothing new.
        doubles: It was never halved.
        latency: Of requests that compare.
    """

    ceiling: float
    per_second: float
    full_at: float
    slowed_at: float = float("-inf")
    doubles: bool = True
    latency: Latency = Latency()

    def take(self, now: float) -> tuple[Rate, float]:
        """The state after a turn, or seconds until there is one."""
        early = self.full_at - self._ahead - now
        # Less than a microsecond is a rounding error, not a wait.
        if early > 1e-6:
            return self, early
        return replace(self, full_at=max(self.full_at, now) + 1 / self.per_second), 0.0

    @property
    def _ahead(self) -> float:
        # The burst is of the ceiling, so it lasts longer at a lower rate.
        return max(0.0, self.ceiling * BURST_SECONDS - 1) / self.per_second

    def answered(self, now: float, taken_at: float, seconds: float | None) -> Rate:
        """After a good answer.

        Args:
            now: The moment.
            taken_at: When its request took its turn.
            seconds: How long the answer took; None if that does not compare: a purchase, an upload or a
                chat takes as long as its work.
        """
        if taken_at <= self.slowed_at:
            return self
        rate = self
        if seconds is not None:
            rate = replace(self, latency=self.latency.measured(now, seconds))
            if rate.latency.rising:
                # A slow service is not one that refuses: it never gets less than at the start.
                lowest = min(START, self.ceiling, self.per_second)
                return rate._halved(now, lowest)
        # Half of the burst is left: few wait, so nothing shows that the service could take more.
        if self.full_at - now <= self._ahead / 2 or self.per_second >= self.ceiling:
            return rate
        steady = min(self.per_second, self.ceiling / _CLIMB_SECONDS / self.per_second)
        gain = 1.0 if self.doubles else steady
        return rate._at(now, min(self.ceiling, self.per_second + gain))

    def refused(self, now: float, taken_at: float, retry_after_seconds: float | None) -> Rate:
        """After a 429, or another refusal with `Retry-After`, which holds all requests."""
        rate = self
        # Ten requests in flight get the same 429: that is one reason to slow down.
        if taken_at > self.slowed_at:
            rate = self._halved(now, min(1 / MAX_PAUSE_SECONDS, self.ceiling))
        hold = min(retry_after_seconds or 0.0, MAX_HOLD_SECONDS)
        return replace(rate, full_at=max(rate.full_at, now + hold + rate._ahead))

    def _halved(self, now: float, lowest: float) -> Rate:
        slower = self._at(now, max(lowest, self.per_second / 2))
        latency = replace(self.latency, smoothed=0.0, count=0)
        return replace(slower, slowed_at=now, doubles=False, latency=latency)

    def _at(self, now: float, per_second: float) -> Rate:
        """Another rate from now on; what was taken ahead of time stays taken, in turns."""
        taken = max(0.0, self.full_at - now) * self.per_second
        return replace(self, per_second=per_second, full_at=now + taken / per_second)


@dataclass(eq=False, slots=True)
class _Waiting:
    loop: asyncio.AbstractEventLoop
    turn: asyncio.Future[float]


class RateLimiter:
    """Grants turns: changes first come first served, and reads first come first served.

    Where both wait, three changes go before a read: a purchase must not wait behind hundreds of polls,
    and polls free the places of further purchases. It belongs to no event loop: each loop with waiting
    calls has one task that grants the turns that are due, whoever waits for them.

    Args:
        ceiling: Requests per second.
        runtime: Sleep and clock.
    """

    def __init__(self, ceiling: float, runtime: Runtime) -> None:
        self._rate = Rate(ceiling, min(START, ceiling), runtime.clock())
        self._runtime = runtime
        self._lock = threading.Lock()
        self._changes: deque[_Waiting] = deque()
        self._reads: deque[_Waiting] = deque()
        self._changes_in_a_row = 0
        self._granting: dict[asyncio.AbstractEventLoop, asyncio.Task[None]] = {}

    @property
    def per_second(self) -> float:
        """Requests per second at this moment."""
        return self._rate.per_second

    async def turn(self, *, changes: bool = False) -> float:
        """Returns when the next request may be sent: that moment, for `answered` and `refused`.

        Args:
            changes: It buys, makes, changes or removes something.
        """
        loop = asyncio.get_running_loop()
        with self._lock:
            if not (self._changes or self._reads):
                now = self._runtime.clock()
                self._rate, seconds = self._rate.take(now)
                if not seconds:
                    return now
            mine = _Waiting(loop, loop.create_future())
            (self._changes if changes else self._reads).append(mine)
            if loop not in self._granting:
                # In a context of its own: it outlives the call that started it.
                context = contextvars.Context()
                self._granting[loop] = loop.create_task(self._grant_all(loop), context=context)
        return await mine.turn

    def answered(self, taken_at: float, seconds: float | None) -> None:
        """Speeds up a little, or slows down if answers take ever longer; see `Rate.answered`."""
        with self._lock:
            self._rate = self._rate.answered(self._runtime.clock(), taken_at, seconds)

    def refused(self, taken_at: float, retry_after_seconds: float | None) -> None:
        """Halves the rate, and holds all requests until `Retry-After` is over."""
        with self._lock:
            now = self._runtime.clock()
            self._rate = self._rate.refused(now, taken_at, retry_after_seconds)

    async def _grant_all(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while (seconds := self._grant_due(loop)) is not None:
                await self._runtime.sleep(seconds)
        finally:
            with self._lock:
                self._granting.pop(loop, None)

    def _grant_due(self, own: asyncio.AbstractEventLoop) -> float | None:
        """Grants the turns that are due; gives the seconds until the next, or None without a wait."""
        with self._lock:
            while (queue := self._next()) is not None:
                now = self._runtime.clock()
                self._rate, seconds = self._rate.take(now)
                if seconds:
                    return seconds
                one = queue.popleft()
                self._changes_in_a_row = self._changes_in_a_row + 1 if queue is self._changes else 0
                if one.loop is own:
                    one.turn.set_result(now)
                else:
                    with contextlib.suppress(RuntimeError):  # its loop is closed: nobody waits
                        one.loop.call_soon_threadsafe(_granted, one.turn, now)
            del self._granting[own]  # under the lock: who comes next starts another
            return None

    def _next(self) -> deque[_Waiting] | None:
        """The queue whose first one is next; those who gave up are dropped."""
        for queue in (self._changes, self._reads):
            while queue and queue[0].turn.done():
                queue.popleft()
        if self._changes and not (self._reads and self._changes_in_a_row >= 3):
            return self._changes
        return self._reads or None


def _granted(turn: asyncio.Future[float], now: float) -> None:
    if not turn.done():
        turn.set_result(now)


_LIMITERS: weakref.WeakValueDictionary[object, RateLimiter] = weakref.WeakValueDictionary()
_LIMITERS_LOCK = threading.Lock()


def shared_limiter(
    service: str, api_key: str | None, ceiling: float, runtime: Runtime
) -> RateLimiter:
    """The limiter of this process for one service and key, while a client uses it.

    Clients with another ceiling or runtime have one of their own.
    """
    key = (service, api_key, ceiling, runtime)
    with _LIMITERS_LOCK:
        found = _LIMITERS.get(key)
        if found is None:
            found = _LIMITERS[key] = RateLimiter(ceiling, runtime)
        return found
