"""Webhooks wake runs that wait for jobs: one subscription to Prefect's events for each event loop.

A lost, doubled, late or forged event changes only when a job is polled, nothing else. Without a
subscription, or when events do not arrive, jobs are polled as usual.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

from prefect import get_client
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.events.schemas.events import Event, Resource
from sqlalchemy import Engine

from rivya_flows.errors import StoreError
from rivya_flows.receiver.notification import EVENT_PREFIX, Emit, JobNotification
from rivya_flows.settings import Settings
from rivya_flows.store.received_events import NEWEST, Received

CONNECT_SECONDS = 30.0
"""How long a run waits for a server that neither accepts nor refuses its subscription."""

MISSES = 3
"""After this many jobs in a row that ended without an event, jobs are polled as usual."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0

Tell = Callable[[str], object]

_log = logging.getLogger(__name__)


@dataclass
class JobWakes:
    """The waits of all runs of an event loop that share a subscription, and the newest events."""

    poll_seconds: float
    listeners: list[Tell] = field(default_factory=list)
    _waits: dict[str, list[asyncio.Event]] = field(default_factory=dict)
    _notified: OrderedDict[str, None] = field(default_factory=OrderedDict)
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    users: int = 0
    listening: asyncio.Task[None] | None = None
    _is_connected: bool = False
    _misses: int = 0

    @contextmanager
    def waiting(self, task_id: str) -> Iterator[asyncio.Event]:
        """An event that is set once a webhook named the job, also if that was before."""
        wake = asyncio.Event()
        if task_id in self._notified:
            wake.set()
        self._waits.setdefault(task_id, []).append(wake)
        try:
            yield wake
            if task_id not in self._notified:
                self._missed()
        finally:
            self._waits[task_id].remove(wake)
            if not self._waits[task_id]:
                del self._waits[task_id]

    def slow(self) -> float | None:
        """Seconds between two polls of a job; None while webhooks cannot be relied on."""
        return self.poll_seconds if self._is_connected and self._misses < MISSES else None

    def hear(self, task_ids: Iterable[str]) -> None:
        """Wakes the waits for jobs that events name now."""
        self._misses = 0
        self.remember(task_ids)

    def remember(self, task_ids: Iterable[str]) -> None:
        """Wakes the waits for jobs that events named at any time."""
        for task_id in task_ids:
            self._notified[task_id] = None
            self._notified.move_to_end(task_id)
            for wake in self._waits.get(task_id, ()):
                wake.set()
        while len(self._notified) > NEWEST:
            self._notified.popitem(last=False)

    def connected(self, yes: bool) -> None:
        """Records that the subscription was made, failed or was lost."""
        self.tried.set()
        lost = self._is_connected and not yes
        self._is_connected = yes
        if lost:
            self._wake_all()

    def _missed(self) -> None:
        """Counts a job that ended without an event: the event is late, or none arrive."""
        if self.slow() is None:
            return
        self._misses += 1
        if self._misses == MISSES:
            self.tell("webhooks do not arrive; polling instead")
            self._wake_all()

    def tell(self, message: str) -> None:
        for listener in self.listeners:
            listener(message)

    def _wake_all(self) -> None:
        # Each polls once, then continues at the usual rate.
        for waits in self._waits.values():
            for wake in waits:
                wake.set()


@asynccontextmanager
async def listen_for_jobs(
    settings: Settings,
    engine: Engine,
    tell: Tell = _log.warning,
    *,
    on: bool = True,
    connect_seconds: float = CONNECT_SECONDS,
) -> AsyncIterator[JobWakes | None]:
    """Wakes the waits of a run by webhooks; None if they are off. All runs of a loop share one subscription."""
    if not (on and settings.rivya_flows_webhooks):
        yield None
        return
    async with _shared(settings.rivya_flows_webhook_poll_seconds) as wakes:
        wakes.listeners.append(tell)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(wakes.tried.wait(), connect_seconds)
            # After the subscription, so that no event is missed in between.
            with suppress(StoreError):
                wakes.remember(await asyncio.to_thread(Received(engine).recent_jobs))
            yield wakes
        finally:
            wakes.listeners.remove(tell)


_SUBSCRIPTIONS: dict[asyncio.AbstractEventLoop, JobWakes] = {}


@asynccontextmanager
async def _shared(poll_seconds: float) -> AsyncIterator[JobWakes]:
    loop = asyncio.get_running_loop()
    if (wakes := _SUBSCRIPTIONS.get(loop)) is None:
        wakes = _SUBSCRIPTIONS[loop] = JobWakes(poll_seconds)
        wakes.listening = asyncio.create_task(_listen(wakes))
    wakes.users += 1
    try:
        yield wakes
    finally:
        wakes.users -= 1
        if wakes.users == 0 and wakes.listening is not None:
            del _SUBSCRIPTIONS[loop]
            wakes.listening.cancel()
            await asyncio.gather(wakes.listening, return_exceptions=True)


async def _listen(wakes: JobWakes) -> None:
    """Receives events forever; jobs are polled as usual while there is no subscription."""
    pause, warned = _FIRST_PAUSE, False
    while True:
        try:
            wanted = EventFilter(event=EventNameFilter(prefix=[EVENT_PREFIX]))
            async with get_events_subscriber(filter=wanted, reconnection_attempts=0) as events:
                wakes.connected(True)
                pause, warned = _FIRST_PAUSE, False
                async for event in events:
                    wakes.hear([event.resource.id.removeprefix(EVENT_PREFIX)])
        except Exception as error:  # the connection may raise anything; polling goes on
            if not warned:
                reason = type(error).__name__
                wakes.tell(f"webhook subscription lost ({reason}); polling instead")
                warned = True
        finally:
            wakes.connected(False)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


_NAMESPACE = uuid.UUID("7b1a3e5c-52c7-4a3f-9d50-0c8f1d3e6a42")


@asynccontextmanager
async def prefect_events() -> AsyncIterator[Emit]:
    """A function that sends notifications to the Prefect server of this process as events."""
    async with get_client() as client:

        async def emit(notifications: Sequence[JobNotification]) -> None:
            events = [event_of(one).model_dump(mode="json") for one in notifications]
            # Prefect's own events client buffers; only a request shows whether the server
            # accepted them. It raises if not.
            await client.request("POST", "/events", json=events)

        yield emit


def event_of(notification: JobNotification) -> Event:
    """The event of a notification; the same notification gives the same event id."""
    task_id, status = notification.task_id, notification.status
    return Event(
        id=uuid.uuid5(_NAMESPACE, notification.event_id),
        event=EVENT_PREFIX + status,
        resource=Resource(
            {"prefect.resource.id": EVENT_PREFIX + task_id, "prefect.resource.name": task_id}
        ),
        payload={"task_id": task_id, "status": status, "model": notification.model},
    )
