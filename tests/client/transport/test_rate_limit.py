"""The pace of a client, without waiting."""

from __future__ import annotations

import asyncio

from rivya_flows.client.transport.rate_limit import (
    MAX_HOLD_SECONDS,
    MAX_PAUSE_SECONDS,
    RateLimiter,
)
from rivya_flows.client.transport.runtime import Runtime


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def pace(self, per_second: float, burst: int) -> RateLimiter:
        return RateLimiter(per_second, burst, Runtime(sleep=self.sleep, clock=lambda: self.now))


async def turns(pace: RateLimiter, time: Time, count: int) -> list[float]:
    """When each of so many turns came, in seconds from now."""
    began, moments = time.now, []
    for _ in range(count):
        await pace.turn()
        moments.append(round(time.now - began, 6))
    return moments


async def test_a_burst_is_free_and_then_the_pace_holds() -> None:
    time = Time()
    assert await turns(time.pace(2, burst=3), time, 6) == [0, 0, 0, 0.5, 1, 1.5]


async def test_retry_after_holds_all_requests_and_halves_the_pace() -> None:
    time = Time()
    pace = time.pace(2, burst=3)
    pace.slow_down(10)
    assert await turns(pace, time, 3) == [10, 11, 12]


async def test_many_429s_of_one_moment_slow_down_once() -> None:
    time = Time()
    pace = time.pace(2, burst=1)
    for _ in range(10):
        pace.slow_down(None)
    assert await turns(pace, time, 3) == [0, 1, 2]


async def test_good_answers_restore_the_pace() -> None:
    time = Time()
    pace = time.pace(2, burst=1)
    pace.slow_down(None)
    for _ in range(20):
        pace.recover()
    assert await turns(pace, time, 3) == [0, 0.5, 1]


async def test_no_error_stops_the_client_forever() -> None:
    time = Time()
    pace = time.pace(2, burst=1)
    for _ in range(20):
        pace.slow_down(86_400)
        time.now += MAX_HOLD_SECONDS
    first, second = await turns(pace, time, 2)
    assert (first, second - first) == (0, MAX_PAUSE_SECONDS)


async def test_turns_are_granted_in_order() -> None:
    time = Time()
    pace, order = time.pace(1, burst=1), []

    async def ask(name: int) -> None:
        await pace.turn()
        order.append(name)

    await asyncio.gather(*(ask(name) for name in range(5)))
    assert order == [0, 1, 2, 3, 4]
