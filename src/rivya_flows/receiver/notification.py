"""Webhook events: each is stored once, and passed on in the background as a notification of its job."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from rivya_client.types import WebhookEvent
from rivya_flows.store.database import rows, write
from rivya_flows.store.tables import RECEIVED, Row, stored_name

KEEP_SECONDS = 7 * 24 * 3600.0
"""Longer than the service retries a delivery. Source: contract, section 8.5: 8 attempts
within about 23 hours."""

NEWEST = 10_000  # the most jobs that `recent_jobs` gives
_ID_LENGTH, _TYPE_LENGTH = 200, 100
EVENT_PREFIX = "rivya.generation."  # of the events that notifications become, and of their ids
BATCH = 50  # notifications in one call; Prefect queues 256 for one subscriber
WAITING = 10_000  # longest queue; beyond it the oldest are dropped, and their steps poll
PATIENCE_SECONDS = 300.0  # then what could not be passed on is dropped: the steps poll
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_LAST_SECONDS = 3.0

_WORD = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_log = logging.getLogger(__name__)


def note_received(engine: Engine, event: WebhookEvent, body: str) -> bool:
    """Stores an event; gives whether it is new."""
    job = event.generation
    row: Row = {
        "event_id": stored_name(event.id, _ID_LENGTH),
        "type": stored_name(event.type, _TYPE_LENGTH),
        "task_id": None if job is None else stored_name(job.id, _ID_LENGTH),
        "body": body,
        "at": time.time(),
    }
    try:
        write(engine, insert(RECEIVED).values(row))
    except IntegrityError:
        return False
    return True


def recent_jobs(engine: Engine, seconds: float = KEEP_SECONDS) -> tuple[str, ...]:
    """Ids of the jobs of recent events, newest first."""
    query = (
        select(RECEIVED.c.task_id)
        .where(RECEIVED.c.task_id.is_not(None), RECEIVED.c.at >= time.time() - seconds)
        .order_by(RECEIVED.c.at.desc())
        .limit(NEWEST)
    )
    return tuple(job for (job,) in rows(engine, query))


def prune_received(engine: Engine, seconds: float = KEEP_SECONDS) -> int:
    return write(engine, delete(RECEIVED).where(RECEIVED.c.at < time.time() - seconds))


@dataclass(frozen=True)
class JobNotification:
    event_id: str
    task_id: str
    status: str
    model: str | None = None


Emit = Callable[[Sequence[JobNotification]], Awaitable[None]]  # raises if they did not arrive


def notification_of(event: WebhookEvent) -> JobNotification | None:
    """The notification of an event; None for one without a job, such as a test event."""
    job = event.generation
    if job is None:
        return None
    status = job.status if _WORD.fullmatch(job.status) else "changed"
    return JobNotification(event.id, job.id, status, job.model)


@dataclass
class NotificationDispatcher:
    emit: Emit
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _waiting: deque[JobNotification] = field(default_factory=lambda: deque(maxlen=WAITING))
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, notification: JobNotification) -> None:
        self._waiting.append(notification)
        self._more.set()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Pass notifications on inside the block; at its end, try the queued ones once more."""
        task = asyncio.create_task(self._work())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if self._waiting:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._try([*self._waiting]), _LAST_SECONDS)

    async def _work(self) -> None:
        while await self._more.wait():
            self._more.clear()
            while batch := [*islice(self._waiting, BATCH)]:
                waited, pause = 0.0, _FIRST_PAUSE
                while not await self._try(batch, again=waited > 0):
                    if waited >= PATIENCE_SECONDS:
                        dropped = "%d webhook events were dropped: they could not be passed on"
                        _log.warning(dropped, len(batch))
                        break
                    await self.sleep(pause)
                    waited += pause
                    pause = min(2 * pause, _LONGEST_PAUSE)
                for notification in batch:
                    # The oldest may have been dropped during the pauses.
                    if self._waiting and self._waiting[0] is notification:
                        self._waiting.popleft()

    async def _try(self, batch: list[JobNotification], *, again: bool = False) -> bool:
        try:
            await self.emit(batch)
        except Exception as error:  # of any kind: notifications only save time
            if not again:
                _log.warning("webhook events cannot be passed on: %s", type(error).__name__)
            return False
        return True
