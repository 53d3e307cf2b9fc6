"""Suspended runs whose question nobody answered in time, found without reading every journal."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from rivya_flows.plan.events import AnswerGiven, QuestionAsked, RunEnded
from rivya_flows.plan.lines import parse
from rivya_flows.plan.questions import is_due, open_questions
from rivya_flows.plan.queue import replay
from rivya_flows.store.database import reading
from rivya_flows.store.journal import Journal
from rivya_flows.store.schema import EVENTS


def overdue_runs(journal: Journal, at: datetime) -> tuple[str, ...]:
    """Ids of the runs that wait for an answer whose deadline has come.

    Args:
        journal: Of the store.
        at: Now, UTC.

    Raises:
        StoreError: The store cannot be read.
    """
    return tuple(run_id for run_id in _candidates(journal, at) if _waits(journal, run_id, at))


def _candidates(journal: Journal, at: datetime) -> list[str]:
    """Runs with a question that is due and has no answer; cheap, though there are many runs."""
    kinds = ("question.asked", "answer.given")
    query = (
        select(EVENTS.c.run_id, EVENTS.c.body)
        .where(EVENTS.c.kind.in_(kinds))
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
    return list(dict.fromkeys(run_id for run_id, _, _ in due))


def _waits(journal: Journal, run_id: str, at: datetime) -> bool:
    events = [entry.event for entry in journal.entries(run_id)]
    last = events[-1]
    if not isinstance(last, RunEnded) or last.status != "suspended":
        return False
    return any(is_due(one, at) for one in open_questions(replay(events)))
