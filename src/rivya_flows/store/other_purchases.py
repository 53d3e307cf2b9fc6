"""What other runs of a store spent at a service while a run was executed."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine, func, select

from rivya_flows.store.database import reading
from rivya_flows.store.tables import EVENTS, RUNS

NEWEST_RUNS = 200
MOST_EVENTS = 20_000
"""A read costs the same however large the store is; what is not read is not explained."""

_CHARGES = {"purchase.accepted": "reserved_credits", "chat.answered": "final_credits"}
_KINDS = (*_CHARGES, "job.ended")


def spent_by_others(engine: Engine, run_id: str, service: str) -> dict[str, int]:
    """Credits that each of the newest other runs at a service spent since this run first read its balance.

    A job that began before that counts with what its end changed, so a value may be negative; runs
    that spent nothing are left out.

    Raises:
        StoreError: The store cannot be read.
    """
    newest = (
        select(RUNS.c.run_id)
        .where(RUNS.c.service == service, RUNS.c.run_id != run_id)
        .order_by(RUNS.c.started_at.desc())
        .limit(NEWEST_RUNS)
    )
    read = (EVENTS.c.run_id == run_id, EVENTS.c.kind == "balance.read")
    with reading(engine) as connection:
        began = connection.scalar(select(func.min(EVENTS.c.at)).where(*read))
        others = connection.scalars(newest).all()
        events = connection.execute(
            select(EVENTS.c.run_id, EVENTS.c.kind, EVENTS.c.at, EVENTS.c.body)
            .where(EVENTS.c.run_id.in_(others), EVENTS.c.kind.in_(_KINDS))
            .order_by(EVENTS.c.run_id, EVENTS.c.seq)
            .limit(MOST_EVENTS)
        ).all()
    spent: dict[str, int] = defaultdict(int)
    reserved: dict[tuple[Any, ...], int] = {}
    for other, kind, at, body in events:
        with suppress(ValueError, TypeError, KeyError):  # of a newer version
            event = json.loads(body)
            purchase = (other, event["step"], event["key"], event["n"])
            if kind == "job.ended":
                charge = int(event["final_credits"]) - reserved.pop(purchase, 0)
            else:
                charge = reserved[purchase] = int(event[_CHARGES[kind]])
            if began is not None and at >= began:
                spent[other] += charge
    return {other: credits for other, credits in spent.items() if credits}
