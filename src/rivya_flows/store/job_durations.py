"""How long jobs took in earlier runs of a store."""

from __future__ import annotations

import json
from contextlib import suppress

from sqlalchemy import Engine, select

from rivya_flows.store.database import reading
from rivya_flows.store.tables import EVENTS, RUNS

NEWEST_RUNS = 8
NEWEST_JOBS = 200
"""Of each of the newest runs: a read costs the same however large the store is."""


def recent_durations(engine: Engine, service: str) -> list[tuple[str, float]]:
    """Models and seconds of the newest jobs that succeeded at a service, the oldest first.

    Raises:
        StoreError: The store cannot be read.
    """
    runs = (
        select(RUNS.c.run_id)
        .where(RUNS.c.service == service)
        .order_by(RUNS.c.started_at.desc())
        .limit(NEWEST_RUNS)
    )
    found: list[tuple[str, float]] = []
    with reading(engine) as connection:
        for run_id in connection.scalars(runs).all():
            jobs = (
                select(EVENTS.c.body)
                .where(EVENTS.c.run_id == run_id, EVENTS.c.kind == "job.ended")
                .order_by(EVENTS.c.seq.desc())
                .limit(NEWEST_JOBS)
            )
            for body in connection.scalars(jobs):
                with suppress(ValueError, TypeError, KeyError):  # of a newer version
                    event = json.loads(body)
                    if event["status"] == "succeeded" and event.get("model"):
                        found.append((str(event["model"]), float(event["seconds"])))
    return found[::-1]
