"""What became of the runs of a store, which of them wait, and how long they took; most without their journals."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, delete, func, insert, not_, select

from rivya_flows.questions.open_questions import open_questions
from rivya_flows.queue.events import (
    AnswerGiven,
    Event,
    ItemCompleted,
    JobEnded,
    QuestionAsked,
    RunEnded,
    RunWaits,
    parse,
)
from rivya_flows.queue.queue import replay
from rivya_flows.queue.state import State
from rivya_flows.store import mailbox
from rivya_flows.store.database import reading, rows, write
from rivya_flows.store.journal import IS_THERE, Journal, RunRow, as_run_row
from rivya_flows.store.leases import LEASE_SECONDS, is_held
from rivya_flows.store.tables import CHARGES, EVENTS, FAILED_STARTS, LEASES, RUNS, SWEEPS

_TURNS = ("run.resumed", "run.waits", "run.ended")  # events that change the status of a run
_PAGE = 500  # runs that are read at once to filter by status, which no table has

NEWEST_RUNS = 8
NEWEST_JOBS = 200
"""Of each of the newest runs: `recent_durations` costs the same however large the store is."""


@dataclass(frozen=True)
class ListedRun:
    """A run of the list.

    Attributes:
        status: How its last execution ended (``completed``, ``failed``, ``cancelled``,
            ``suspended``); ``running`` while a process drives it, ``waiting`` if that left it to
            a later try, ``killed`` if it is gone.
        open: Credits of purchases that are not settled: under way, uncertain or not collected.
    """

    row: RunRow
    status: str
    spent: int
    open: int
    unbegun: str | None = None
    waits: RunWaits | None = None


@dataclass(frozen=True)
class FailedStart:
    """A flow run that failed before its run began, so that it has no journal; `at` in Unix seconds."""

    run_id: str
    name: str
    at: float
    reason: str


def listed_runs(
    engine: Engine,
    *,
    labels: Mapping[str, str] = MappingProxyType({}),
    run_id: str | None = None,
    name: str | None = None,
    status: str | None = None,
    since: datetime | None = None,
    limit: int,
    now: float | None = None,
) -> tuple[ListedRun, ...]:
    """Runs of a store, newest first; None for any run, spec, status and time of start."""
    wanted: list[ColumnElement[bool]] = [IS_THERE]
    wanted += [
        RUNS.c.labels.contains(json.dumps({label: value})[1:-1], autoescape=True)
        for label, value in labels.items()
    ]
    if run_id is not None:
        wanted.append(RUNS.c.run_id == run_id)
    if name is not None:
        wanted.append(RUNS.c.name == name)
    if since is not None:
        wanted.append(RUNS.c.started_at >= since.astimezone(UTC).isoformat())
    moment = time.time() if now is None else now
    size = limit if status is None else max(limit, _PAGE)
    found: list[ListedRun] = []
    with reading(engine) as connection:
        start, more = 0, True
        while more and len(found) < limit:
            page = connection.execute(_page(wanted, start, size)).all()
            listed = (_read_run(row, moment) for row in page)
            # LIKE of SQLite takes A for a.
            found += (
                run
                for run in listed
                if labels.items() <= run.row.labels.items() and status in (None, run.status)
            )
            start, more = start + size, len(page) == size
    if status in (None, "failed") and not labels:
        after = since.timestamp() if since else 0.0
        failed = unbegun_runs(engine, run_id=run_id, name=name, since=after, limit=limit)
        for one in failed:
            at = datetime.fromtimestamp(one.at, UTC).isoformat()
            unbegun = RunRow(one.run_id, one.name, service="", started_at=at, folder=Path())
            found.append(ListedRun(unbegun, "failed", spent=0, open=0, unbegun=one.reason))
        found.sort(key=lambda run: datetime.fromisoformat(run.row.started_at), reverse=True)
    return tuple(found[:limit])


def _page(wanted: list[ColumnElement[bool]], start: int, size: int) -> Select[Any]:
    """A page of runs, each with its last change of status, its lease and its sums."""
    newest = (RUNS.c.started_at.desc(), RUNS.c.run_id.desc())
    page = select(RUNS).where(*wanted).order_by(*newest).limit(size).offset(start).subquery()
    # Found from the end of a journal on, where it nearly always is.
    turn = (
        select(EVENTS.c.body)
        .where(EVENTS.c.run_id == page.c.run_id, EVENTS.c.kind.in_(_TURNS))
        .order_by(EVENTS.c.seq.desc())
        .limit(1)
        .scalar_subquery()
    )
    credits = select(func.coalesce(func.sum(CHARGES.c.credits), 0)).where(
        CHARGES.c.run_id == page.c.run_id
    )
    return (
        select(
            page,
            turn.label("turn"),
            credits.scalar_subquery().label("spent"),
            credits.where(CHARGES.c.settled.is_(False)).scalar_subquery().label("open"),
            LEASES.c.owner,
            LEASES.c.expires_at,
        )
        .outerjoin(LEASES, LEASES.c.run_id == page.c.run_id)
        .order_by(page.c.started_at.desc(), page.c.run_id.desc())
    )


def _read_run(row: Any, now: float) -> ListedRun:
    turn = parse(row.turn) if row.turn else None
    if isinstance(turn, RunEnded):
        status: str = turn.status
    elif row.owner is not None:
        status = "running" if is_held(row.owner, row.expires_at, now) else "killed"
    else:  # nothing has executed it yet
        begun = datetime.fromisoformat(row.started_at).timestamp()
        status = "running" if now - begun < LEASE_SECONDS else "killed"
    waits = turn if isinstance(turn, RunWaits) and status == "killed" else None
    # A sum of PostgreSQL is a Decimal.
    spent, unsettled = int(row.spent), int(row.open)
    return ListedRun(as_run_row(row), "waiting" if waits else status, spent, unsettled, waits=waits)


def record_failed_start(engine: Engine, failed: FailedStart) -> None:
    """Writes it down; each retry that fails is another one."""
    write(engine, insert(FAILED_STARTS).values(**asdict(failed)))


def forget_failed_starts(engine: Engine, before: float) -> None:
    write(engine, delete(FAILED_STARTS).where(FAILED_STARTS.c.at < before))


def unbegun_runs(
    engine: Engine, *, run_id: str | None, name: str | None, since: float, limit: int
) -> list[FailedStart]:
    """The last failure of each run that has never begun, newest first; None for any run and spec."""
    table = FAILED_STARTS.c
    last = select(table.run_id, func.max(table.at).label("at")).group_by(table.run_id).subquery()
    query = (
        select(FAILED_STARTS)
        .join(last, (table.run_id == last.c.run_id) & (table.at == last.c.at))
        .where(table.at >= since, ~select(RUNS).where(RUNS.c.run_id == table.run_id).exists())
        .order_by(table.at.desc())
        .limit(limit)
    )
    if run_id is not None:
        query = query.where(table.run_id == run_id)
    if name is not None:
        query = query.where(table.name == name)
    return [FailedStart(**row._mapping) for row in rows(engine, query)]


def failed_start_counts(engine: Engine) -> dict[str, int]:
    """How often flow runs of each spec failed before their run began."""
    query = select(FAILED_STARTS.c.name, func.count()).group_by(FAILED_STARTS.c.name)
    return {str(name): int(number) for name, number in rows(engine, query)}


def recent_durations(engine: Engine, service: str) -> list[tuple[str, float]]:
    """Model, or ``SPEC/STEP``, and seconds of what the newest runs made, the oldest first."""
    runs = (
        select(RUNS.c.run_id, RUNS.c.name)
        .where(RUNS.c.service == service)
        .order_by(RUNS.c.started_at.desc())
        .limit(NEWEST_RUNS)
    )
    untimed = EVENTS.c.body.contains('"work_seconds":null')
    worked = (EVENTS.c.kind == "item.completed") & not_(untimed)
    found: list[tuple[str, float]] = []
    with reading(engine) as connection:
        for run_id, spec in connection.execute(runs).all():
            jobs = (
                select(EVENTS.c.body)
                .where(EVENTS.c.run_id == run_id, (EVENTS.c.kind == "job.ended") | worked)
                .order_by(EVENTS.c.seq.desc())
                .limit(NEWEST_JOBS)
            )
            for event in map(parse, connection.scalars(jobs)):
                name, seconds = None, None
                if isinstance(event, ItemCompleted):
                    name, seconds = f"{spec}/{event.step}", event.work_seconds
                elif isinstance(event, JobEnded) and event.status == "succeeded":
                    name, seconds = event.model, event.seconds
                if name is not None and seconds is not None:
                    found.append((name, seconds))
    return found[::-1]


def waiting_runs(journal: Journal) -> tuple[str, ...]:
    """Ids of the runs that were left, suspended or to a later try, which has not begun.

    A run whose last entry came from outside may be one: its delivery was killed before it woke the flow run.
    """
    kinds = ("run.ended", "run.waits", "answer.given")
    return tuple(
        run_id
        for run_id, event in _last_entries(journal.engine, *kinds)
        if isinstance(event, RunWaits)
        or _came_from_outside(event)
        or (isinstance(event, RunEnded) and event.status == "suspended")
    )


def undelivered_runs(journal: Journal) -> tuple[str, ...]:
    """Ids of the runs that answers wait for, or whose last entry is one that may have continued nothing."""
    last = _last_entries(journal.engine, "answer.given")
    answered = [run_id for run_id, event in last if _came_from_outside(event)]
    return tuple(dict.fromkeys([*mailbox.runs(journal.engine), *answered]))


def _last_entries(engine: Engine, *kinds: str) -> list[tuple[str, Event]]:
    """The last entry of each run whose last entry is of one of these kinds."""
    last = (
        select(EVENTS.c.run_id, func.max(EVENTS.c.seq).label("seq"))
        .group_by(EVENTS.c.run_id)
        .subquery()
    )
    query = (
        select(EVENTS.c.run_id, EVENTS.c.body)
        .join(last, (EVENTS.c.run_id == last.c.run_id) & (EVENTS.c.seq == last.c.seq))
        .where(EVENTS.c.kind.in_(kinds))
        .order_by(EVENTS.c.run_id)
    )
    return [(run_id, parse(body)) for run_id, body in rows(engine, query)]


def is_overdue(journal: Journal, run_id: str, at: datetime) -> bool:
    """Whether a run is suspended with an open question whose deadline has passed, or was answered since."""
    events = [entry.event for entry in journal.entries(run_id)]
    last, asked = events[-1], (one for one in events if isinstance(one, QuestionAsked))
    answered = _came_from_outside(last)
    if not answered and not (isinstance(last, RunEnded) and last.status == "suspended"):
        return False
    due = any(one.deadline and one.deadline <= at for one in asked)
    if not answered and not due:  # it needs no replay
        return False
    state = replay(events)
    return is_answered(events, state) or any(one.is_due(at) for one in open_questions(state))


def is_answered(events: Sequence[Event], state: State) -> bool:
    """Whether the last entries of a run are answers from outside, and one of them has closed its question."""
    still_open = {one.name for one in open_questions(state)}
    return any(
        isinstance(one, AnswerGiven) and (one.step, one.key, one.round) not in still_open
        for one in takewhile(_came_from_outside, reversed(events))
    )


def _came_from_outside(event: Event) -> bool:
    return isinstance(event, AnswerGiven) and event.response is not None


def record_sweep(engine: Engine, at: float) -> None:
    write(engine, delete(SWEEPS), insert(SWEEPS).values(at=at))


def last_sweep(engine: Engine) -> float | None:
    """When the last sweep was complete, in Unix seconds; None if there was none."""
    return max((float(at) for (at,) in rows(engine, select(SWEEPS.c.at))), default=None)
