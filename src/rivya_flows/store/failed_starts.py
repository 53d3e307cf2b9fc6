"""Flow runs that failed before their run began: they have no journal."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Engine, delete, func, insert, select

from rivya_flows.store.database import reading, writing
from rivya_flows.store.tables import FAILED_STARTS, RUNS


@dataclass(frozen=True)
class FailedStart:
    """A flow run that failed before its run began.

    Attributes:
        run_id: Of the run that would have begun.
        name: Of its spec.
        at: When it failed, in Unix seconds.
        reason: Why, in one line.
    """

    run_id: str
    name: str
    at: float
    reason: str


def record_failed_start(engine: Engine, failed: FailedStart) -> None:
    """Writes it down; each retry that fails is another one.

    Raises:
        StoreError: The store cannot be written.
    """
    with writing(engine) as connection:
        connection.execute(insert(FAILED_STARTS).values(**asdict(failed)))


def forget_failed_starts(engine: Engine, before: float) -> None:
    """Deletes those from before a moment, in Unix seconds.

    Raises:
        StoreError: The store cannot be written.
    """
    with writing(engine) as connection:
        connection.execute(delete(FAILED_STARTS).where(FAILED_STARTS.c.at < before))


def unbegun_runs(
    engine: Engine,
    *,
    run_id: str | None,
    name: str | None,
    since: float,
    limit: int,
) -> list[FailedStart]:
    """The last failure of each run that has never begun, newest first.

    Args:
        engine: Of the store.
        run_id: Only this run; None for any.
        name: Of the spec; None for any.
        since: Failed then or later, in Unix seconds.
        limit: How many at most.

    Raises:
        StoreError: The store cannot be read.
    """
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
    with reading(engine) as connection:
        return [FailedStart(**row._mapping) for row in connection.execute(query)]


def failed_start_counts(engine: Engine) -> dict[str, int]:
    """How often flow runs of each spec failed before their run began.

    Raises:
        StoreError: The store cannot be read.
    """
    query = select(FAILED_STARTS.c.name, func.count()).group_by(FAILED_STARTS.c.name)
    with reading(engine) as connection:
        return {str(name): int(number) for name, number in connection.execute(query)}
