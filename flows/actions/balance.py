"""Reads the wallet before and after each step; readings that coincide share one request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from weakref import WeakKeyDictionary

from flows.run import Run
from rivya_flows.errors import APIError
from rivya_flows.plan.actions import ReadBalance
from rivya_flows.plan.events import BalanceRead, Event
from tasks.credits import balance

_UNDER_WAY: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[int]] = WeakKeyDictionary()


async def read(run: Run, action: ReadBalance) -> AsyncGenerator[Event]:
    """Tells the balance; None where the service did not, since a reading never stops a run."""
    try:
        credits = await _shared()
    except APIError:
        credits = None
    yield BalanceRead(step=action.step, phase=action.phase, credits=credits)


async def _shared() -> int:
    loop = asyncio.get_running_loop()
    reading = _UNDER_WAY.get(loop)
    if reading is None or reading.done():
        reading = _UNDER_WAY[loop] = loop.create_task(balance())
    return await asyncio.shield(reading)
