"""What became of what the runs of a store bought: a projection of their journals, kept with the entry that it reaches."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median_high
from typing import Any, Literal, NamedTuple

from sqlalchemy import Engine, Select, case, delete, func, insert, select, update

from rivya_flows.store.database import reading, rows, writing
from rivya_flows.store.tables import CHARGES, EVENTS, OUTCOMES, RUNS

NEWEST_RUNS, LEAST_RUNS = 50, 5
"""Runs from which the usual number of rounds is taken."""

_ROWS_AT_ONCE = 1_000
_COUNTS = (
    "offered",
    "picked",
    "refused",
    "accepted",
    "ended",
    "failed",
    "lost",
    "judged",
    "agreed",
)


@dataclass(frozen=True)
class Outcome:
    """What became of one purchase, of a medium that none of its run made, or of a question.

    Attributes:
        purchase: Of `purchase_name`, or another unique name, as stored.
        offered: It was a candidate in a decision of its run; then it was `picked`, `refused` by a person, or neither.
        accepted: It was picked or approved, or used where nothing was decided about it.
        ended: The service ended it; `failed`, or paid and `lost`, it gave nothing.
        judged: How often a person decided what a judge had scored; they `agreed` so often.
        rounds: Of a decision: how many rounds it took, of as many as there may be.
    """

    purchase: str
    step: str
    model: str | None
    brand: str | None
    prompt: str | None
    at: float
    offered: bool = False
    picked: bool = False
    refused: bool = False
    accepted: bool = False
    ended: bool = False
    failed: bool = False
    lost: bool = False
    judged: int = 0
    agreed: int = 0
    rounds: int | None = None


def record_outcomes(engine: Engine, run_id: str, seq: int, outcomes: Sequence[Outcome]) -> None:
    """Writes the outcomes of a run as of an entry, unless there are those of a later one."""
    numbers = [
        {
            "run_id": run_id,
            **{n: int(v) if isinstance(v, bool) else v for n, v in asdict(one).items()},
        }
        for one in outcomes
    ]
    with writing(engine) as connection:
        newer = update(RUNS).where(RUNS.c.run_id == run_id, RUNS.c.outcomes_seq < seq)
        if connection.execute(newer.values(outcomes_seq=seq)).rowcount:
            connection.execute(delete(OUTCOMES).where(OUTCOMES.c.run_id == run_id))
            if numbers:
                connection.execute(insert(OUTCOMES), numbers)


def outdated_runs(engine: Engine) -> tuple[str, ...]:
    """Ids of the runs whose journals have entries that their outcomes do not know."""
    last = select(func.max(EVENTS.c.seq)).where(EVENTS.c.run_id == RUNS.c.run_id)
    query = select(RUNS.c.run_id).where(RUNS.c.outcomes_seq < last.scalar_subquery())
    return tuple(run_id for (run_id,) in rows(engine, query.order_by(RUNS.c.started_at)))


Fact = Literal["model", "brand", "prompt"]
"""A column that sums are grouped by."""


class Counted(NamedTuple):
    """Sums over the outcomes of a run, or over its charges, with one value of a fact."""

    service: str
    labels: Mapping[str, str]
    value: str | None
    counts: Mapping[str, int]


def sum_outcomes(
    engine: Engine, fact: Fact | None, *, since: float | None, until: float | None
) -> Iterator[Counted]:
    """Sums over all runs, also removed ones; credits are those of `charges`, to the credit.

    Args:
        fact: What to tell apart within a run; None: nothing.
        since, until: Unix seconds; a purchase counts when it was intended.
    """
    sums = [func.sum(OUTCOMES.c[name]).label(name) for name in _COUNTS]
    of_outcomes = select(OUTCOMES.c.run_id, *([OUTCOMES.c[fact]] if fact else []), *sums)
    charged = CHARGES.c.model if fact == "model" else OUTCOMES.c[fact] if fact else None
    of_charges = select(
        CHARGES.c.run_id,
        *([] if charged is None else [charged]),
        func.sum(CHARGES.c.credits).label("credits"),
        func.sum(case((CHARGES.c.lost, CHARGES.c.credits), else_=0)).label("credits_lost"),
        func.count().label("purchases"),
    )
    if fact not in (None, "model"):
        same = (OUTCOMES.c.run_id == CHARGES.c.run_id) & (OUTCOMES.c.purchase == CHARGES.c.purchase)
        of_charges = of_charges.outerjoin(OUTCOMES, same)
    queries: list[Select[tuple[object, ...]]] = []
    for query, at in ((of_outcomes, OUTCOMES.c.at), (of_charges, CHARGES.c.at)):
        if since is not None:
            query = query.where(at >= since)
        if until is not None:
            query = query.where(at < until)
        groups = [*query.selected_columns][: 2 if fact else 1]
        queries.append(query.group_by(*groups))
    with reading(engine) as connection:
        runs = {
            row.run_id: (row.service, json.loads(row.labels))
            for row in connection.execute(select(RUNS.c.run_id, RUNS.c.service, RUNS.c.labels))
        }
        for query in queries:
            for row in connection.execute(query, execution_options={"yield_per": _ROWS_AT_ONCE}):
                run_id = row[0]
                found: list[Any] = [*row[1:]]
                names = [*row._fields][2 if fact else 1 :]
                value = found.pop(0) if fact else None
                # A sum of PostgreSQL is a Decimal.
                yield Counted(*runs[run_id], value, dict(zip(names, map(int, found), strict=True)))


def usual_rounds(engine: Engine, service: str, spec: str) -> dict[str, int]:
    """After how many rounds the newest runs of a spec at a service decided, by step: the median of at least 5 runs."""
    newest = (
        select(RUNS.c.run_id)
        .where(RUNS.c.service == service, RUNS.c.name == spec)
        .order_by(RUNS.c.started_at.desc())
        .limit(NEWEST_RUNS)
    )
    query = (
        select(OUTCOMES.c.step, func.max(OUTCOMES.c.rounds))
        .where(OUTCOMES.c.run_id.in_(newest), OUTCOMES.c.rounds.is_not(None))
        .group_by(OUTCOMES.c.step, OUTCOMES.c.run_id)
    )
    found = defaultdict[str, list[int]](list)
    for step, number in rows(engine, query):
        found[step].append(number)
    return {step: median_high(took) for step, took in found.items() if len(took) >= LEAST_RUNS}
