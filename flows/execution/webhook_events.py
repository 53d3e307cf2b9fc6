"""What the receiver hears becomes events of Prefect, which wake waits and may start automations."""

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
    """Passes notices on to the Prefect server of this process's settings."""
    async with get_client() as client:

        async def emit(notices: Sequence[JobNotification]) -> None:
            events = [event_of(notice).model_dump(mode="json") for notice in notices]
            # The request and not Prefect's own events client: that one buffers, and only this
            # tells whether the server took them. It raises on any answer but success.
            await client.request("POST", "/events", json=events)

        yield emit


def event_of(notice: JobNotification) -> Event:
    """The event that a notice becomes; one that is sent again has the same id."""
    about = {
        "prefect.resource.id": EVENT_PREFIX + notice.task_id,
        "prefect.resource.name": notice.task_id,
    }
    payload = {"task_id": notice.task_id, "status": notice.status, "model": notice.model}
    return Event(
        id=uuid.uuid5(_NAMESPACE, notice.event_id),
        event=EVENT_PREFIX + notice.status,
        resource=Resource(about),
        payload=payload,
    )
