"""Many runs of one spec under one budget: which rows may start, with how much, and what is left.

The rules are pure: `next_rows` gives the rows to start, `settle` takes what became of one.
`run_batch` only carries them out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from rivya_flows.errors import RivyaFlowsError
from rivya_flows.ledger.words import credits_of

Status = Literal[
    "waiting", "running", "completed", "failed", "cancelled", "suspended", "over_budget"
]
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


@dataclass(frozen=True)
class Settled:
    """What became of an execution of a row's run.

    Attributes:
        spent: Credits that the run has spent or holds, over all its executions.
        codes: Stable names of what failed in it.
        reason: What to tell a person, or None.
    """

    status: Literal["completed", "failed", "cancelled", "suspended"]
    spent: int
    codes: frozenset[str] = frozenset()
    reason: str | None = None


@dataclass(frozen=True)
class RowState:
    """Where a row stands.

    Attributes:
        spent: Credits that its run has spent or holds.
        least, most: Still to be bought; `most` is None where a price is only "at least".
        own: The cap that the spec sets for every run, or None.
        lift: Its journal holds another cap than `own`, from an earlier batch.
        cap: The run's cap while it runs; None for none.
        tried: The cap under which it last ran out of budget; a higher one is worth another try.
        ended: How that execution ended, should there be no other.
        codes: Of its last execution.
    """

    run_id: str
    number: int
    least: int
    most: int | None
    own: int | None = None
    lift: bool = False
    status: Status = "waiting"
    spent: int = 0
    cap: int | None = None
    tried: int | None = None
    ended: Status = "failed"
    codes: frozenset[str] = frozenset()
    reason: str | None = None

    @property
    def held(self) -> int:
        """What it takes up of the batch's budget."""
        return max(self.spent, self.cap or 0) if self.status == "running" else self.spent


@dataclass(frozen=True)
class Batch:
    """Where a batch stands.

    Attributes:
        budget: Cap in credits over all rows, what was spent in earlier executions included; None
            for none.
        parallel: How many rows may run at once.
        stopped: Why no further row starts, or None.
        open_price: The most that a finished row of an open price has cost; None before there is
            one.
        gone: Credits of earlier starts for rows that the file has no longer.
    """

    rows: tuple[RowState, ...]
    budget: int | None
    parallel: int = 1
    stopped: str | None = None
    open_price: int | None = None
    gone: int = 0

    @property
    def running(self) -> int:
        """How many rows run."""
        return sum(row.status == "running" for row in self.rows)

    @property
    def spent(self) -> int:
        """Credits that all runs have spent or hold; for running ones what was known before."""
        return self.gone + sum(row.spent for row in self.rows)

    @property
    def free(self) -> int:
        """Credits that no row holds; 0 also where there is no cap."""
        return max(0, (self.budget or 0) - self.gone - sum(row.held for row in self.rows))

    def with_row(self, changed: RowState) -> Batch:
        """This batch with one row replaced."""
        rows = tuple(changed if row.run_id == changed.run_id else row for row in self.rows)
        return replace(self, rows=rows)


@dataclass(frozen=True)
class Wallet:
    """The wallet over one execution of a batch, compared once for all rows: they share it.

    Attributes:
        before: Ahead of the first row.
        after: Behind the last one; None where it could not be read.
        spent: What the rows have spent or hold since.
    """

    before: int
    after: int | None
    spent: int

    @property
    def unexplained(self) -> int | None:
        """Credits that went for something else, negative for what came in; None: not known."""
        return None if self.after is None else self.before - self.after - self.spent

    @property
    def words(self) -> str | None:
        """The difference for people; None where there is none."""
        if not self.unexplained:
            return None
        moved = f"the wallet went from {self.before} to {self.after}; the rows spent {self.spent}"
        if self.unexplained > 0:
            return f"{moved}, and {credits_of(self.unexplained)} went for something else"
        return f"{moved}, and {credits_of(-self.unexplained)} came in beside it"


@dataclass(frozen=True)
class Start:
    """A row to be run now.

    Attributes:
        cap: For its run in all, what it has spent before included; None leaves the spec's own.
    """

    run_id: str
    number: int
    cap: int | None


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


async def run_batch(
    batch: Batch,
    run_row: Callable[[Start], Awaitable[object]],
    read: Callable[[str], Settled],
    *,
    listen: Callable[[Batch], None] = lambda _: None,
) -> Batch:
    """Runs all rows that can be paid for; a row that fails leaves the others alone.

    Args:
        batch: As it stands; see `survey` in `batch_survey`.
        run_row: Executes a row's run to its end under the cap.
        read: What the store tells of a run after an execution, however that ended.
        listen: Is told the batch after every change.

    Raises:
        asyncio.CancelledError: After every running row has ended.
        Exception: Something unforeseen ended a row; the others have ended then, too.
    """
    working: dict[asyncio.Task[Settled], str] = {}
    try:
        while True:
            batch, starts = next_rows(batch)
            for start in starts:
                working[asyncio.create_task(_run(start, run_row, read))] = start.run_id
            listen(batch)
            if not working:
                return batch
            ended, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                batch = settle(batch, working.pop(task), task.result())
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)


async def _run(
    start: Start, run_row: Callable[[Start], Awaitable[object]], read: Callable[[str], Settled]
) -> Settled:
    try:
        await run_row(start)
    except RivyaFlowsError as error:
        settled = read(start.run_id)
        codes = settled.codes | {error.code}
        return replace(settled, status="failed", codes=codes, reason=str(error))
    return read(start.run_id)


def outcome(batch: Batch) -> Literal["completed", "failed", "suspended", "over_budget"]:
    """How a batch ended; what needs money comes before what failed."""
    statuses = {row.status for row in batch.rows}
    unfinished = [row for row in batch.rows if row.status != "completed"]
    if any(row.codes & {"over_budget", "insufficient_credits"} for row in unfinished):
        return "over_budget"
    if statuses & {"failed", "cancelled", "waiting", "running"}:
        return "failed"
    return "suspended" if "suspended" in statuses else "completed"


def batch_json(
    batch_id: str,
    batch: Batch,
    rows: list[Mapping[str, Any]],
    wallet: Wallet,
    *,
    summary_path: str,
) -> dict[str, Any]:
    """The document that ``batch --json`` prints.

    Args:
        batch_id: The batch.
        batch: At its end.
        rows: Of the summary.
        wallet: Over this execution.
        summary_path: Absolute path of the summary's CSV.
    """
    return {
        "batch_id": batch_id,
        "status": outcome(batch),
        "credits": {
            "spent": batch.spent,
            "saved": sum(row["saved"] for row in rows),
            "budget": batch.budget,
            "before": wallet.before,
            "after": wallet.after,
            "unexplained": wallet.unexplained,
        },
        "stopped": batch.stopped,
        "rows": rows,
        "summary": summary_path,
    }
