"""What a receipt takes from a journal beside the state of the run: its purchases and its times."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from rivya_flows.questions.question import BUDGET
from rivya_flows.queue import events
from rivya_flows.queue.items import IN_FLIGHT, TERMINAL, ItemState, Purchase as Bought
from rivya_flows.queue.state import State
from rivya_flows.receipt.model import Execution, Purchase, Wait

_Name = tuple[str, str]
"""Step and key of an item."""


class History:
    """What a receipt takes from a journal beside the state, collected entry by entry.

    Attributes:
        first: The frozen run; None before the first entry.
        seq: Number of the last entry; 0 before the first.
        began, last: Unix seconds of the first and the last entry.
        jobs: The jobs of the run as the service last reported them; None if it did not.
        pools: Those that match its labels, as its last execution left them.
        executions: One that died ends with its last entry.
        waits: From each question to its answer or missed deadline, by step and key.
    """

    def __init__(self, entries: Iterable[events.Stamped] = ()) -> None:
        self.first: events.RunFrozen | None = None
        self.seq = self.ended = self.others = 0
        self.other_runs: tuple[events.OtherRun, ...] = ()
        self.pools: tuple[events.PoolTotal, ...] = ()
        self.began = self.last = 0.0
        self.jobs: Mapping[str, events.JobSeen | None] | None = None
        self.executions: tuple[Execution, ...] = ()
        self.waits: dict[_Name, tuple[Wait, ...]] = {}
        self._intended_at: dict[tuple[str, str, int], float] = {}
        self._first_at: dict[_Name, float] = {}
        self._last_at: dict[_Name, float] = {}
        self._at = 0.0
        for entry in entries:
            self.add(entry)

    def add(self, entry: events.Stamped) -> None:
        """Takes the next entry."""
        event, at = entry.event, entry.at
        match event:
            case events.RunFrozen():
                self.first, self.began = event, at
            case events.RunResumed():
                self._end_execution(self._at)
                self.executions += (Execution(began_at=moment(at), ended_at=None),)
            case events.RunEnded():
                self._end_execution(at)
                self.ended += 1
            case events.ServiceAsked():
                self.jobs, self.others = event.jobs, event.others
                self.other_runs, self.pools = event.other_runs, event.pools
            case events.OfItem() if not isinstance(event, events.PoolRefused):
                self._add_to_item(event, at)
        if not isinstance(event, events.AnswerGiven):  # one may come after its execution has died
            self._at = at
        self.seq, self.last = entry.seq, at

    def copy(self) -> History:
        """The same, which later entries do not change."""
        made = copy.copy(self)
        for name in ("_intended_at", "waits", "_first_at", "_last_at"):
            setattr(made, name, dict(getattr(self, name)))
        return made

    def purchases(self, state: State) -> tuple[Purchase, ...]:
        """One row for each purchase, in the order of intent."""
        bought = {
            (step_id, item.key, one.n): one
            for step_id, item in state.each()
            for one in item.purchases
        }
        return tuple(_row(name, at, bought[name]) for name, at in self._intended_at.items())

    def budget_waits(self) -> tuple[Wait, ...]:
        """How long questions about the budget waited."""
        return tuple(
            wait for (step, _), waits in self.waits.items() if step == BUDGET for wait in waits
        )

    def span(
        self, state: State, step_id: str, item: ItemState
    ) -> tuple[datetime | None, datetime | None]:
        """When an item began, with its first purchase or question, and ended, with its last entry.

        The journal does not say when free work began: then it is when all that it needs had ended.
        """
        name = step_id, item.key
        end = self._last_at.get(name) if item.phase in TERMINAL else None
        ended = None if end is None else moment(end)
        if (first := self._first_at.get(name)) is not None:
            return moment(first), ended
        if end is None and item.phase not in IN_FLIGHT:
            return None, None
        at = moment(self._at) if ended is None else ended
        begun = [one.began_at for one in self.executions if one.began_at <= at][-1:]
        if before := [*self._ends_before(state, step_id, item.key)]:
            begun.append(moment(max(before)))
        return min(at, max(begun)), ended

    def _end_execution(self, at: float) -> None:
        if self.executions and self.executions[-1].ended_at is None:
            ended = self.executions[-1].model_copy(update={"ended_at": moment(at)})
            self.executions = (*self.executions[:-1], ended)

    def _add_to_item(self, event: events.OfItem, at: float) -> None:
        name = event.step, event.key
        known = self.waits.get(name, ())
        match event:
            case events.CacheAnswered() if event.outputs is not None:
                self._first_at.setdefault(name, at)
            case events.PurchaseIntended():
                self._first_at.setdefault(name, at)
                self._intended_at[*name, event.n] = at
            case events.QuestionAsked():
                self._first_at.setdefault(name, at)
                self.waits[name] = (*known, Wait(asked_at=moment(at), answered_at=None))
            case events.AnswerGiven() | events.ItemCompleted() | events.ItemFailed():
                if known and known[-1].answered_at is None:
                    answered = known[-1].model_copy(update={"answered_at": moment(at)})
                    self.waits[name] = (*known[:-1], answered)
        self._last_at[name] = at

    def _ends_before(self, state: State, step_id: str, key: str) -> Iterator[float]:
        """When each item ended that an item needs."""
        planned = state.planned(step_id)
        for needed in planned.upstream:
            for one in (key,) if needed == planned.itemwise else state.steps[needed].items:
                if (needed, one) in self._last_at:
                    yield self._last_at[needed, one]


def moment(at: float) -> datetime:
    """Unix seconds as a time in UTC."""
    return datetime.fromtimestamp(at, UTC)


def _row(name: tuple[str, str, int], at: float, bought: Bought) -> Purchase:
    """A row of the ledger; `final` is None until the purchase is settled, and a refused one costs 0."""
    step, key, n = name
    body = json.loads(bought.body)
    reserved = bought.reserve if bought.reserved is None else bought.reserved
    assert bought.status != "planned"
    refused = bought.status == "refused"
    return Purchase(
        at=moment(at),
        step=step,
        key=key,
        n=n,
        alternative=bought.alternative,
        route=bought.route,
        model=body.get("model"),
        idempotency_key=bought.idempotency_key,
        client_request_id=body.get("client_request_id"),
        task_id=bought.task_id,
        status=bought.status,
        reserved=0 if refused else reserved,
        final=0 if refused else bought.final,
        reason=bought.error,
        held=bought.held,
    )
