"""Pools: credits that all runs of a store with certain labels may spend in a period.

The intent of a purchase reserves its credits in the transaction that writes it, so that two
machines cannot pass a pool together: `Reservations`.
"""

from __future__ import annotations

import json
import re
import time
from collections import ChainMap, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Engine, bindparam, delete, insert, select, update

from rivya_flows.errors import PoolExceededError, UsageError
from rivya_flows.queue.events import (
    Event,
    MediaRefused,
    PoolTotal,
    PurchaseEvent,
    PurchaseIntended,
    purchase_name,
)
from rivya_flows.store.charges import credits_after
from rivya_flows.store.database import reading, rows, writing
from rivya_flows.store.tables import (
    CHARGES,
    POOL_TOTALS,
    POOLS,
    RUNS,
    Row,
    insert_missing,
    lock,
    stored_name,
)

Period = Literal["day", "week", "month", "total"]
"""Of the calendar in UTC; a week begins on Monday, and ``total`` never ends."""

MAX_CREDITS = 10**9  # of one pool

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LOCK = 0x72697670
"""PostgreSQL advisory lock of the pools: shared by writers of purchases, exclusive for a change."""

_ROWS_AT_ONCE = 1_000
_POOLS = select(POOLS).order_by(POOLS.c.name)


class TotalKey(NamedTuple):
    pool: str
    service: str
    period_start: str


@dataclass(frozen=True)
class Pool:
    """Credits for runs with certain labels; without any it covers every run. People are warned above `soft`."""

    name: str
    labels: Mapping[str, str]
    credits: int
    soft: int | None = None
    period: Period = "month"

    def covers(self, labels: Mapping[str, str]) -> bool:
        return all(labels.get(name) == value for name, value in self.labels.items())


class PoolState(NamedTuple):
    """What one service has taken of a pool in the current period."""

    pool: Pool
    service: str
    total: PoolTotal


