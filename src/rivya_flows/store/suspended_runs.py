"""Runs that wait for an answer, found without reading every journal."""

from __future__ import annotations

from sqlalchemy import func, select

from rivya_flows.planning.queue.event_codec import parse
from rivya_flows.planning.queue.events import RunEnded
from rivya_flows.store.database import reading
from rivya_flows.store.journal import Journal
from rivya_flows.store.tables import EVENTS


def suspended_runs(journal: Journal) -> tuple[str, ...]:
    """Ids of the runs whose last entry says that they are suspended.

    Raises:
        StoreError: The store cannot be read.
    """
    last = (
        select(EVENTS.c.run_id, func.max(EVENTS.c.seq).label("seq"))
        .group_by(EVENTS.c.run_id)
        .subquery()
    )
    query = (
        select(EVENTS.c.run_id, EVENTS.c.body)
        .join(last, (EVENTS.c.run_id == last.c.run_id) & (EVENTS.c.seq == last.c.seq))
        .where(EVENTS.c.kind == "run.ended")
        .order_by(EVENTS.c.run_id)
    )
    with reading(journal.engine) as connection:
        ends = [(run_id, parse(body)) for run_id, body in connection.execute(query)]
    return tuple(
        run_id
        for run_id, event in ends
        if isinstance(event, RunEnded) and event.status == "suspended"
    )
