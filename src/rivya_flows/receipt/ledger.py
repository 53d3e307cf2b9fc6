"""What a receipt takes from a journal beside the state of the run: times and purchases, and whether the service agrees."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rivya_flows.plans.names import label
from rivya_flows.queue import events
from rivya_flows.queue.events import JobSeen
from rivya_flows.queue.items import IN_FLIGHT, TERMINAL, ItemState
from rivya_flows.queue.state import State
from rivya_flows.receipt.model import Agreement, Credits, Difference, Execution, Purchase, Wait
from rivya_flows.receipt.phrases import credits_of

_Name = tuple[str, str]
"""Step and key of an item."""


class History:
    """What a receipt takes from a journal beside the state, collected entry by entry.

    Attributes:
        first: The frozen run; None before the first entry.
        seq: Number of the last entry; 0 before the first.
        began, last: When the first and the last entry were written.
        ended: How many executions have ended.
        jobs: The jobs of the run as the service last reported them; None if it did not.
        pools: Those that match its labels, as its last execution left them.
        executions: One that died ends with its last entry.
        waits: From each question to its answer or missed deadline, by step and key.
    """

    def __init__(self, entries: Iterable[events.Stamped] = ()) -> None:
        self.first: events.RunFrozen | None = None
        self.seq = self.ended = self.spent_by_others = 0
        self.other_runs: tuple[events.OtherRun, ...] = ()
        self.pools: tuple[events.PoolTotal, ...] = ()
        self.began = self.last = self._at = moment(0)
        self.jobs: Mapping[str, JobSeen | None] | None = None
        self.executions: tuple[Execution, ...] = ()
        self.waits: dict[_Name, tuple[Wait, ...]] = {}
        self._intended_at: dict[tuple[str, str, int], datetime] = {}
        self._first_at: dict[_Name, datetime] = {}
        self._last_at: dict[_Name, datetime] = {}
        for entry in entries:
            self.add(entry)

    def add(self, entry: events.Stamped) -> None:
        """Takes the next entry."""
        event, at = entry.event, moment(entry.at)
        match event:
            case events.RunFrozen():
                self.first, self.began = event, at
            case events.RunResumed():
                self._end_execution(self._at)
                self.executions += (Execution(began_at=at, ended_at=None),)
            case events.RunEnded():
                self._end_execution(at)
                self.ended += 1
            case events.ServiceAsked():
                self.jobs, self.spent_by_others = event.jobs, event.others
                self.other_runs, self.pools = event.other_runs, event.pools
            case events.ItemEvent() if not isinstance(event, events.PoolRefused):
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
        """One row for each purchase, in the order of intent; a refused purchase costs 0."""
        bought = {
            (step_id, item.key, one.n): one
            for step_id, item in state.each()
            for one in item.purchases
        }
        rows = []
        for (step, key, n), at in self._intended_at.items():
            one = bought[step, key, n]
            body, refused = json.loads(one.body), one.status == "refused"
            reserved = one.reserve if one.reserved is None else one.reserved
            assert one.status != "planned"
            rows.append(
                Purchase(
                    at=at,
                    step=step,
                    key=key,
                    n=n,
                    alternative=one.alternative,
                    route=one.route,
                    model=body.get("model"),
                    idempotency_key=one.idempotency_key,
                    client_request_id=body.get("client_request_id"),
                    task_id=one.task_id,
                    status=one.status,
                    reserved=0 if refused else reserved,
                    final=0 if refused else one.final,
                    reason=one.error,
                    held=one.held,
                )
            )
        return tuple(rows)

    def span(
        self, state: State, step_id: str, item: ItemState
    ) -> tuple[datetime | None, datetime | None]:
        """When an item began, with its first purchase or question, and ended, with its last entry.

        The journal does not say when free work began: then it is when all that it needs had ended.
        """
        name = step_id, item.key
        ended = self._last_at.get(name) if item.phase in TERMINAL else None
        if (first := self._first_at.get(name)) is not None:
            return first, ended
        if ended is None and item.phase not in IN_FLIGHT:
            return None, None
        at = self._at if ended is None else ended
        begun = [one.began_at for one in self.executions if one.began_at <= at][-1:]
        planned = state.planned_step(step_id)
        for needed in planned.upstream:
            keys = (item.key,) if needed == planned.itemwise else state.steps[needed].items
            begun += [self._last_at[needed, key] for key in keys if (needed, key) in self._last_at]
        return min(at, max(begun)), ended

    def _end_execution(self, at: datetime) -> None:
        if self.executions and self.executions[-1].ended_at is None:
            ended = self.executions[-1].model_copy(update={"ended_at": at})
            self.executions = (*self.executions[:-1], ended)

    def _add_to_item(self, event: events.ItemEvent, at: datetime) -> None:
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
                self.waits[name] = (*known, Wait(asked_at=at, answered_at=None))
            case events.AnswerGiven() | events.ItemCompleted() | events.ItemFailed():
                if known and known[-1].answered_at is None:
                    answered = known[-1].model_copy(update={"answered_at": at})
                    self.waits[name] = (*known[:-1], answered)
        self._last_at[name] = at


def moment(at: float) -> datetime:
    """Unix seconds as a time in UTC."""
    return datetime.fromtimestamp(at, UTC)


# --- Reconciliation with the service ---

_ENDED = ("succeeded", "failed")
_OPEN = ("queued", "processing")
_UNKNOWN = ("uncertain", "intended")
_STATUS = {"lost": "succeeded"}
"""What the service calls the outcome of a purchase, where it has another name."""

_NOT_COMPARED = (*_UNKNOWN, "answered")


def jobs_to_ask(state: State) -> tuple[str, ...]:
    """Ids of the jobs that a run bought; the API cannot look up chat completions."""
    return tuple(
        bought.task_id
        for _, item in state.each()
        for bought in item.purchases
        if bought.task_id is not None and bought.status != "answered"
    )


def reconcile(
    rows: Sequence[Purchase], jobs: Mapping[str, JobSeen | None], credits: Credits
) -> Agreement:
    """Compares the ledger of a run with the jobs at its service, by task id, and with the balance.

    A job is None if the service does not know its id; ids that are missing are not compared.
    """
    compared = [row for row in rows if row.task_id in jobs and row.status not in _NOT_COMPARED]
    found = [one for row in rows for one in _differences(row, jobs)]
    ours = {row.task_id for row in rows}
    for task_id in (one for one in jobs if one not in ours):
        message = f"the service reports {task_id}, which this run did not buy"
        found.append(_difference("unexpected_job", None, None, message, task_id=task_id))
    # Open purchases may not have been charged yet; they are reported as such.
    may_be_back = sum(row.held for row in rows if row.final is None)
    if (rest := credits.unexplained) and not -may_be_back <= rest < 0:
        known = f", other runs {credits.others}" if credits.others else ""
        spent = f"{credits_of(rest)} went for something else"
        message = (
            f"the wallet went from {credits.before} to {credits.after}; this run spent"
            f" {credits.spent}{known}, and "
            + (spent if rest > 0 else f"{credits_of(-rest)} came in beside it")
        )
        gone = credits.spent + credits.others + rest
        found.append(_difference("wallet", credits.spent, gone, message))
    return Agreement(
        agrees=not found,
        compared=len(compared),
        unexplained=credits.unexplained,
        differences=tuple(found),
    )


def explain_wallet(
    before: int | None, after: int | None, spent: int, by_others: int
) -> tuple[int | None, int]:
    """What nothing explains of a change of the wallet, and what other runs of the store do.

    None and 0 without both balances.
    """
    if before is None or after is None:
        return None, 0
    lost = before - after - spent
    # Other runs may be those of another wallet.
    unexplained = max(lost - by_others, min(lost, 0))
    return unexplained, lost - unexplained


def _differences(row: Purchase, jobs: Mapping[str, JobSeen | None]) -> Iterator[Difference]:
    name, task = f"{label(row.step, row.key)} purchase {row.n}", row.task_id
    if row.status in _UNKNOWN:
        reason = row.reason or "it was sent or about to be, and no answer is known"
        message = f"{name}: it is not known whether this was bought ({reason})"
        yield _difference("uncertain", row.held, None, message, row)
    if row.status in _NOT_COMPARED or task is None or task not in jobs:
        return
    if (job := jobs[task]) is None:
        message = f"the service does not know {task}, bought for {name}"
        yield _difference("unknown_job", row.status, None, message, row)
        return
    status, final = job.status, job.final_credits
    if job.model not in (None, row.model):
        message = f"{task} is a job of {job.model}, not of {row.model}"
        yield _difference("other_model", row.model, job.model, message, row)
    if row.final is None and status in _ENDED:
        message = f"{task} has {status} at {final} credits; resume the run to settle it"
        yield _difference("not_settled", row.status, status, message, row)
    elif row.final is None and status not in (None, *_OPEN):
        held = credits_of(row.held)
        message = f"{task} is {status} at the service; {held} held for it here may be free"
        yield _difference("not_settled", row.status, status, message, row)
    elif row.final is not None and status != (ours := _STATUS.get(row.status, row.status)):
        message = f"{task} is {status} at the service and {ours} here"
        yield _difference("other_status", ours, status, message, row)
    # The final cost may stay 0 until the job has ended.
    elif None not in (row.final, final) and final != row.final and status not in _OPEN:
        message = f"{task} cost {final} at the service and {row.final} here"
        yield _difference("other_cost", row.final, final, message, row)


def _difference(
    kind: Any,
    ours: Any,
    theirs: Any,
    message: str,
    row: Purchase | None = None,
    task_id: Any = None,
) -> Difference:
    return Difference(
        kind=kind,
        task_id=row.task_id if row else task_id,
        step=row and row.step,
        key=row.key if row else None,
        n=row and row.n,
        ledger=ours,
        service=theirs,
        words=message,
    )
