"""Reconciles the ledger with the jobs at the service and with the balance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rivya_flows.plans.names import label
from rivya_flows.queue.events import JobSeen
from rivya_flows.queue.state import State
from rivya_flows.receipt.model import Agreement, Credits, Difference, Purchase
from rivya_flows.receipt.phrases import credits_of

_ENDED = ("succeeded", "failed")
_OPEN = ("queued", "processing")


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
    """Compares the ledger of a run with the jobs at its service and with the balance.

    Args:
        jobs: By task id; None for an unknown id. Missing ids are not compared.
    """
    found: list[Difference] = []
    compared = 0
    for row in rows:
        if row.status in ("uncertain", "intended"):
            found.append(_uncertain(row))
        elif row.status != "answered" and row.task_id is not None and row.task_id in jobs:
            compared += 1
            found += _compare(row, jobs[row.task_id])
    ours = {row.task_id for row in rows}
    found += [_unexpected(task_id) for task_id in jobs if task_id not in ours]
    # Open purchases may not have been charged yet; they are reported as such.
    may_be_back = sum(row.held for row in rows if row.final is None)
    if credits.unexplained and not -may_be_back <= credits.unexplained < 0:
        found.append(_wallet(credits, credits.unexplained))
    return Agreement(
        agrees=not found,
        compared=compared,
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


def _compare(row: Purchase, job: JobSeen | None) -> list[Difference]:
    task = row.task_id
    if job is None:
        words = f"the service does not know {task}, bought for {_name(row)}"
        return [_difference("unknown_job", row, row.status, None, words)]
    found = []
    if job.model not in (None, row.model):
        words = f"{task} is a job of {job.model}, not of {row.model}"
        found.append(_difference("other_model", row, row.model, job.model, words))
    status, final = job.status, job.final_credits
    if row.final is None:
        if status in _ENDED:
            words = f"{task} has {status} at {final} credits; resume the run to settle it"
            found.append(_difference("not_settled", row, row.status, status, words))
        elif status not in (None, *_OPEN):
            held = credits_of(row.held)
            words = f"{task} is {status} at the service; {held} held for it here may be free"
            found.append(_difference("not_settled", row, row.status, status, words))
        return found
    if status != row.status:
        words = f"{task} is {status} at the service and {row.status} here"
        found.append(_difference("other_status", row, row.status, status, words))
    # The final cost may stay 0 until the job has ended.
    elif final is not None and final != row.final and status not in _OPEN:
        words = f"{task} cost {final} at the service and {row.final} here"
        found.append(_difference("other_cost", row, row.final, final, words))
    return found


def _uncertain(row: Purchase) -> Difference:
    reason = row.reason or "it was sent or about to be, and no answer is known"
    words = f"{_name(row)}: nobody knows whether this was bought ({reason})"
    return _difference("uncertain", row, row.held, None, words)


def _unexpected(task_id: str) -> Difference:
    words = f"the service reports {task_id}, which this run did not buy"
    return _difference("unexpected_job", None, None, None, words, task_id)


def _wallet(credits: Credits, other: int) -> Difference:
    known = f", other runs {credits.others}" if credits.others else ""
    moved = f"the wallet went from {credits.before} to {credits.after}"
    words = (
        f"and {credits_of(other)} went for something else"
        if other > 0
        else f"and {credits_of(-other)} came in beside it"
    )
    gone = credits.spent + credits.others + other
    words = f"{moved}; this run spent {credits.spent}{known}, {words}"
    return _difference("wallet", None, credits.spent, gone, words)


def _difference(
    kind: Any, row: Purchase | None, ours: Any, theirs: Any, words: str, task_id: str | None = None
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


def _name(row: Purchase) -> str:
    return f"{label(row.step, row.key)} purchase {row.n}"
