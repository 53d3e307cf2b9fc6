"""The rules of a batch, pure: which rows may start, with how much, and what becomes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from rivya_flows.app.batch.state import Batch, RowState, Settled, Start
from rivya_flows.ledger.phrases import credits_of

_STOPPING = frozenset(
    {
        "insufficient_credits",
        "api_key_missing",
        "api_key_invalid",
        "api_key_revoked",
        "api_key_expired",
        "api_scope_denied",
    }
)
"""Codes of failures after which no other row could buy anything either."""

NO_CAP = 10**9
"""Lifts the cap that an earlier batch with a budget has left in the journal of a run."""


def next_rows(batch: Batch) -> tuple[Batch, tuple[Start, ...]]:
    """The rows to start now, in order; they run in the batch that is returned.

    Whatever the rows do, what they spend and what running ones may still spend is never more than
    the budget: a row starts only with a cap that is still free, and keeps it to its end.
    """
    starts: list[Start] = []
    for row in batch.rows:
        if batch.stopped or batch.running >= batch.parallel:
            break
        if row.status != "waiting":
            continue
        changed = _start(batch, row)
        batch = batch.with_row(changed)
        if changed.status == "running":
            starts.append(Start(changed.run_id, changed.number, changed.cap))
    return batch, tuple(starts)


def settle(batch: Batch, run_id: str, settled: Settled) -> Batch:
    """The batch after an execution of a row ended."""
    row = next(one for one in batch.rows if one.run_id == run_id)
    changed = replace(
        row,
        status=settled.status,
        spent=settled.spent,
        codes=settled.codes,
        reason=settled.reason,
        tried=None,
    )
    if row.most is None and settled.status == "completed":
        batch = replace(batch, open_price=max(batch.open_price or 0, settled.spent))
    if stopping := sorted(settled.codes & _STOPPING):
        reason = settled.reason or stopping[0]
        batch = replace(batch, stopped=f"row {row.number} failed with {stopping[0]}: {reason}")
    elif "over_budget" in settled.codes and row.cap is not None:
        changed = replace(changed, status="waiting", tried=row.cap, ended=settled.status)
    return batch.with_row(replace(changed, cap=None))


def outcome(batch: Batch) -> Literal["completed", "failed", "suspended", "over_budget"]:
    """How a batch ended; what needs money comes before what failed."""
    statuses = {row.status for row in batch.rows}
    unfinished = [row for row in batch.rows if row.status != "completed"]
    if any(row.codes & {"over_budget", "insufficient_credits"} for row in unfinished):
        return "over_budget"
    if statuses & {"failed", "cancelled", "waiting", "running"}:
        return "failed"
    return "suspended" if "suspended" in statuses else "completed"


def _start(batch: Batch, row: RowState) -> RowState:
    """The row running with its cap; still waiting for money that may come back; or at its end."""
    if row.own is not None and row.spent + row.least > row.own:
        reason = (
            f"needs at least {credits_of(row.spent + row.least)}; the spec's budget is {row.own}"
        )
        return _refused(row, reason)
    if batch.budget is None:
        lifted = NO_CAP if row.own is None else row.own
        return replace(row, status="running", cap=lifted if row.lift else None)
    free = batch.free
    if row.tried is not None:
        # It had too little: all that is left, once nothing else runs, or nothing more.
        cap = _capped(row, free)
        if batch.running:
            return row
        if cap > row.tried:
            return replace(row, status="running", cap=cap)
        return replace(row, status=row.ended, tried=None)
    if row.least > free:
        if batch.running:
            return row
        reason = f"needs at least {credits_of(row.least)}; {free} of the {batch.budget} are left"
        return _refused(row, reason)
    wanted = _wanted(batch, row)
    if batch.running and (wanted is None or wanted > free):
        return row
    # More than it needs does no harm: what is not spent comes back when it ends.
    waiting = sum(one.status == "waiting" for one in batch.rows)
    share = max(wanted or 0, free // min(waiting, batch.parallel - batch.running))
    if wanted is None:
        share = free  # as with a fan-out: one is bought first, the rest wait for its price
    return replace(row, status="running", cap=_capped(row, min(share, free)))


def _refused(row: RowState, reason: str) -> RowState:
    return replace(row, status="over_budget", codes=frozenset({"over_budget"}), reason=reason)


def _wanted(batch: Batch, row: RowState) -> int | None:
    """What the row should need; None while only running one could tell."""
    if row.most is not None:
        return row.most
    if batch.open_price is None:
        return None
    return max(row.least, batch.open_price - row.spent)


def _capped(row: RowState, share: int) -> int:
    cap = row.spent + share
    return cap if row.own is None else min(cap, row.own)
