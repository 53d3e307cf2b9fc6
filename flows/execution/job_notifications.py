"""Webhooks wake runs that wait for jobs: one subscription to Prefect's events for each event loop.

A lost, doubled, late or forged event changes only when a job is polled.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from prefect import get_client
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.events.schemas.events import Event, Resource
from sqlalchemy import Engine

from rivya_flows.engine.job_waits import JobWakes, Tell
from rivya_flows.errors import StoreError
from rivya_flows.receiver.notification import EVENT_PREFIX, Emit, JobNotification, recent_jobs
from rivya_flows.settings import Settings

CONNECT_SECONDS = 30.0
"""How long a run waits for a server that neither accepts nor refuses its subscription."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0

_log = logging.getLogger(__name__)


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
    async with _subscription(settings.rivya_flows_webhook_poll_seconds, tell) as wakes:
        with suppress(TimeoutError):
            await asyncio.wait_for(wakes.tried.wait(), connect_seconds)
        # After the subscription, so that no event is missed in between.
        with suppress(StoreError):
            wakes.remember(await asyncio.to_thread(recent_jobs, engine))
        yield wakes


_SUBSCRIPTIONS: dict[asyncio.AbstractEventLoop, tuple[JobWakes, asyncio.Task[None]]] = {}


@asynccontextmanager
async def _subscription(poll_seconds: float, tell: Tell) -> AsyncIterator[JobWakes]:
    """The subscription of this event loop, which lasts as long as a run listens."""
    loop = asyncio.get_running_loop()
    if loop not in _SUBSCRIPTIONS:
        made = JobWakes(poll_seconds)
        _SUBSCRIPTIONS[loop] = made, asyncio.create_task(_listen(made))
    wakes, listening = _SUBSCRIPTIONS[loop]
    wakes.listeners.append(tell)
    try:
        yield wakes
    finally:
        wakes.listeners.remove(tell)
        if not wakes.listeners:
            del _SUBSCRIPTIONS[loop]
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def _listen(wakes: JobWakes) -> None:
    """Receives events forever; jobs are polled as usual while there is no subscription."""
    pause, warned = _FIRST_PAUSE, False
    wanted = EventFilter(event=EventNameFilter(prefix=[EVENT_PREFIX]))
    while True:
        try:
            async with get_events_subscriber(filter=wanted, reconnection_attempts=0) as events:
                wakes.set_connected(True)
                pause, warned = _FIRST_PAUSE, False
                async for event in events:
                    wakes.hear([event.resource.id.removeprefix(EVENT_PREFIX)])
        except Exception as error:  # the connection may raise anything; polling continues
            if not warned:
                lost = f"webhook subscription lost ({type(error).__name__})"
                wakes.tell(f"{lost}; polling instead")
                warned = True
        finally:
            wakes.set_connected(False)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


_NAMESPACE = uuid.UUID("7b1a3e5c-52c7-4a3f-9d50-0c8f1d3e6a42")


@asynccontextmanager
async def prefect_events() -> AsyncIterator[Emit]:
    """A function that sends notifications to the Prefect server of this process as events."""
    async with get_client() as client:

        async def emit(notifications: Sequence[JobNotification]) -> None:
            events = [event_of(one).model_dump(mode="json") for one in notifications]
            # Prefect's own events client buffers; a request raises if the server does not accept them.
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
