"""What purchases cost and take from pools, written in the transaction of their events."""

from __future__ import annotations

import json
from collections import ChainMap, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from rivya_flows.errors import PoolExceededError
from rivya_flows.planning.queue.event_codec import purchase_name
from rivya_flows.planning.queue.events import Event, OfPurchase, PurchaseIntended
from rivya_flows.store.charges import counted
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
_NEW = insert(CHARGES)
_CHANGE = (
    update(CHARGES)
    .where(CHARGES.c.run_id == bindparam("of_run"), CHARGES.c.purchase == bindparam("of_purchase"))
    .values(credits=bindparam("credits"), settled=bindparam("settled"))
)

_ChargeId = tuple[str, str]
"""The primary key of a charge: run_id, purchase."""

_Change = tuple[OfPurchase, _ChargeId, int, bool]
"""An event, and what its purchase counts with from then on, see `counted`."""


class Charging:
    """What the entries of one transaction charge, and what they take from pools and give back.

    The rows of all totals that may change are locked, in one order, until the transaction ends.

    Args:
        connection: Of the transaction, which holds the fences of the runs.
        entries: Run ids with the events that are about to be written.
        at: Unix seconds of these entries.
    """

    def __init__(
        self, connection: Connection, entries: Iterable[tuple[str, Sequence[Event]]], at: float
    ) -> None:
        self._connection, self._at = connection, at
        self._new: dict[_ChargeId, dict[str, Any]] = {}
        self._changed: dict[_ChargeId, dict[str, Any]] = {}
        # Of the runs that a pool covers: the pools, with the service, and earlier charges.
        self._covering: dict[str, list[tuple[Pool, str]]] = {}
        self._charges: dict[_ChargeId, tuple[int, float]] = {}
        purchases = defaultdict[str, list[Event]](list)
        for run_id, events in entries:
            if found := [event for event in events if counted(event) is not None]:
                purchases[run_id] += found
        if purchases and (pools := held_pools(connection)):
            for run_id, found in purchases.items():
                self._cover(run_id, found, pools)
        since = {(run_id, at) for run_id in self._covering} | {
            (run_id, at) for (run_id, _), (_, at) in self._charges.items()
        }
        touched = {key for run_id, at in since for _, key in self._totals_of(run_id, at)}
        self._before = {key: _locked(connection, key) for key in sorted(touched)}
        self._totals = dict(self._before)

    def take(self, run_id: str, events: Sequence[Event]) -> PoolExceededError | None:
        """Counts all events, or none of them and gives the error if a pool does not cover an intent.

        Other events of purchases are never refused: they tell what happened.
        """
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
            row = {"credits": credits, "settled": settled}
            if isinstance(event, PurchaseIntended):
                model = None if event.model is None else stored_name(event.model)
                of_intent = {"step": event.step, "model": model, "at": self._at}
                self._new[key] = {"run_id": key[0], "purchase": key[1], **of_intent, **row}
            elif key in self._new:
                self._new[key] |= row
            else:
                self._changed[key] = {"of_run": key[0], "of_purchase": key[1], **row}
        return None

    def write(self) -> None:
        """Writes the charges and totals that changed."""
        changed = [
            {**_parameters(key), "credits": credits}
            for key, credits in self._totals.items()
            if credits != self._before[key]
        ]
        rows = (
            (_CHANGE, [*self._changed.values()]),
            (_NEW, [*self._new.values()]),
            (_CHANGE_TOTAL, changed),
        )
        for statement, of_statement in rows:
            if of_statement:
                self._connection.execute(statement, of_statement)

    def _cover(self, run_id: str, events: Sequence[Event], pools: Sequence[Pool]) -> None:
        """Notes the pools of a run, and the earlier charges that change."""
        text, service = self._connection.execute(_RUN, {"of_run": run_id}).one()
        labels = json.loads(text)
        covering = [(pool, stored_name(service)) for pool in pools if pool.covers(labels)]
        if not covering:
            return
        self._covering[run_id] = covering
        changes = _changes(run_id, events)
        earlier = {key[1] for event, key, *_ in changes if not isinstance(event, PurchaseIntended)}
        named = {"of_run": run_id, "purchases": sorted(earlier)}
        for purchase, credits, at in self._connection.execute(_CHARGES_OF, named):
            self._charges[run_id, purchase] = (credits, at)

    def _totals_of(self, run_id: str, at: float) -> list[tuple[Pool, TotalKey]]:
        """The totals that a purchase of that moment counts in, by the name of the pool."""
        return [
            (pool, (pool.name, service, period(pool.period, at)[0]))
            for pool, service in self._covering.get(run_id, ())
        ]


def _changes(run_id: str, events: Sequence[Event]) -> list[_Change]:
    found: list[_Change] = []
    for event in events:
        if (now := counted(event)) is not None:
            assert isinstance(event, OfPurchase)
            found.append((event, (run_id, stored_name(purchase_name(event))), *now))
    return found


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
