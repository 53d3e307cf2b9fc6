"""Readings of the wallet: shared by those who ask at one time, and never older than the question."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from rivya_client.types import Credits
from rivya_flows.engine.purchases import read_balance
from rivya_flows.engine.run import Run
from rivya_flows.queue.actions import ReadBalance
from support.task_runs import run_of


@dataclass
class Wallet:
    """Tells what it held when the request came, a moment later.

    Attributes:
        asked: How often.
        came: A request has come.
    """

    holds: int = 10
    asked: int = 0
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def retrieve(self) -> Credits:
        self.asked += 1
        held = self.holds
        self.came.set()
        await asyncio.sleep(0.01)
        return Credits(current_credits=held)


async def told(run: Run, step: str) -> int | None:
    return (await read_balance(run, ReadBalance(step, "after"))).credits


def of(wallet: Wallet, folder: Path) -> Run:
    return run_of(type("Client", (), {"credits": wallet}), None, folder)


async def test_who_asks_at_one_time_shares_a_reading_and_never_one_that_is_under_way(
    tmp_path: Path,
) -> None:
    """What was settled since the request of that one left, it does not know."""
    wallet = Wallet()
    run = of(wallet, tmp_path)
    first = [asyncio.create_task(told(run, step)) for step in "abcd"]
    await wallet.came.wait()
    wallet.holds = 7
    later = [asyncio.create_task(told(run, step)) for step in "ef"]
    assert [await one for one in (*first, *later)] == [10, 10, 10, 10, 7, 7]
    assert wallet.asked == 2


async def test_a_reading_that_was_cancelled_does_not_end_those_of_other_runs(
    tmp_path: Path,
) -> None:
    wallet = Wallet()
    ended, other = of(wallet, tmp_path), of(wallet, tmp_path)
    first = asyncio.create_task(told(ended, "one"))
    await wallet.came.wait()
    second, third = (asyncio.create_task(told(one, "two")) for one in (ended, other))
    await asyncio.sleep(0)
    for task in (first, second):
        task.cancel()
    ended.client = cast("Any", None)  # it is closed when its run has ended
    assert await third == 10
    assert wallet.asked == 2


def test_a_loop_that_is_over_is_not_kept_by_its_readings(tmp_path: Path) -> None:
    def read_twice() -> weakref.ref[asyncio.AbstractEventLoop]:
        async def both() -> weakref.ref[asyncio.AbstractEventLoop]:
            run = of(wallet := Wallet(), tmp_path)
            first = asyncio.create_task(told(run, "one"))
            await wallet.came.wait()
            await asyncio.gather(first, told(run, "two"), told(run, "three"))
            return weakref.ref(asyncio.get_running_loop())

        return asyncio.run(both())

    loop = read_twice()
    gc.collect()
    assert loop() is None
