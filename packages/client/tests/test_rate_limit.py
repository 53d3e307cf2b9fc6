"""The rate of all clients of a process, on a clock that moves only when somebody sleeps."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from rivya_client.rate_limit import (
    BURST_SECONDS,
    MAX_HOLD_SECONDS,
    MAX_PAUSE_SECONDS,
    START,
    Rate,
    RateLimiter,
    shared_limiter,
)
from rivya_client.runtime import Runtime
from support.samples import examples


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps = 0

    async def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        self.now += seconds
        await asyncio.sleep(0)

    def limiter(self, ceiling: float) -> RateLimiter:
        return RateLimiter(ceiling, Runtime(sleep=self.sleep, clock=lambda: self.now))


def send(rate: Rate, now: float) -> tuple[Rate, float]:
    """The state after the next turn, and when it was."""
    rate, wait = rate.take(now)
    if wait:
        now += wait
        rate, wait = rate.take(now)
        assert wait == 0
    return rate, now


def turns(rate: Rate, now: float, count: int) -> tuple[Rate, float, list[float]]:
    """After so many turns as fast as possible, without answers: state, moment, and all moments."""
    moments = []
    for _ in range(count):
        rate, now = send(rate, now)
        moments.append(now)
    return rate, now, moments


def answered(
    rate: Rate, now: float, count: int, seconds: float | None = 0.05
) -> tuple[Rate, float]:
    """After so many turns as fast as possible, each with a good answer at once."""
    for _ in range(count):
        rate, now = send(rate, now)
        rate = rate.after_answer(now, now, seconds)
    return rate, now


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["turn", "good", "slow", "429", "retry-after", "pause"]), st.floats(0, 20)
    ),
    max_size=300,
)


@given(ceiling=st.floats(0.2, 500), steps=STEPS)
def test_no_window_has_more_turns_than_the_ceiling_allows(
    ceiling: float, steps: list[tuple[str, float]]
) -> None:
    rate, now, taken = Rate(ceiling, min(START, ceiling), 0.0), 0.0, [float("-inf")]
    for what, number in steps:
        if what == "turn":
            rate, now = send(rate, now)
            taken.append(now)
        elif what == "good":
            rate = rate.after_answer(now, taken[-1], None)
        elif what == "slow":
            rate = rate.after_answer(now, taken[-1], number)
        elif what == "429":
            rate = rate.after_refusal(now, taken[-1], None)
        elif what == "retry-after":
            rate = rate.after_refusal(now, taken[-1], number)
        else:
            now += number
        assert 0 < rate.per_second <= ceiling
    moments = taken[1:]
    for first, begin in enumerate(moments):
        for count, end in enumerate(moments[first:], 1):
            assert count <= ceiling * (end - begin + BURST_SECONDS) + 1 + 1e-3


@settings(max_examples=examples(20))
@given(ceiling=st.floats(0.2, 500), troubles=st.integers(1, 30))
def test_it_recovers_to_the_ceiling_from_any_number_of_refusals(
    ceiling: float, troubles: int
) -> None:
    rate, now = Rate(ceiling, min(START, ceiling), 0.0), 0.0
    for _ in range(troubles):
        rate, now = send(rate, now)
        rate = rate.after_refusal(now, now, None)
    for _ in range(20_000):
        if rate.per_second == ceiling:
            break
        rate, now = answered(rate, now, 1)
    assert rate.per_second == ceiling


def test_it_starts_at_twenty_and_doubles_while_the_service_answers_well() -> None:
    rate, begin, _ = turns(Rate(100, START, 0.0), 0.0, 10)
    assert begin == 0, "the burst"
    _, now, _ = turns(rate, begin, 20)
    assert now == pytest.approx(1.0)
    rate, now = answered(rate, begin, 90)
    assert rate.per_second == 100
    assert now < 2


def test_it_does_not_rise_while_nobody_waits_for_a_turn() -> None:
    rate, now = Rate(100, START, 0.0), 0.0
    for _ in range(200):
        rate, now = answered(rate, now + 1, 1)
    assert rate.per_second == START


def test_a_429_halves_the_rate_and_then_it_climbs_evenly() -> None:
    rate, now = answered(Rate(100, 100, 0.0), 0.0, 30)
    rate = rate.after_refusal(now, now, None)
    assert rate.per_second == pytest.approx(50, rel=0.1)
    rate, later = answered(rate, now + 1, 1)
    rate, later = answered(rate, later, 300)
    assert 65 < rate.per_second < 80
    assert 4 < later - now < 7


def test_what_was_in_flight_before_a_429_neither_slows_down_again_nor_speeds_up() -> None:
    rate, now, moments = turns(Rate(100, 100, 0.0), 0.0, 30)
    for taken_at in moments:
        now += 0.1
        rate = rate.after_refusal(now, taken_at, None)
    assert rate.per_second == pytest.approx(50, rel=0.1)
    for taken_at in moments:
        rate = rate.after_answer(now, taken_at, 0.05)
    assert rate.per_second == pytest.approx(50, rel=0.1)


def test_retry_after_holds_all_requests() -> None:
    rate = Rate(2, 2, 0.0).after_refusal(0.0, 0.0, 10)
    _, _, moments = turns(rate, 0.0, 3)
    assert moments == pytest.approx([10, 11, 12])


def test_no_error_stops_the_client_forever() -> None:
    rate, now = Rate(2, 2, 0.0), 0.0
    for _ in range(20):
        rate = rate.after_refusal(now, now, 86_400)
        now += MAX_HOLD_SECONDS
    _, _, (first, second) = turns(rate, now, 2)
    assert (first, second - first) == pytest.approx((now, MAX_PAUSE_SECONDS))


def test_answers_that_take_ever_longer_halve_the_rate_but_not_below_the_start() -> None:
    fast, now = answered(Rate(100, 100, 0.0), 0.0, 50, seconds=0.1)
    rate, later = answered(fast, now, 8, seconds=2.0)
    assert rate.per_second == pytest.approx(50, rel=0.1)
    rate, later = answered(rate, later, 200, seconds=2.0)
    assert START <= rate.per_second < START + 3
    rate, later = answered(rate, later, 6_000, seconds=2.0)
    assert rate.per_second == 100, "a minute later it is what is usual"
    assert answered(fast, now, 50, seconds=None)[0].per_second == 100, "what does not compare"


async def asked(limiter: RateLimiter, names: Iterable[str]) -> list[str]:
    """The order in which turns are granted; a name in capitals changes something."""
    order = []

    async def ask(name: str) -> None:
        await limiter.turn(changes=name.isupper())
        order.append(name)

    await asyncio.gather(*(ask(name) for name in names))
    return order


async def test_turns_are_granted_in_order() -> None:
    names = [f"read {number}" for number in range(50)]
    assert await asked(Time().limiter(10), names) == names


async def test_a_purchase_does_not_wait_behind_reads_and_reads_go_on() -> None:
    order = await asked(Time().limiter(1), ["a", *"bcdef", *"ABCDEFG"])
    assert "".join(order) == "aABCbDEFcGdef"


async def test_ten_thousand_waiting_calls_cost_one_wake_up_for_each_turn() -> None:
    time = Time()
    limiter = time.limiter(100)
    await asyncio.gather(*(limiter.turn() for _ in range(10_000)))
    assert time.sleeps <= 10_000
    assert time.now - 1000 == pytest.approx((10_000 - 10) / START, rel=0.01)


async def test_a_cancelled_call_takes_no_turn_and_leaves_nothing_running() -> None:
    time = Time()
    limiter = time.limiter(1)
    await limiter.turn()
    waiting = [asyncio.create_task(limiter.turn()) for _ in range(4)]
    await asyncio.sleep(0)
    for one in waiting[:3]:
        one.cancel()
    assert await waiting[3] - 1000 == pytest.approx(1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_event_loops_of_several_threads_share_one_rate() -> None:
    limiter = RateLimiter(200, Runtime())
    moments: list[float] = []

    async def use() -> None:
        moments.extend(await asyncio.gather(*(limiter.turn() for _ in range(15))))

    threads = [threading.Thread(target=asyncio.run, args=(use(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Twenty are the burst; no clock makes the others come earlier.
    assert len(moments) == 45
    assert max(moments) - min(moments) >= 25 / START - 0.01


async def test_a_loop_that_died_with_waiting_calls_holds_up_nobody() -> None:
    limiter = RateLimiter(20, Runtime())
    other = asyncio.new_event_loop()

    pending: set[asyncio.Task[Any]] = set()

    async def leave() -> None:
        pending.update(asyncio.create_task(limiter.turn()) for _ in range(10))
        await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: other.run_until_complete(leave()))
    thread.start()
    thread.join()
    pending |= asyncio.all_tasks(other)
    other.close()
    await asyncio.wait_for(limiter.turn(), 240)
    for one in pending:
        one._log_destroy_pending = False  # type: ignore[attr-defined]  # what the test is about


def test_clients_of_one_service_and_key_share_a_limiter_and_others_do_not() -> None:
    runtime = Runtime()
    one = shared_limiter("https://a.test", "k", 100, runtime)
    assert shared_limiter("https://a.test", "k", 100, Runtime()) is one
    others = [
        ("https://b.test", "k", 100),
        ("https://a.test", "l", 100),
        ("https://a.test", "k", 5),
    ]
    assert all(shared_limiter(*other, runtime) is not one for other in others)
