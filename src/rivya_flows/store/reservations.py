"""Reserves purchases in pools, in the transaction that writes their entries."""

from __future__ import annotations

import json
from collections import ChainMap, defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from rivya_flows.errors import PoolExceededError
from rivya_flows.planning.queue.events import Event, OfPurchase, PurchaseIntended
from rivya_flows.store.charging import charge_id, counted
from rivya_flows.store.pools import Pool, TotalKey, held_pools, period
from rivya_flows.store.tables import CHARGES, POOL_TOTALS, RUNS, stored_name

_OF_TOTAL = (
    POOL_TOTALS.c.pool == bindparam("of_pool"),
    POOL_TOTALS.c.service == bindparam("of_service"),
    POOL_TOTALS.c.period_start == bindparam("of_period"),
)
# Built once: building a statement takes longer than executing it.
_TOTAL = select(POOL_TOTALS.c.credits).where(*_OF_TOTAL).with_for_update()
_CHANGE_TOTAL = update(POOL_TOTALS).where(*_OF_TOTAL).values(credits=bindparam("credits"))
_RUN = select(RUNS.c.labels, RUNS.c.service).where(RUNS.c.run_id == bindparam("of_run"))
_CHARGES_OF = select(CHARGES.c.purchase, CHARGES.c.credits, CHARGES.c.at).where(
    CHARGES.c.run_id == bindparam("of_run"),
    CHARGES.c.purchase.in_(bindparam("purchases", expanding=True)),
)


class Reservations:
    """What the entries of one transaction take from pools and give back.

    The rows of all totals that may change are locked, in one order, until the transaction ends.

    Args:
        connection: Of the transaction, which holds the fences of the runs.
        entries: Run ids with the events that are about to be written.
        at: Unix seconds of these entries.
    """

    def __init__(
        self, connection: Connection, entries: Iterable[tuple[str, Sequence[Event]]], at: float
    ) -> None:
        self._at = at
        self._covering: dict[str, list[tuple[Pool, str]]] = {}
        self._charges: dict[tuple[str, str], tuple[int, float]] = {}
        purchases = defaultdict[str, list[Event]](list)
        for run_id, events in entries:
            for event in events:
                if counted(event) is not None:
                    purchases[run_id].append(event)
        if purchases and (pools := held_pools(connection)):
            for run_id, of_run in purchases.items():
                text, service = connection.execute(_RUN, {"of_run": run_id}).one()
                labels, service = json.loads(text), stored_name(service)
                if covering := [(pool, service) for pool in pools if pool.covers(labels)]:
                    self._covering[run_id] = covering
                    self._read_charges(connection, run_id, of_run)
        since = {(run_id, at) for run_id in purchases} | {
            (run_id, at) for (run_id, _), (_, at) in self._charges.items()
        }
        touched = {key for run_id, at in since for _, key in self._totals_of(run_id, at)}
        self._before = {key: _locked(connection, key) for key in sorted(touched)}
        self._totals = dict(self._before)

    def take(self, run_id: str, events: Sequence[Event]) -> PoolExceededError | None:
        """Counts all events, or none of them and gives the error if a pool does not cover an intent.

        Other events of purchases are never refused: they tell what happened.
        """
        if run_id not in self._covering:
            return None
        totals: ChainMap[TotalKey, int] = ChainMap({}, self._totals)
        charges = ChainMap[tuple[str, str], tuple[int, float]]({}, self._charges)
        for event in events:
            if not isinstance(event, OfPurchase) or (now := counted(event)) is None:
                continue
            name, (credits, _) = charge_id(run_id, event), now
            needs = 0
            if isinstance(event, PurchaseIntended):
                charges[name], needs = (0, self._at), max(credits, event.rest or 0)
            if name not in charges:
                continue  # of an earlier version
            before, at = charges[name]
            for pool, key in self._totals_of(run_id, at):
                left = max(0, pool.credits - totals[key])
                if needs > left:
                    return PoolExceededError(pool.name, needs, left, period(pool.period, at)[1])
                totals[key] += credits - before
            charges[name] = (credits, at)
        self._totals.update(totals.maps[0])
        self._charges.update(charges.maps[0])
        return None

    def write(self, connection: Connection) -> None:
        """Writes the totals that changed."""
        changed = [
            {**_parameters(key), "credits": credits}
            for key, credits in self._totals.items()
            if credits != self._before[key]
        ]
        if changed:
            connection.execute(_CHANGE_TOTAL, changed)

    def _totals_of(self, run_id: str, at: float) -> list[tuple[Pool, TotalKey]]:
        """The totals that a purchase of that moment counts in, by the name of the pool."""
        return [
            (pool, (pool.name, service, period(pool.period, at)[0]))
            for pool, service in self._covering.get(run_id, ())
        ]

    def _read_charges(self, connection: Connection, run_id: str, events: Sequence[Event]) -> None:
        """Reads the charges of earlier purchases that the events change."""
        names = {
            charge_id(run_id, event)[1]
            for event in events
            if isinstance(event, OfPurchase) and event.kind != "purchase.intended"
        }
        rows = connection.execute(_CHARGES_OF, {"of_run": run_id, "purchases": sorted(names)})
        for purchase, credits, at in rows:
            self._charges[run_id, purchase] = (credits, at)


def _locked(connection: Connection, key: TotalKey) -> int:
    """A total whose row is locked; a new row begins with 0."""
    found: int | None = connection.scalar(_TOTAL, _parameters(key))
    if found is None:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        row = dict(zip(("pool", "service", "period_start"), key, strict=True), credits=0)
        connection.execute(dialect.insert(POOL_TOTALS).on_conflict_do_nothing(), row)
        found = connection.scalar(_TOTAL, _parameters(key))
    assert found is not None
    return found


def _parameters(key: TotalKey) -> dict[str, str]:
    return dict(zip(("of_pool", "of_service", "of_period"), key, strict=True))
