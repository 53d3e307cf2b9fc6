"""Passes notices on in the background, so that the service never waits for anybody but us."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rivya_flows.receiver.notification import Emit, JobNotification

BATCH = 50
"""Notices that are passed on at once. Prefect lets 256 wait for one subscriber."""

WAITING = 10_000
"""Notices that may wait; with more, the oldest are dropped, and their steps find out by looking."""

PATIENCE_SECONDS = 300.0
"""A notice that could not be passed on for so long is dropped: steps look by themselves."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_LAST_SECONDS = 3.0

_log = logging.getLogger(__name__)


@dataclass
class NotificationDispatcher:
    """A queue of notices, and what empties it.

    Attributes:
        emit: Passes them on.
        sleep: Of the event loop, for tests.
        dropped: How many were given up.
    """

    emit: Emit
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    dropped: int = 0
    _waiting: deque[JobNotification] = field(default_factory=deque)
    _more: asyncio.Event = field(default_factory=asyncio.Event)
    _failing: bool = False

    def take(self, notice: JobNotification) -> None:
        """Passes a notice on soon."""
        if len(self._waiting) >= WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(notice)
        self._more.set()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Passes on what comes meanwhile; at the end, what waits is tried once more."""
        task = asyncio.create_task(self._work())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if self._waiting:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LAST_SECONDS):
                        await self._try(list(self._waiting))

    async def _work(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                await self._pass_on(list(self._waiting)[:BATCH])

    async def _pass_on(self, batch: list[JobNotification]) -> None:
        """They leave the queue when they arrived, or were given up."""
        waited, pause = 0.0, _FIRST_PAUSE
        while not await self._try(batch):
            if waited >= PATIENCE_SECONDS:
                self.dropped += len(batch)
                _log.warning("%d webhook events were not passed on: gave up", len(batch))
                break
            await self.sleep(pause)
            waited += pause
            pause = min(2 * pause, _LONGEST_PAUSE)
        for notice in batch:
            # The oldest may have been dropped meanwhile.
            if self._waiting and self._waiting[0] is notice:
                self._waiting.popleft()

    async def _try(self, batch: list[JobNotification]) -> bool:
        try:
            await self.emit(batch)
        except Exception as error:  # whatever the other side raises: these are for speed alone
            if not self._failing:
                _log.warning("webhook events cannot be passed on: %s", type(error).__name__)
            self._failing = True
            return False
        if self._failing:
            _log.info("webhook events are passed on again")
        self._failing = False
        return True
