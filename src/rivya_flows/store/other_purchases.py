"""What other runs of a store spent at a service while a run was executed."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine, func, select

from rivya_flows.planning.queue.events import OtherRun
from rivya_flows.store.database import reading
from rivya_flows.store.tables import CHARGES, EVENTS, RUNS

LONGEST_JOB_SECONDS = 3_600.0
"""What was intended longer before the first balance does not change the wallet after it."""

_CHARGES = {"purchase.accepted": "reserved_credits", "chat.answered": "final_credits"}
_KINDS = (*_CHARGES, "purchase.intended", "purchase.refused", "job.ended")


def spent_by_others(
    engine: Engine, run_id: str, service: str, wallet: str | None
) -> tuple[OtherRun, ...]:
    """The other runs of a wallet at a service that spent since this run first read its balance, the most first.

    A purchase is charged when it is accepted, not when it is intended, and a job that was accepted
    before the balance counts with what its end changed. So the table of charges only says which
    journals to read; it has no moment of either. A purchase without a response may have been charged
    at any moment since its intent. Of a removed run only the table is left, so its purchases count from
    their intent.

    Raises:
        StoreError: The store cannot be read.
    """
    read = (EVENTS.c.run_id == run_id, EVENTS.c.kind == "balance.read")
    with reading(engine) as connection:
        began = connection.scalar(select(func.min(EVENTS.c.at)).where(*read))
    return () if began is None else spent_since(engine, began, service, wallet, {run_id})


def spent_since(
    engine: Engine, began: float, service: str, wallet: str | None, own: Collection[str]
) -> tuple[OtherRun, ...]:
    """The runs of a wallet at a service without `own` that spent since a moment in Unix seconds, the most first.

    Raises:
        StoreError: The store cannot be read.
    """
    with reading(engine) as connection:
        around = select(CHARGES.c.run_id).where(CHARGES.c.at >= began - LONGEST_JOB_SECONDS)
        events = connection.execute(
            select(EVENTS.c.run_id, RUNS.c.name, EVENTS.c.kind, EVENTS.c.at, EVENTS.c.body)
            .join(RUNS, RUNS.c.run_id == EVENTS.c.run_id)
            .where(RUNS.c.service == service, RUNS.c.wallet.is_not_distinct_from(wallet))
            .where(RUNS.c.run_id.in_(around))
            .where(EVENTS.c.kind.in_(_KINDS))
            .order_by(EVENTS.c.run_id, EVENTS.c.seq)
        ).all()
        removed = connection.execute(
            select(CHARGES.c.run_id, RUNS.c.name, CHARGES.c.credits)
            .join(RUNS, RUNS.c.run_id == CHARGES.c.run_id)
            .where(RUNS.c.service == service, RUNS.c.wallet.is_not_distinct_from(wallet))
            .where(CHARGES.c.at >= began)
            .where(RUNS.c.removed_at.is_not(None), RUNS.c.folder == "")
        ).all()
    spent: dict[tuple[str, str], int] = defaultdict(int)
    for other, name, credits in removed:
        if other not in own:
            spent[other, name] += credits
    reserved: dict[tuple[Any, ...], int] = {}
    held: dict[tuple[Any, ...], int] = {}
    for other, name, kind, at, body in events:
        if other in own:
            continue
        with suppress(ValueError, TypeError, KeyError):  # of a newer version
            event = json.loads(body)
            purchase = (other, name, event["step"], event["key"], event["n"])
            if kind == "purchase.intended":
                if at >= began - LONGEST_JOB_SECONDS:
                    held[purchase] = int(event["reserve"])
                continue
            held.pop(purchase, None)
            if kind == "purchase.refused":
                continue
            if kind == "job.ended":
                charge = int(event["final_credits"]) - reserved.pop(purchase, 0)
            else:
                charge = reserved[purchase] = int(event[_CHARGES[kind]])
            if at >= began:
                spent[other, name] += charge
    unanswered = Counter[tuple[str, str]]()
    for (other, name, *_), reserve in held.items():
        unanswered[other, name] += reserve
    others = [
        OtherRun(run_id=run[0], name=run[1], credits=spent[run], held=unanswered[run])
        for run in {**spent, **unanswered}
    ]
    found = (one for one in others if one.credits or one.held)
    return tuple(sorted(found, key=lambda one: (-one.most, one.run_id)))
