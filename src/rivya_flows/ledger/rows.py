"""Journal -> ledger: one row for each purchase, whatever became of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rivya_flows.plan.events import (
    ChatAnswered,
    JobEnded,
    OfPurchase,
    PurchaseAccepted,
    PurchaseIntended,
    PurchaseRefused,
    PurchaseUncertain,
    Stamped,
)


def ledger_rows(entries: Sequence[Stamped]) -> list[dict[str, Any]]:
    """One row for each purchase, in the order in which they were intended.

    `final` is None while a purchase is not settled; a refused one has cost 0. `held` is what the
    purchase takes up in the run's budget: its final cost, else what is reserved for it.
    """
    rows: dict[tuple[str, str, int], dict[str, Any]] = {}
    for entry in entries:
        event = entry.event
        if isinstance(event, PurchaseIntended):
            name = (event.step, event.key, event.n)
            rows[name] = _intended(entry.at, event)
        elif isinstance(event, OfPurchase):
            rows[event.step, event.key, event.n].update(_change(event))
    return [{**row, "held": _held(row)} for row in rows.values()]


def _intended(at: float, event: PurchaseIntended) -> dict[str, Any]:
    body = json.loads(event.body)
    return {
        "at": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "step": event.step,
        "key": event.key,
        "n": event.n,
        "route": event.route,
        "model": body.get("model"),
        "idempotency_key": event.idempotency_key,
        "client_request_id": body.get("client_request_id"),
        "task_id": None,
        "status": "intended",
        "reserved": event.reserve,
        "final": None,
        "reason": None,
    }


def _change(event: OfPurchase) -> dict[str, Any]:
    if isinstance(event, PurchaseAccepted):
        return {"status": "accepted", "task_id": event.task_id, "reserved": event.reserved_credits}
    if isinstance(event, PurchaseRefused):
        return {"status": "refused", "reserved": 0, "final": 0, "reason": event.message}
    if isinstance(event, PurchaseUncertain):
        return {"status": "uncertain", "reason": event.reason}
    if isinstance(event, JobEnded):
        return {"status": event.status, "final": event.final_credits, "reason": event.error}
    if isinstance(event, ChatAnswered):
        return {
            "status": "answered",
            "task_id": event.completion_id,
            "reserved": event.reserved_credits,
            "final": event.final_credits,
        }
    return {}


def _held(row: dict[str, Any]) -> int:
    held: int = row["reserved"] if row["final"] is None else row["final"]
    return held
