"""Passes the receiver's notifications to Prefect as events, which wake waiting runs."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from prefect import get_client
from prefect.events.schemas.events import Event, Resource

from rivya_flows.receiver.notification import EVENT_PREFIX, Emit, JobNotification

_NAMESPACE = uuid.UUID("7b1a3e5c-52c7-4a3f-9d50-0c8f1d3e6a42")


@asynccontextmanager
async def prefect_events() -> AsyncIterator[Emit]:
    """A function that sends notifications to the Prefect server of this process as events."""
    async with get_client() as client:

        async def emit(notifications: Sequence[JobNotification]) -> None:
            events = [
                event_of(notification).model_dump(mode="json") for notification in notifications
            ]
            # Prefect's own events client buffers; only a request shows whether the server
            # accepted them. It raises if not.
            await client.request("POST", "/events", json=events)

        yield emit


def event_of(notification: JobNotification) -> Event:
    """The event of a notification; the same notification gives the same event id."""
    about = {
        "prefect.resource.id": EVENT_PREFIX + notification.task_id,
        "prefect.resource.name": notification.task_id,
    }
    payload = {
        "task_id": notification.task_id,
        "status": notification.status,
        "model": notification.model,
    }
    return Event(
        id=uuid.uuid5(_NAMESPACE, notification.event_id),
        event=EVENT_PREFIX + notification.status,
        resource=Resource(about),
        payload=payload,
    )
