"""Reads the balance before and after each step; concurrent readers share one request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from rivya_flows.errors import APIError
from rivya_flows.flows.execution.active_run import Run
from rivya_flows.planning.queue.actions import ReadBalance
from rivya_flows.planning.queue.events import BalanceRead, Event
from rivya_flows.tasks.generations import balance


@dataclass
class _Reading:
    """One read of the balance for all who asked before it was sent.

    Attributes:
        sent: Later purchases may not show in it.
    """

    task: asyncio.Task[int] | None = None
    sent: bool = False


_LAST: WeakKeyDictionary[asyncio.AbstractEventLoop, _Reading] = WeakKeyDictionary()


async def read(run: Run, action: ReadBalance) -> AsyncGenerator[Event]:
    """Report the balance; None if the service does not answer, which never stops a run."""
    try:
        credits = await _shared()
    except APIError:
        credits = None
    yield BalanceRead(step=action.step, phase=action.phase, credits=credits)


async def _shared() -> int:
    loop = asyncio.get_running_loop()
    reading = _LAST.get(loop)
    if reading is None or reading.sent:
        earlier = None if reading is None else reading.task
        reading = _LAST[loop] = _Reading()
        reading.task = loop.create_task(_read(reading, earlier))
    assert reading.task is not None  # set when the reading is created
    return await asyncio.shield(reading.task)


async def _read(reading: _Reading, earlier: asyncio.Task[int] | None) -> int:
    """Read once no other read runs, so that callers in the meantime share the next one."""
    if earlier is not None and not earlier.done():
        await asyncio.wait([earlier])
    reading.sent = True
    return await balance()
