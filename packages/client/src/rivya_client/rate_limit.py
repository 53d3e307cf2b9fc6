"""An adaptive rate limit for all requests of a process to one service.

`Rate` is pure: from a state and a time it computes a new state and a wait. `RateLimiter` shares one
`Rate` among clients, threads and event loops.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import weakref
from collections import deque
from dataclasses import dataclass, replace

from rivya_client.runtime import Runtime

REQUESTS_PER_SECOND = 100.0  # the most to one service, unless the client was given another number
START = 20.0  # initial requests per second
MAX_HOLD_SECONDS = 60.0  # a longer `Retry-After` holds back its own call, and not all the others
MAX_PAUSE_SECONDS = 5.0  # longest pause between two requests, however often the service answers 429
BURST_SECONDS = 0.1  # length of a burst at the ceiling rate; a late wake-up can catch up within it
_CLIMB_SECONDS = 20.0
"""Time of a linear climb from 0 to the ceiling after the first slowdown; before it the rate doubles."""

_SAMPLES = 8
_SLOWER_SECONDS = 0.5
_WINDOW_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Latency:
    """How long requests of one kind take, in seconds."""

    smoothed: float = 0.0  # of about the last eight; `count` are in it
    count: int = 0
    lowest: float = float("inf")  # the lowest `smoothed` since `since`
    before: float = float("inf")  # that of the window before
    since: float = 0.0

    def add(self, now: float, seconds: float) -> Latency:
        """The latency with one more sample."""
        count = min(self.count + 1, _SAMPLES)
        smoothed = self.smoothed + (seconds - self.smoothed) / count
        known = smoothed if count == _SAMPLES else float("inf")
        if now - self.since >= _WINDOW_SECONDS:
            return Latency(smoothed, count, known, self.lowest, now)
        return Latency(smoothed, count, min(self.lowest, known), self.before, self.since)

    @property
    def rising(self) -> bool:
        """Whether it is more than twice the lowest of the last 30 to 60 s, plus 0.5 s."""
        lowest = min(self.lowest, self.before)
        return self.count == _SAMPLES and self.smoothed > 2 * lowest + _SLOWER_SECONDS


@dataclass(frozen=True, slots=True)
class Rate:
    """The state of the rate. As in TCP, it doubles until the first slowdown and then climbs linearly.

    In any window of `w` seconds there are at most ``ceiling * (w + BURST_SECONDS) + 1`` turns.
    """

    ceiling: float  # requests per second, never exceeded
    per_second: float  # requests per second now
    # When the bucket is full again. A turn moves it by the pause between two requests, and is free
    # while it is less than the burst ahead.
    full_at: float
    # When it was last halved; responses to earlier requests do not halve it again.
    slowed_at: float = float("-inf")
    doubles: bool = True  # it was never halved
    latency: Latency = Latency()  # of polls, which always take about as long

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

    def after_answer(self, now: float, taken_at: float, seconds: float | None) -> Rate:
        """After a good answer to a request that took its turn at `taken_at`.

        `seconds` is the latency of a poll; None for others, whose latency depends on their work.
        """
        if taken_at <= self.slowed_at:
            return self
        rate = self
        if seconds is not None:
            rate = replace(self, latency=self.latency.add(now, seconds))
            if rate.latency.rising:
                # Slow responses, unlike refusals, never lower the rate below its start.
                lowest = min(START, self.ceiling, self.per_second)
                return rate._halve(now, lowest)
        # Demand is below the rate, so this response does not show that the service takes more.
        if self.full_at - now <= self._ahead / 2 or self.per_second >= self.ceiling:
            return rate
        steady = min(self.per_second, self.ceiling / _CLIMB_SECONDS / self.per_second)
        gain = 1.0 if self.doubles else steady
        return rate._at(now, min(self.ceiling, self.per_second + gain))

    def after_refusal(self, now: float, taken_at: float, retry_after_seconds: float | None) -> Rate:
        """After a 429, or another refusal with `Retry-After`, which holds all requests."""
        rate = self
        # Ten requests in flight get the same 429: that is one reason to slow down.
        if taken_at > self.slowed_at:
            rate = self._halve(now, min(1 / MAX_PAUSE_SECONDS, self.ceiling))
        hold = min(retry_after_seconds or 0.0, MAX_HOLD_SECONDS)
        return replace(rate, full_at=max(rate.full_at, now + hold + rate._ahead))

    def _halve(self, now: float, lowest: float) -> Rate:
        slower = self._at(now, max(lowest, self.per_second / 2))
        latency = replace(self.latency, smoothed=0.0, count=0)
        return replace(slower, slowed_at=now, doubles=False, latency=latency)

    def _at(self, now: float, per_second: float) -> Rate:
        """Another rate from now on; turns taken in advance still count."""
        taken = max(0.0, self.full_at - now) * self.per_second
        return replace(self, per_second=per_second, full_at=now + taken / per_second)


@dataclass(eq=False, slots=True)
class _Waiting:
    loop: asyncio.AbstractEventLoop
    turn: asyncio.Future[float]


class RateLimiter:
    """Grants turns from two FIFO queues: changes and reads.

    If both wait, one read follows three changes, so that a purchase does not wait behind hundreds of
    polls. It can be shared between event loops: each loop with waiting calls runs one task, which
    grants due turns to the waiting calls of all loops. The ceiling is in requests per second.
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
        """Returns when the next request may be sent: that moment, for `answered` and `refused`."""
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

    def note_answer(self, taken_at: float, seconds: float | None) -> None:
        """Speeds up a little, or slows down if answers take ever longer; see `Rate.after_answer`."""
        with self._lock:
            self._rate = self._rate.after_answer(self._runtime.clock(), taken_at, seconds)

    def note_refusal(self, taken_at: float, retry_after_seconds: float | None) -> None:
        """Halves the rate, and holds all requests until `Retry-After` is over."""
        with self._lock:
            now = self._runtime.clock()
            self._rate = self._rate.after_refusal(now, taken_at, retry_after_seconds)

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
                    with contextlib.suppress(RuntimeError):  # its loop is closed: no call waits
                        one.loop.call_soon_threadsafe(_grant, one.turn, now)
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


def _grant(turn: asyncio.Future[float], now: float) -> None:
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
