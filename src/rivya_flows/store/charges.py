"""What the purchases of a store cost, without reading a journal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, case, func, select

from rivya_flows.store.database import reading
from rivya_flows.store.tables import CHARGES, RUNS

_ROWS_AT_ONCE = 1_000


@dataclass(frozen=True)
class Charge:
    """What one purchase takes from the wallet.

    Attributes:
        run_id, run_name, service: The run that bought it, the name of its spec, and where.
        labels: Of the run, by name.
        step: That bought it.
        model: None for a function.
        at: Unix seconds of the intent.
        credits: Reserved, then what it cost; 0 if it was refused.
        settled: Whether `credits` is final.
    """

    run_id: str
    run_name: str
    labels: Mapping[str, str]
    service: str
    step: str
    model: str | None
    at: float
    credits: int
    settled: bool


def spent_by(engine: Engine, beginning: str) -> dict[str, tuple[int, int]]:
    """Credits of each run whose id begins so, removed ones with them: spent, and of these unsettled.

    Raises:
        StoreError: The store cannot be read.
    """
    unsettled = case((CHARGES.c.settled.is_(False), CHARGES.c.credits), else_=0)
    query = (
        select(CHARGES.c.run_id, func.sum(CHARGES.c.credits), func.sum(unsettled))
        .where(CHARGES.c.run_id.startswith(beginning, autoescape=True))
        .group_by(CHARGES.c.run_id)
    )
    with reading(engine) as connection:
        return {name: (int(spent), int(left)) for name, spent, left in connection.execute(query)}


def charges(engine: Engine, *, since: float | None, until: float | None) -> Iterator[Charge]:
    """The charges of all runs, the oldest first.

    Args:
        engine: Of the store.
        since: Unix seconds; purchases intended from then on. None is from the first one.
        until: Unix seconds; purchases intended before that. None is up to now.

    Raises:
        StoreError: The store cannot be read.
    """
    columns = (RUNS.c.name, RUNS.c.labels, RUNS.c.service, *CHARGES.c["step", "model", "at"])
    query = (
        select(CHARGES.c.run_id, *columns, CHARGES.c.credits, CHARGES.c.settled)
        .join(RUNS, RUNS.c.run_id == CHARGES.c.run_id)
        .order_by(CHARGES.c.at, CHARGES.c.run_id, CHARGES.c.purchase)
    )
    if since is not None:
        query = query.where(CHARGES.c.at >= since)
    if until is not None:
        query = query.where(CHARGES.c.at < until)
    with reading(engine) as connection:
        found = connection.execute(query, execution_options={"yield_per": _ROWS_AT_ONCE})
        for run_id, name, labels, *rest in found:
            yield Charge(run_id, name, json.loads(labels), *rest)
