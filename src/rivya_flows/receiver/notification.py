"""What the receiver passes on about a job."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from rivya_flows.client.wire.webhooks import WebhookEvent

EVENT_PREFIX = "rivya.generation."
"""Prefix of the events that notifications become, and of the ids of their jobs."""

_WORD = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True)
class JobNotification:
    """A change of a job.

    Attributes:
        model: Its model; None if unknown.
    """

    event_id: str
    task_id: str
    status: str
    model: str | None = None


Emit = Callable[[Sequence[JobNotification]], Awaitable[None]]
"""Passes notifications on; raises if they did not arrive."""


def notification_of(event: WebhookEvent) -> JobNotification | None:
    """The notification of an event; None for one without a job, such as a test event."""
    job = event.generation
    if job is None:
        return None
    status = job.status if _WORD.fullmatch(job.status) else "changed"
    return JobNotification(event.id, job.id, status, job.model)
