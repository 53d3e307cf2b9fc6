"""Journals the events of a run without blocking, and applies them once they are durable."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from rivya_flows.flows.execution.active_run import Run
from rivya_flows.planning.queue.events import Event, RunEnded, Stamped
from rivya_flows.store.database import to_its_end


@dataclass(frozen=True, eq=False)
class _Entry:
    written: Future[tuple[Stamped, ...]]
    counted: asyncio.Future[None]


class EventFeed:
    """The events of one execution, in the order of its journal.

    Args:
        count: Called with each entry once it is durable.
    """

    def __init__(self, run: Run, count: Callable[[Stamped], None]) -> None:
        self._run = run
        self._count = count
        self._loop = asyncio.get_running_loop()
        # The thread that writes has none of its own, and actions need that of the run.
        self._context = contextvars.copy_context()
        self._entered: set[asyncio.Future[None]] = set()
        self._durable: deque[_Entry] = deque()
        self._closed = False

    async def feed(self, *events: Event) -> None:
        """Journals events together; returns when they count.

        Events that were fed are written and count also if this is cancelled.

        Raises:
            LeaseLostError: Another process executes the run now.
            StoreError: They cannot be written.
            asyncio.CancelledError: Also after a `RunEnded` was fed, which is the last event.
            BaseException: What `count` raised.
        """
        if self._closed:
            raise asyncio.CancelledError
        self._closed = isinstance(events[-1], RunEnded)
        counted: asyncio.Future[None] = self._loop.create_future()
        written = self._run.journal.submit(self._run.run_id, events, self._run.lease.fence)
        entry = _Entry(written, counted)
        tell = partial(self._loop.call_soon_threadsafe, context=self._context)
        written.add_done_callback(lambda _: tell(self._is_durable, entry))
        # Last: a signal that interrupts the lines above leaves nothing that nobody ends.
        self._entered.add(counted)
        counted.add_done_callback(self._entered.discard)
        await asyncio.shield(counted)

    async def settled(self) -> None:
        """Returns when all that was fed counts or has failed, however often this is cancelled."""
        await to_its_end(asyncio.gather(*self._entered, return_exceptions=True))

    def _is_durable(self, entry: _Entry) -> None:
        self._durable.append(entry)
        if len(self._durable) == 1:
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        """Applies the oldest entry; one for each iteration of the event loop, which has other work."""
        entry = self._durable[0]
        try:
            for stamped in entry.written.result():
                self._count(stamped)
        except BaseException as error:
            entry.counted.set_exception(error)
        else:
            entry.counted.set_result(None)
        finally:
            self._durable.popleft()
            if self._durable:
                self._loop.call_soon(self._next)
