"""Reconciles the ledger with the jobs at the service and with the balance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rivya_flows.plans.names import label
from rivya_flows.queue.events import JobSeen
from rivya_flows.queue.state import State
from rivya_flows.receipt.model import Agreement, Credits, Difference, Purchase
from rivya_flows.receipt.phrases import credits_of

_ENDED = ("succeeded", "failed")
_OPEN = ("queued", "processing")
_UNKNOWN = ("uncertain", "intended")
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
    found = [one for row in rows for one in _of_row(row, jobs)]
    ours = {row.task_id for row in rows}
    for task_id in (one for one in jobs if one not in ours):
        words = f"the service reports {task_id}, which this run did not buy"
        found.append(_difference("unexpected_job", None, None, words, task_id=task_id))
    # Open purchases may not have been charged yet; they are reported as such.
    may_be_back = sum(row.held for row in rows if row.final is None)
    if (other := credits.unexplained) and not -may_be_back <= other < 0:
        known = f", other runs {credits.others}" if credits.others else ""
        went = f"{credits_of(other)} went for something else"
        words = went if other > 0 else f"{credits_of(-other)} came in beside it"
        words = (
            f"the wallet went from {credits.before} to {credits.after};"
            f" this run spent {credits.spent}{known}, and {words}"
        )
        gone = credits.spent + credits.others + other
        found.append(_difference("wallet", credits.spent, gone, words))
    return Agreement(
        agrees=not found,
        compared=len(compared),
        unexplained=credits.unexplained,
        differences=tuple(found),
    )


def explained(
    before: int | None, after: int | None, spent: int, others: int
) -> tuple[int | None, int]:
    """What nothing explains of a change of the wallet, and what other runs of the store do.

    None and 0 where a balance is not known.
    """
    if before is None or after is None:
        return None, 0
    lost = before - after - spent
    # Other runs may be those of another wallet.
    unexplained = max(lost - others, min(lost, 0))
    return unexplained, lost - unexplained


def _of_row(row: Purchase, jobs: Mapping[str, JobSeen | None]) -> Iterator[Difference]:
    name, task = f"{label(row.step, row.key)} purchase {row.n}", row.task_id
    if row.status in _UNKNOWN:
        reason = row.reason or "it was sent or about to be, and no answer is known"
        words = f"{name}: nobody knows whether this was bought ({reason})"
        yield _difference("uncertain", row.held, None, words, row)
    if row.status in _NOT_COMPARED or task is None or task not in jobs:
        return
    if (job := jobs[task]) is None:
        words = f"the service does not know {task}, bought for {name}"
        yield _difference("unknown_job", row.status, None, words, row)
        return
    status, final = job.status, job.final_credits
    if job.model not in (None, row.model):
        words = f"{task} is a job of {job.model}, not of {row.model}"
        yield _difference("other_model", row.model, job.model, words, row)
    if row.final is None and status in _ENDED:
        words = f"{task} has {status} at {final} credits; resume the run to settle it"
        yield _difference("not_settled", row.status, status, words, row)
    elif row.final is None and status not in (None, *_OPEN):
        held = credits_of(row.held)
        words = f"{task} is {status} at the service; {held} held for it here may be free"
        yield _difference("not_settled", row.status, status, words, row)
    elif row.final is not None and status != row.status:
        words = f"{task} is {status} at the service and {row.status} here"
        yield _difference("other_status", row.status, status, words, row)
    # The final cost may stay 0 until the job has ended.
    elif None not in (row.final, final) and final != row.final and status not in _OPEN:
        words = f"{task} cost {final} at the service and {row.final} here"
        yield _difference("other_cost", row.final, final, words, row)


def _difference(
    kind: Any, ours: Any, theirs: Any, words: str, row: Purchase | None = None, task_id: Any = None
) -> Difference:
    return Difference(
        kind=kind,
        task_id=row.task_id if row else task_id,
        step=row and row.step,
        key=row.key if row else None,
        n=row and row.n,
        ledger=ours,
        service=theirs,
        words=words,
    )
