"""The ledger of a run: one row for each purchase."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rivya_flows.planning.queue.events import (
    ChatAnswered,
    JobEnded,
    OfPurchase,
    PurchaseAccepted,
    PurchaseIntended,
    PurchaseRefused,
    PurchaseUncertain,
    Stamped,
)
from rivya_flows.planning.queue.state import State


def ledger_rows(entries: Sequence[Stamped], state: State) -> list[dict[str, Any]]:
    """One row for each purchase, in the order of intent.

    `final` is None until a purchase is settled; a refused one costs 0. `held` is what the purchase
    takes of the budget: its final cost, else what is reserved for it.

    Args:
        entries: The journal.
        state: The state that `replay` gives for it.
    """
    rows: dict[tuple[str, str, int], dict[str, Any]] = {}
    for entry in entries:
        event = entry.event
        if isinstance(event, PurchaseIntended):
            rows[event.step, event.key, event.n] = _intended(entry.at, event)
        elif isinstance(event, OfPurchase) and (event.step, event.key, event.n) in rows:
            rows[event.step, event.key, event.n].update(_change(event))
    for step_id, item in state.each():
        for bought in item.purchases:
            row = rows.get((step_id, item.key, bought.n))
            # An unanswered purchase becomes uncertain with age, without an event.
            if row is not None and bought.status in ("uncertain", "intended"):
                row.update(status=bought.status, reason=bought.error)
    return [{**row, "held": _held(row)} for row in rows.values()]


def _intended(at: float, event: PurchaseIntended) -> dict[str, Any]:
    body = json.loads(event.body)
    return {
        "at": iso(at),
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
        return {
            "status": "accepted",
            "task_id": event.task_id,
            "reserved": event.reserved_credits,
            "reason": None,
        }
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
            "reason": None,
        }
    return {}


def _held(row: dict[str, Any]) -> int:
    held: int = row["reserved"] if row["final"] is None else row["final"]
    return held


def iso(at: float) -> str:
    """Unix seconds as ISO 8601 in UTC, to the millisecond, with ``Z``."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
