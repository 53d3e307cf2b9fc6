"""Runs that wait without a process and overdue questions, without reading every journal."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, delete, func, insert, select

from rivya_flows.questions.open_questions import open_questions
from rivya_flows.queue.events import AnswerGiven, QuestionAsked, RunEnded, RunWaits, parse
from rivya_flows.queue.queue import replay
from rivya_flows.store.database import reading, rows, write
from rivya_flows.store.journal import Journal
from rivya_flows.store.tables import EVENTS, SWEEPS


def waiting_runs(journal: Journal) -> tuple[str, ...]:
    """Ids of the runs that were left, suspended or to a later try, which has not begun."""
    last = (
        select(EVENTS.c.run_id, func.max(EVENTS.c.seq).label("seq"))
        .group_by(EVENTS.c.run_id)
        .subquery()
    )
    query = (
        select(EVENTS.c.run_id, EVENTS.c.body)
        .join(last, (EVENTS.c.run_id == last.c.run_id) & (EVENTS.c.seq == last.c.seq))
        .where(EVENTS.c.kind.in_(("run.ended", "run.waits")))
        .order_by(EVENTS.c.run_id)
    )
    ends = [(run_id, parse(body)) for run_id, body in rows(journal.engine, query)]
    return tuple(
        run_id
        for run_id, event in ends
        if isinstance(event, RunWaits)
        or (isinstance(event, RunEnded) and event.status == "suspended")
    )


def maybe_overdue(journal: Journal, at: datetime) -> tuple[str, ...]:
    """Ids of the runs with an overdue question; `is_overdue` tells whether they are suspended."""
    query = (
        select(EVENTS.c.run_id, EVENTS.c.body)
        .where(EVENTS.c.kind.in_(("question.asked", "answer.given")))
        .order_by(EVENTS.c.run_id, EVENTS.c.seq)
    )
    due: dict[tuple[str, str, str], None] = {}
    with reading(journal.engine) as connection:
        for run_id, body in connection.execute(query):
            event = parse(body)
            if isinstance(event, QuestionAsked) and event.deadline and event.deadline <= at:
                due[run_id, event.step, event.key] = None
            elif isinstance(event, AnswerGiven):
                due.pop((run_id, event.step, event.key), None)
    return tuple(dict.fromkeys(run_id for run_id, _, _ in due))


def is_overdue(journal: Journal, run_id: str, at: datetime) -> bool:
    """Whether a run is suspended with an open question whose deadline has passed."""
    events = [entry.event for entry in journal.entries(run_id)]
    last = events[-1]
    if not isinstance(last, RunEnded) or last.status != "suspended":
        return False
    return any(one.is_due(at) for one in open_questions(replay(events)))


def record_sweep(engine: Engine, at: float) -> None:
    """Writes down that a sweep of the waker is complete, in Unix seconds."""
    write(engine, delete(SWEEPS), insert(SWEEPS).values(at=at))


def last_sweep(engine: Engine) -> float | None:
    """When the last sweep was complete, in Unix seconds; None if there was none."""
    return max((float(at) for (at,) in rows(engine, select(SWEEPS.c.at))), default=None)
