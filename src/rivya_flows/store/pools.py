"""Pools: credits that all runs of a store with certain labels may spend in a period.

The intent of a purchase reserves its credits in the transaction that writes it, so that two
machines cannot pass a pool together; see `store.charges`.
"""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Engine, delete, insert, select

from rivya_flows.errors import UsageError
from rivya_flows.queue.events import PoolTotal
from rivya_flows.store.database import reading, rows, writing
from rivya_flows.store.tables import CHARGES, POOL_TOTALS, POOLS, RUNS, Row, lock, stored_name

Period = Literal["day", "week", "month", "total"]
"""Of the calendar in UTC; a week begins on Monday, and ``total`` never ends."""

MAX_CREDITS = 10**9
"""Most credits of one pool."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LOCK = 0x72697670
"""PostgreSQL advisory lock of the pools: shared by writers of purchases, exclusive for a change."""

_ROWS_AT_ONCE = 1_000

TotalKey = tuple[str, str, str]
"""The primary key of a total: pool, service, period_start."""

_POOLS = select(POOLS).order_by(POOLS.c.name)


@dataclass(frozen=True)
class Pool:
    """Credits for runs with certain labels.

    Attributes:
        name: Lower-case letters, digits, ``.``, ``_`` and ``-``; at most 64.
        labels: That a run must have, by name; empty covers every run.
        soft: People are warned once more credits than this are spent; None for never.
    """

    name: str
    labels: Mapping[str, str]
    credits: int
    soft: int | None = None
    period: Period = "month"

    def covers(self, labels: Mapping[str, str]) -> bool:
        """Whether purchases of a run with these labels are taken from it."""
        return all(labels.get(name) == value for name, value in self.labels.items())


@dataclass(frozen=True)
class PoolState:
    """What one service has taken of a pool in the current period.

    It is more than the pool has if the service charged more than was reserved, or the pool was made
    smaller.
    """

    pool: Pool
    service: str
    total: PoolTotal


class Pools:
    """All pools of a store; `clock` gives Unix seconds."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    def set(self, pool: Pool) -> Pool | None:
        """Makes or changes a pool, gives the one that it replaces; `UsageError` if it cannot be used.

        Purchases that were made before count: the totals are taken from their charges.
        """
        _check(pool)
        labels = json.dumps(dict(sorted(pool.labels.items())))
        row = {**vars(pool), "labels": labels, "at": self._clock()}
        with writing(self._engine) as connection:
            before = _removed(connection, pool.name)
            connection.execute(insert(POOLS), row)
            if totals := _summed(connection, pool):
                connection.execute(insert(POOL_TOTALS), [total_row(*one) for one in totals.items()])
        return before

    def remove(self, name: str) -> bool:
        """Removes a pool, and tells whether there was one."""
        with writing(self._engine) as connection:
            return _removed(connection, name) is not None

    def all(self) -> tuple[Pool, ...]:
        """All pools, by name."""
        return tuple(map(_pool, rows(self._engine, _POOLS)))

    def states(self, service: str | None) -> tuple[PoolState, ...]:
        """All pools in their current periods, by name; None is every service that a pool has a total of."""
        now = self._clock()
        found: dict[str, dict[str, int]] = defaultdict(dict)
        with reading(self._engine) as connection:
            pools = tuple(map(_pool, connection.execute(_POOLS)))
            starts = {pool.name: period(pool.period, now) for pool in pools}
            totals = select(POOL_TOTALS).where(
                POOL_TOTALS.c.period_start.in_({start for start, _ in starts.values()})
            )
            if service is not None:
                totals = totals.where(POOL_TOTALS.c.service == stored_name(service))
            for row in connection.execute(totals.order_by(POOL_TOTALS.c.service)):
                if row.pool in starts and row.period_start == starts[row.pool][0]:
                    found[row.pool][service or row.service] = row.credits
        return tuple(
            PoolState(pool, at, _total(pool, spent, starts[pool.name][1]))
            for pool in pools
            for at, spent in (found[pool.name] or {service or "": 0}).items()
        )

    def matching(self, labels: Mapping[str, str], service: str) -> tuple[PoolTotal, ...]:
        """The pools that cover a run with these labels, as a service has used them, by name."""
        return tuple(one.total for one in self.states(service) if one.pool.covers(labels))


def _total(pool: Pool, spent: int, until: datetime | None) -> PoolTotal:
    return PoolTotal(name=pool.name, credits=pool.credits, soft=pool.soft, spent=spent, until=until)


def period(kind: Period, at: float) -> tuple[str, datetime | None]:
    """First day of the period of `at` as ISO date, and its end in UTC; "" and None for ``total``."""
    if kind == "total":
        return "", None
    day = datetime.fromtimestamp(at, UTC).date()
    if kind == "day":
        start, days = day, 1
    elif kind == "week":
        start, days = day - timedelta(days=day.weekday()), 7
    else:
        start = day.replace(day=1)
        days = ((start + timedelta(days=31)).replace(day=1) - start).days
    return start.isoformat(), datetime.combine(start + timedelta(days), datetime.min.time(), UTC)


def held_pools(connection: Connection) -> list[Pool]:
    """All pools, by name; nothing changes them before the transaction of a writer has ended."""
    lock(connection, _LOCK, shared=True)
    return list(map(_pool, connection.execute(_POOLS)))


def total_row(key: TotalKey, credits: int) -> Row:
    """A row of the totals."""
    return dict(zip(("pool", "service", "period_start"), key, strict=True)) | {"credits": credits}


def _check(pool: Pool) -> None:
    if not _NAME.fullmatch(pool.name):
        raise UsageError(
            f"pool {pool.name!r}: not a name",
            "lower-case letters, digits, `.`, `_` and `-`, at most 64: acme",
        )
    if not 0 <= pool.credits <= MAX_CREDITS:
        raise UsageError(f"pool {pool.name}: {pool.credits} credits", f"0 to {MAX_CREDITS:,}")
    if pool.soft is not None and not 0 <= pool.soft <= pool.credits:
        raise UsageError(
            f"pool {pool.name}: the soft limit {pool.soft} is above its {pool.credits} credits",
            "give a lower soft limit",
        )


def _pool(row: Any) -> Pool:
    return Pool(row.name, json.loads(row.labels), row.credits, row.soft, row.period)


def _removed(connection: Connection, name: str) -> Pool | None:
    """Deletes a pool and its totals, after all purchases that are being written."""
    lock(connection, _LOCK)
    row = connection.execute(select(POOLS).where(POOLS.c.name == name)).first()
    connection.execute(delete(POOLS).where(POOLS.c.name == name))
    connection.execute(delete(POOL_TOTALS).where(POOL_TOTALS.c.pool == name))
    return None if row is None else _pool(row)


def _summed(connection: Connection, pool: Pool) -> dict[TotalKey, int]:
    """The totals of a pool, from all charges."""
    services = {
        row.run_id: stored_name(row.service)
        for row in connection.execute(select(RUNS.c.run_id, RUNS.c.labels, RUNS.c.service))
        if pool.covers(json.loads(row.labels))
    }
    totals: dict[TotalKey, int] = defaultdict(int)
    query = select(CHARGES.c.run_id, CHARGES.c.at, CHARGES.c.credits)
    for run_id, at, credits in connection.execute(
        query, execution_options={"yield_per": _ROWS_AT_ONCE}
    ):
        if run_id in services:
            totals[pool.name, services[run_id], period(pool.period, at)[0]] += credits
    return totals
