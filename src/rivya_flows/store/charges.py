"""What the purchases of a store cost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Engine, case, func, select

from rivya_flows.queue.events import Event, OtherRun, PurchaseEvent, parse
from rivya_flows.store.database import reading, rows
from rivya_flows.store.tables import CHARGES, EVENTS, RUNS

LONGEST_JOB_SECONDS = 3_600.0
"""What was intended longer before the first balance does not change the wallet after it."""

_PURCHASES = ("purchase.intended", "purchase.accepted", "purchase.refused")
_KINDS = (*_PURCHASES, "job.ended", "chat.answered")
_ROWS_AT_ONCE = 1_000
_Purchase = tuple[str, str, str, int]  # run, step, key and number


class Charge(NamedTuple):
    """What one purchase takes from the wallet: reserved, then what it cost, which is `settled`; `lost` for media that were refused."""

    run_id: str
    run_name: str
    labels: Mapping[str, str]
    service: str
    step: str
    model: str | None
    at: float
    credits: int
    settled: bool
    lost: bool


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
    """The charges of all runs, the oldest first, intended from `since` until before `until`, in Unix seconds."""
    of_run = (RUNS.c.name, RUNS.c.labels, RUNS.c.service)
    query = (
        select(
            CHARGES.c.run_id,
            *of_run,
            *CHARGES.c["step", "model", "at", "credits", "settled", "lost"],
        )
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


def credits_after(event: Event) -> tuple[int, bool] | None:
    """The credits that a purchase counts with from this event on, and whether they are final; None as before it."""
    # By its kind: `isinstance` of a model is slow, and this is asked of every entry.
    if event.kind == "purchase.intended":
        return event.reserve, False
    if event.kind == "purchase.accepted":
        return event.reserved_credits, False
    if event.kind == "purchase.refused":
        return 0, True
    if event.kind == "job.ended" or event.kind == "chat.answered":
        return event.final_credits, True
    if event.kind == "media.refused" or event.kind == "media.accepted":
        return event.final_credits, True
    return None


def spent_by_others(
    engine: Engine, run_id: str, service: str, wallet: str | None
) -> tuple[OtherRun, ...]:
    """The other runs of a wallet at a service that spent since this run first read its balance, the most first."""
    read = (EVENTS.c.run_id == run_id, EVENTS.c.kind == "balance.read")
    ((began,),) = rows(engine, select(func.min(EVENTS.c.at)).where(*read))
    return () if began is None else spent_since(engine, began, service, wallet, {run_id})


def spent_since(
    engine: Engine, began: float, service: str, wallet: str | None, own: Collection[str]
) -> tuple[OtherRun, ...]:
    """The runs of a wallet at a service without `own` that spent since a moment in Unix seconds, the most first.

    A purchase is charged when it is accepted, not when it is intended, and a job that was accepted
    before counts with what its end changed. So the table of charges only says which journals to read.
    A purchase without a response may have been charged at any moment since its intent. Of a removed
    run only the table is left, so its purchases count from their intent.
    """
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
    charged, unanswered = dict[_Purchase, int](), dict[_Purchase, int]()
    with reading(engine) as connection:
        for run_id, name, credits in connection.execute(removed):
            spent[run_id, name] += credits
        for run_id, name, at, body in connection.execute(events):
            if run_id in own:
                continue
            event = parse(body)
            now = credits_after(event)
            assert isinstance(event, PurchaseEvent)
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
    runs = [
        OtherRun(run_id=run[0], name=run[1], credits=spent[run], held=held[run])
        for run in {**spent, **held}
        if (spent[run] or held[run]) and run[0] not in own
    ]
    return tuple(sorted(runs, key=lambda run: (-run.most, run.run_id)))
