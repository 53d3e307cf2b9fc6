"""What the receiver passes on about a job, and to whom."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from rivya_flows.client.wire.webhooks import WebhookEvent

EVENT_PREFIX = "rivya.generation."
"""Of the names of the events that notices become, and of the ids of the jobs that they are about."""

_WORD = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True)
class JobNotification:
    """A job of which the service told something.

    Attributes:
        event_id: Of the service's event.
        task_id: The job.
        status: What became of it, such as ``succeeded``.
        model: Its model; None when not told.
    """

    event_id: str
    task_id: str
    status: str
    model: str | None = None


Emit = Callable[[Sequence[JobNotification]], Awaitable[None]]
"""Passes notices on; raises where they did not arrive."""


def notice_of(event: WebhookEvent) -> JobNotification | None:
    """What to pass on of an event; None for one without a job, such as a test event."""
    job = event.generation
    if job is None:
        return None
    status = job.status if _WORD.fullmatch(job.status) else "changed"
    return JobNotification(event.id, job.id, status, job.model)
