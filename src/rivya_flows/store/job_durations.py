"""How long jobs and free steps took in earlier runs of a store."""

from __future__ import annotations

import json
from contextlib import suppress

from sqlalchemy import Engine, and_, not_, or_, select

from rivya_flows.store.database import reading
from rivya_flows.store.tables import EVENTS, RUNS

NEWEST_RUNS = 8
NEWEST_JOBS = 200
"""Of each of the newest runs: a read costs the same however large the store is."""


def recent_durations(engine: Engine, service: str) -> list[tuple[str, float]]:
    """Names and seconds of what the newest runs at a service made, the oldest first.

    The name of a job that succeeded is its model, of a free step ``SPEC/STEP``.

    Raises:
        StoreError: The store cannot be read.
    """
    runs = (
        select(RUNS.c.run_id, RUNS.c.name)
        .where(RUNS.c.service == service)
        .order_by(RUNS.c.started_at.desc())
        .limit(NEWEST_RUNS)
    )
    untimed = EVENTS.c.body.contains('"work_seconds":null')
    worked = and_(EVENTS.c.kind == "item.completed", not_(untimed))
    found: list[tuple[str, float]] = []
    with reading(engine) as connection:
        for run_id, spec in connection.execute(runs).all():
            jobs = (
                select(EVENTS.c.body)
                .where(EVENTS.c.run_id == run_id, or_(EVENTS.c.kind == "job.ended", worked))
                .order_by(EVENTS.c.seq.desc())
                .limit(NEWEST_JOBS)
            )
            for body in connection.scalars(jobs):
                with suppress(ValueError, TypeError, KeyError):  # of a newer version
                    event = json.loads(body)
                    if "work_seconds" in event:
                        found.append((f"{spec}/{event['step']}", float(event["work_seconds"])))
                    elif event["status"] == "succeeded" and event.get("model"):
                        found.append((str(event["model"]), float(event["seconds"])))
    return found[::-1]
