"""What the purchases of a store cost, and what they take from pools in the transaction of their events."""

from __future__ import annotations

import json
from collections import ChainMap, Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, bindparam, case, func, insert, select, update

from rivya_flows.errors import PoolExceededError
from rivya_flows.queue.events import (
    Event,
    OfPurchase,
    OtherRun,
    PurchaseIntended,
    parse,
    purchase_name,
)
from rivya_flows.store.database import reading, rows
from rivya_flows.store.pools import Pool, TotalKey, held_pools, period, total_row
from rivya_flows.store.tables import (
    CHARGES,
    EVENTS,
    POOL_TOTALS,
    RUNS,
    Row,
    insert_missing,
    stored_name,
)

LONGEST_JOB_SECONDS = 3_600.0
"""What was intended longer before the first balance does not change the wallet after it."""

_KINDS = (
    "purchase.intended",
    "purchase.accepted",
    "purchase.refused",
    "job.ended",
    "chat.answered",
)
_ROWS_AT_ONCE = 1_000


@dataclass(frozen=True)
class Charge:
    """What one purchase takes from the wallet.

    Attributes:
        labels: Of the run, by name.
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
    """Credits of each run whose id begins so, removed ones with them: spent, and of these unsettled."""
    unsettled = case((CHARGES.c.settled.is_(False), CHARGES.c.credits), else_=0)
    query = (
        select(CHARGES.c.run_id, func.sum(CHARGES.c.credits), func.sum(unsettled))
        .where(CHARGES.c.run_id.startswith(beginning, autoescape=True))
        .group_by(CHARGES.c.run_id)
    )
    return {name: (int(spent), int(left)) for name, spent, left in rows(engine, query)}


def charges(engine: Engine, *, since: float | None, until: float | None) -> Iterator[Charge]:
    """The charges of all runs, the oldest first, intended from `since` until before `until`.

    Both in Unix seconds; None is from the first one, and up to now.
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


def counted(event: Event) -> tuple[int, bool] | None:
    """The credits that a purchase counts with from this event on, and whether they are final.

    None if the event changes neither: a purchase whose outcome is unknown counts as before.
    """
    # By its kind: `isinstance` of a model is slow, and this is asked of every entry.
    if event.kind == "purchase.intended":
        return event.reserve, False
    if event.kind == "purchase.accepted":
        return event.reserved_credits, False
    if event.kind == "purchase.refused":
        return 0, True
    if event.kind == "job.ended" or event.kind == "chat.answered":
        return event.final_credits, True
    return None


def spent_by_others(
    engine: Engine, run_id: str, service: str, wallet: str | None
) -> tuple[OtherRun, ...]:
    """The other runs of a wallet at a service that spent since this run first read its balance, the most first.

    A purchase is charged when it is accepted, not when it is intended, and a job that was accepted
    before the balance counts with what its end changed. So the table of charges only says which
    journals to read; it has no moment of either. A purchase without a response may have been charged
    at any moment since its intent. Of a removed run only the table is left, so its purchases count from
    their intent.
    """
    read = (EVENTS.c.run_id == run_id, EVENTS.c.kind == "balance.read")
    ((began,),) = rows(engine, select(func.min(EVENTS.c.at)).where(*read))
    return () if began is None else spent_since(engine, began, service, wallet, {run_id})


def spent_since(
    engine: Engine, began: float, service: str, wallet: str | None, own: Collection[str]
) -> tuple[OtherRun, ...]:
    """The runs of a wallet at a service without `own` that spent since a moment in Unix seconds, the most first."""
    of_wallet = (RUNS.c.service == service, RUNS.c.wallet.is_not_distinct_from(wallet))
    around = select(CHARGES.c.run_id).where(CHARGES.c.at >= began - LONGEST_JOB_SECONDS)
    events = (
        select(EVENTS.c.run_id, RUNS.c.name, EVENTS.c.at, EVENTS.c.body)
        .join(RUNS, RUNS.c.run_id == EVENTS.c.run_id)
        .where(*of_wallet, RUNS.c.run_id.in_(around), EVENTS.c.kind.in_(_KINDS))
        .order_by(EVENTS.c.run_id, EVENTS.c.seq)
    )
    removed = (
        select(CHARGES.c.run_id, RUNS.c.name, CHARGES.c.credits)
        .join(RUNS, RUNS.c.run_id == CHARGES.c.run_id)
        .where(*of_wallet, CHARGES.c.at >= began)
        .where(RUNS.c.removed_at.is_not(None), RUNS.c.folder == "")
    )
    spent, held = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    charged: dict[tuple[str, str, str, int], int] = {}
    unanswered: dict[tuple[str, str, str, int], int] = {}
    with reading(engine) as connection:
        for run_id, name, credits in connection.execute(removed):
            spent[run_id, name] += credits
        for run_id, name, at, body in connection.execute(events):
            if run_id in own:
                continue
            event = parse(body)
            now = counted(event)
            assert isinstance(event, OfPurchase)
            assert now is not None
            purchase, (credits, _) = (run_id, event.step, event.key, event.n), now
            if event.kind == "purchase.intended":
                if at >= began - LONGEST_JOB_SECONDS:
                    unanswered[purchase] = credits
                    held[run_id, name] += credits
                continue
            held[run_id, name] -= unanswered.pop(purchase, 0)
            if at >= began:
                spent[run_id, name] += credits - charged.get(purchase, 0)
            charged[purchase] = credits
    others = [
        OtherRun(run_id=run[0], name=run[1], credits=spent[run], held=held[run])
        for run in {**spent, **held}
        if (spent[run] or held[run]) and run[0] not in own
    ]
    return tuple(sorted(others, key=lambda one: (-one.most, one.run_id)))


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
        self._new: dict[_ChargeId, Row] = {}
        self._changed: dict[_ChargeId, Row] = {}
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
                self._new[key] = {**self._new[key], **row}
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
        insert_missing(connection, POOL_TOTALS, total_row(key, 0))
        found = connection.scalar(_TOTAL, _parameters(key))
    assert found is not None
    return found


def _parameters(key: TotalKey) -> dict[str, str]:
    return dict(zip(("of_pool", "of_service", "of_period"), key, strict=True))
