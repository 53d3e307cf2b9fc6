"""The ledger of a run: one row for each purchase."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any

from rivya_flows.ledger.times import Times, iso
from rivya_flows.planning.queue.events import (
    ChatAnswered,
    JobEnded,
    OfPurchase,
    OtherRun,
    PoolTotal,
    PurchaseAccepted,
    PurchaseIntended,
    PurchaseRefused,
    PurchaseUncertain,
    RunEnded,
    RunFrozen,
    ServiceAsked,
    Stamped,
)
from rivya_flows.planning.queue.state import State


class History:
    """What a receipt takes from a journal beside the state, collected entry by entry.

    Args:
        entries: The journal so far.

    Attributes:
        first: The frozen run; None before the first entry.
        seq: Number of the last entry; 0 before the first.
        began, last: Unix seconds of the first and the last entry.
        executions: How many have ended.
        jobs: The jobs of the run as the service last reported them; None if it did not.
        pools: Those that match its labels, as its last execution left them.
        times: Of its executions, items and questions.
        others, other_runs: What other runs spent in the same time, and which, see `ServiceAsked`.
    """

    def __init__(self, entries: Iterable[Stamped] = ()) -> None:
        self.first: RunFrozen | None = None
        self.seq = self.executions = self.others = 0
        self.other_runs: tuple[OtherRun, ...] = ()
        self.pools: tuple[PoolTotal, ...] = ()
        self.began = self.last = 0.0
        self.times = Times()
        self.jobs: Mapping[str, Mapping[str, Any] | None] | None = None
        self._rows: dict[tuple[str, str, int], dict[str, Any]] = {}
        for entry in entries:
            self.add(entry)

    def add(self, entry: Stamped) -> None:
        """Takes the next entry."""
        event = entry.event
        self.times.add(entry)
        if isinstance(event, RunFrozen):
            self.first, self.began = event, entry.at
        elif isinstance(event, PurchaseIntended):
            self._rows[event.step, event.key, event.n] = _intended(entry.at, event)
        elif isinstance(event, OfPurchase) and (
            row := self._rows.get((event.step, event.key, event.n))
        ):
            self._rows[event.step, event.key, event.n] = row | _change(event)
        elif isinstance(event, ServiceAsked):
            self.jobs, self.others = event.jobs, event.others
            self.other_runs, self.pools = event.other_runs, event.pools
        elif isinstance(event, RunEnded):
            self.executions += 1
        self.seq, self.last = entry.seq, entry.at

    def copy(self) -> History:
        """The same, which later entries do not change."""
        made = copy.copy(self)
        made._rows, made.times = dict(self._rows), self.times.copy()
        return made

    def ledger(self, state: State) -> list[dict[str, Any]]:
        """One row for each purchase, in the order of intent.

        `final` is None until a purchase is settled; a refused one costs 0. `held` is what the
        purchase takes of the budget: its final cost, else what is reserved for it.
        """
        rows = dict(self._rows)
        for step_id, item in state.each():
            for bought in item.purchases:
                # An unanswered purchase becomes uncertain with age, without an event.
                if bought.status in ("uncertain", "intended"):
                    name = (step_id, item.key, bought.n)
                    if row := rows.get(name):
                        rows[name] = row | {"status": bought.status, "reason": bought.error}
        return [
            {**row, "held": row["reserved"] if row["final"] is None else row["final"]}
            for row in rows.values()
        ]


def _intended(at: float, event: PurchaseIntended) -> dict[str, Any]:
    body = json.loads(event.body)
    return {
        "at": iso(at),
        "step": event.step,
        "key": event.key,
        "n": event.n,
        "alternative": event.alternative,
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