class Pools:
    """All pools of a store; `clock` gives Unix seconds."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    def set(self, pool: Pool) -> None:
        """Makes or changes a pool; purchases that were made before count."""
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
        labels = json.dumps(dict(sorted(pool.labels.items())))
        row = {**vars(pool), "labels": labels, "at": self._clock()}
        with writing(self._engine) as connection:
            _delete(connection, pool.name)
            connection.execute(insert(POOLS), row)
            totals = _sum_charges(connection, pool)
            if new := [{**key._asdict(), "credits": spent} for key, spent in totals.items()]:
                connection.execute(insert(POOL_TOTALS), new)

    def remove(self, name: str) -> None:
        with writing(self._engine) as connection:
            _delete(connection, name)

    def all(self) -> tuple[Pool, ...]:
        return tuple(map(_pool, rows(self._engine, _POOLS)))

    def states(self, service: str | None) -> tuple[PoolState, ...]:
        """All pools in their current periods, by name; None is every service that a pool has a total of."""
        now = self._clock()
        spent: dict[str, dict[str, int]] = defaultdict(dict)
        with reading(self._engine) as connection:
            pools = tuple(map(_pool, connection.execute(_POOLS)))
            periods = {pool.name: period(pool.period, now) for pool in pools}
            totals = select(POOL_TOTALS).where(
                POOL_TOTALS.c.period_start.in_({start for start, _ in periods.values()})
            )
            if service is not None:
                totals = totals.where(POOL_TOTALS.c.service == stored_name(service))
            for row in connection.execute(totals.order_by(POOL_TOTALS.c.service)):
                if row.pool in periods and row.period_start == periods[row.pool][0]:
                    spent[row.pool][service or row.service] = row.credits
        return tuple(
            PoolState(
                pool,
                at,
                PoolTotal(
                    name=pool.name,
                    credits=pool.credits,
                    soft=pool.soft,
                    spent=credits,
                    until=periods[pool.name][1],
                ),
            )
            for pool in pools
            for at, credits in (spent[pool.name] or {service or "": 0}).items()
        )

    def matching(self, labels: Mapping[str, str], service: str) -> tuple[PoolTotal, ...]:
        """The pools that cover a run with these labels, as a service has used them, by name."""
        return tuple(one.total for one in self.states(service) if one.pool.covers(labels))


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


def _pool(row: Any) -> Pool:
    return Pool(row.name, json.loads(row.labels), row.credits, row.soft, row.period)


def _delete(connection: Connection, name: str) -> None:
    """Deletes a pool and its totals, after all purchases that are being written."""
    lock(connection, _LOCK)
    connection.execute(delete(POOLS).where(POOLS.c.name == name))
    connection.execute(delete(POOL_TOTALS).where(POOL_TOTALS.c.pool == name))


def _sum_charges(connection: Connection, pool: Pool) -> dict[TotalKey, int]:
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
            key = TotalKey(pool.name, services[run_id], period(pool.period, at)[0])
            totals[key] += credits
    return totals


_OF_TOTAL = [column == bindparam(f"of_{column.name}") for column in POOL_TOTALS.primary_key]
# Built once: building a statement takes longer than executing it.
_TOTAL = select(POOL_TOTALS.c.credits).where(*_OF_TOTAL).with_for_update()
_CHANGE_TOTAL = update(POOL_TOTALS).where(*_OF_TOTAL).values(credits=bindparam("credits"))
_RUN = select(RUNS.c.labels, RUNS.c.service).where(RUNS.c.run_id == bindparam("of_run"))
_CHARGES_OF = select(CHARGES.c.purchase, CHARGES.c.credits, CHARGES.c.at).where(
    CHARGES.c.run_id == bindparam("of_run"),
    CHARGES.c.purchase.in_(bindparam("purchases", expanding=True)),
)
_NEW = insert(CHARGES)
_CHANGE = (
    update(CHARGES)
    .where(CHARGES.c.run_id == bindparam("of_run"), CHARGES.c.purchase == bindparam("of_purchase"))
    .values({name: bindparam(name) for name in ("credits", "settled", "lost")})
)

_ChargeId = tuple[str, str]  # the primary key of a charge: run_id, purchase

# An event, and what its purchase counts with from then on, see `credits_after`.
_Change = tuple[PurchaseEvent, _ChargeId, int, bool]


class Reservations:
    """What entries of one transaction charge and take from pools, whose rows it locks in one order."""

    def __init__(
        self, connection: Connection, entries: Iterable[tuple[str, Sequence[Event]]], at: float
    ) -> None:
        self._connection, self._at = connection, at
        self._new: dict[_ChargeId, Row] = {}
        self._changed: dict[_ChargeId, Row] = {}
        # Of the runs that a pool covers: the pools, with the service, and earlier charges.
        self._covering: dict[str, list[tuple[Pool, str]]] = {}
        self._charges: dict[_ChargeId, tuple[int, float]] = {}
        changes = defaultdict[str, list[_Change]](list)
        for run_id, events in entries:
            changes[run_id] += _changes(run_id, events)
        pools: list[Pool] = []
        if any(changes.values()):
            # Nothing changes the pools before this transaction ends.
            lock(connection, _LOCK, shared=True)
            pools = list(map(_pool, connection.execute(_POOLS)))
        touched = set[TotalKey]()
        for run_id, found in changes.items() if pools else ():
            touched |= self._cover(run_id, found, pools) if found else set()
        self._before = {key: self._lock_total(key) for key in sorted(touched)}
        self._totals = dict(self._before)

    def reserve(self, run_id: str, events: Sequence[Event]) -> PoolExceededError | None:
        """Counts all events, or none if a pool does not cover an intent; others are facts."""
        changes = _changes(run_id, events)
        totals: ChainMap[TotalKey, int] = ChainMap({}, self._totals)
        charges = ChainMap[_ChargeId, tuple[int, float]]({}, self._charges)
        for event, key, credits, _ in changes if run_id in self._covering else ():
            needs = 0
            if isinstance(event, PurchaseIntended):
                charges[key], needs = (0, self._at), max(credits, event.rest or 0)
            if key not in charges:
                continue  # it has no intent
            before, at = charges[key]
            for pool, of in self._totals_of(run_id, at):
                left = max(0, pool.credits - totals[of])
                if needs > left:
                    return PoolExceededError(pool.name, needs, left, period(pool.period, at)[1])
                totals[of] += credits - before
            charges[key] = (credits, at)
        self._totals.update(totals.maps[0])
        self._charges.update(charges.maps[0])
        for event, key, credits, settled in changes:
            lost = isinstance(event, MediaRefused)
            row = {"credits": credits, "settled": settled, "lost": lost}
            if isinstance(event, PurchaseIntended):
                model = None if event.model is None else stored_name(event.model)
                of_intent = {"step": event.step, "model": model, "at": self._at}
                self._new[key] = {"run_id": key[0], "purchase": key[1], **of_intent, **row}
            elif key in self._new:
                self._new[key] = {**self._new[key], **row}
            else:
                self._changed[key] = {"of_run": key[0], "of_purchase": key[1], **row}
        return None

    def write(self) -> None:
        changed = [
            {**_parameters(key), "credits": credits}
            for key, credits in self._totals.items()
            if credits != self._before[key]
        ]
        for statement, values in (
            (_CHANGE, [*self._changed.values()]),
            (_NEW, [*self._new.values()]),
            (_CHANGE_TOTAL, changed),
        ):
            if values:
                self._connection.execute(statement, values)

    def _cover(
        self, run_id: str, changes: Sequence[_Change], pools: Sequence[Pool]
    ) -> set[TotalKey]:
        """Notes the pools of a run and the earlier charges that change; gives the totals that may."""
        text, service = self._connection.execute(_RUN, {"of_run": run_id}).one()
        labels = json.loads(text)
        covering = [(pool, stored_name(service)) for pool in pools if pool.covers(labels)]
        if not covering:
            return set()
        self._covering[run_id] = covering
        earlier = {key[1] for event, key, *_ in changes if not isinstance(event, PurchaseIntended)}
        named = {"of_run": run_id, "purchases": sorted(earlier)}
        moments = {self._at}
        for purchase, credits, at in self._connection.execute(_CHARGES_OF, named):
            self._charges[run_id, purchase] = (credits, at)
            moments.add(at)
        return {key for at in moments for _, key in self._totals_of(run_id, at)}

    def _totals_of(self, run_id: str, at: float) -> list[tuple[Pool, TotalKey]]:
        """The totals that a purchase of that moment counts in, by the name of the pool."""
        return [
            (pool, TotalKey(pool.name, service, period(pool.period, at)[0]))
            for pool, service in self._covering.get(run_id, ())
        ]

    def _lock_total(self, key: TotalKey) -> int:
        """A total whose row is locked; a new row begins with 0."""
        found: int | None = self._connection.scalar(_TOTAL, _parameters(key))
        if found is None:
            insert_missing(self._connection, POOL_TOTALS, {**key._asdict(), "credits": 0})
            found = self._connection.scalar(_TOTAL, _parameters(key))
        assert found is not None
        return found


def _changes(run_id: str, events: Sequence[Event]) -> list[_Change]:
    found: list[_Change] = []
    for event in events:
        if (now := credits_after(event)) is not None:
            assert isinstance(event, PurchaseEvent)
            name = stored_name(purchase_name(event.step, event.key, event.n))
            found.append((event, (run_id, name), *now))
    return found


def _parameters(key: TotalKey) -> dict[str, str]:
    return {f"of_{name}": value for name, value in key._asdict().items()}
