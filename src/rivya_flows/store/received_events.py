"""Received webhook events, each stored once, however often it is delivered."""

from __future__ import annotations

import time

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from rivya_client.types import WebhookEvent
from rivya_flows.store.database import rows, write
from rivya_flows.store.tables import RECEIVED, Row, stored_name

KEEP_SECONDS = 7 * 24 * 3600.0
"""Longer than the service retries a delivery. Source: contract, section 8.5: 8 attempts
within about 23 hours."""

NEWEST = 10_000
"""The most jobs that `recent_jobs` gives."""

_ID_LENGTH = 200
_TYPE_LENGTH = 100


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
