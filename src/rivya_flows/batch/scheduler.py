"""Which rows of a batch start, with how much budget, and what becomes of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from rivya_flows.batch.rows import BatchRow
from rivya_flows.receipt.phrases import credits_of

Status = Literal[
    "waiting", "running", "completed", "failed", "cancelled", "suspended", "over_budget"
]

NO_CAP = 10**9  # removes the cap that an earlier batch with a budget left in the journal of a run
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


@dataclass(frozen=True)
class RowResult:
    """How one execution of a row's run ended; `spent` is over all its executions."""

    status: Literal["completed", "failed", "cancelled", "suspended"]
    spent: int
    codes: frozenset[str] = frozenset()
    reason: str | None = None


@dataclass(frozen=True)
class RowState:
    """The state of a row.

    Attributes:
        least, most: Credits still to buy; `most` is None where the price has no upper bound.
        spec_cap: The cap that the spec sets for every run, or None.
        recap: Its journal has another cap than `spec_cap`, from an earlier batch.
        cap: Of the whole run while it runs; None keeps the spec's own.
        tried_cap: The cap that its last execution exhausted; a higher one is worth another try.
        codes: Error codes of its last execution.
        pool: That did not cover it before it began.
        before: Of `spent`, what was spent before this batch began to run.
    """

    row: BatchRow
    least: int
    most: int | None
    spec_cap: int | None = None
    recap: bool = False
    status: Status = "waiting"
    spent: int = 0
    cap: int | None = None
    tried_cap: int | None = None
    tried_status: Status = "failed"
    codes: frozenset[str] = frozenset()
    reason: str | None = None
    pool: str | None = None
    before: int = 0
    pools: frozenset[str] = frozenset()

    @property
    def run_id(self) -> str:
        return self.row.run_id

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def price(self) -> int:
        """The most that it needs; the least where nothing bounds it."""
        return self.least if self.most is None else self.most

    @property
    def is_over_spec(self) -> bool:
        """Whether the spec's own budget does not cover its price before this batch began."""
        return self.spec_cap is not None and self.before + self.least > self.spec_cap

    @property
    def held(self) -> int:
        """Credits of the batch's budget that this row occupies."""
        return max(self.spent, self.cap or 0) if self.status == "running" else self.spent


@dataclass(frozen=True)
class Batch:
    """The state of a batch: many runs of one spec, one for each row, under one budget.

    Attributes:
        budget: Cap in credits over all rows and all earlier executions; None for none.
        parallel: How many rows may run at once.
        stopped: Why no further row starts, or None.
        open_price: The most that a completed row without a price bound has cost; None before one.
        removed: Credits spent earlier on rows that are no longer in the file, and on removed runs.
        pools: Credits that were left in each pool before this batch began to run, by its name.
    """

    rows: tuple[RowState, ...]
    budget: int | None
    parallel: int = 1
    stopped: str | None = None
    open_price: int | None = None
    removed: int = 0
    pools: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def running(self) -> int:
        return sum(row.status == "running" for row in self.rows)

    @property
    def spent(self) -> int:
        """Credits spent or reserved by all runs; of running ones, before this execution."""
        return self.removed + sum(row.spent for row in self.rows)

    @property
    def least(self) -> int:
        """The least budget with which each row completes that its spec lets, by its price before this batch began."""
        return self.removed + sum(
            row.spent
            if row.status == "completed" or row.is_over_spec
            else max(row.spent, row.before + row.least)
            for row in self.rows
        )

    @cached_property
    def free(self) -> int:
        """Credits of the budget that no row holds; 0 without a budget."""
        return max(0, (self.budget or 0) - self.removed - sum(row.held for row in self.rows))

    @cached_property
    def left(self) -> dict[str, int]:
        """Credits of each pool that no row of this batch has spent or holds by its price."""
        left = dict(self.pools)
        for row in self.rows if left else ():
            for name in row.pools:
                left[name] -= row.spent - row.before + row.price * (row.status == "running")
        return {name: max(0, credits) for name, credits in left.items()}

    def with_row(self, changed: RowState) -> Batch:
        return self.with_rows({changed.run_id: changed})

    def with_rows(self, changed: Mapping[str, RowState]) -> Batch:
        rows = tuple(changed.get(row.run_id, row) for row in self.rows) if changed else self.rows
        return replace(self, rows=rows)


def next_rows(batch: Batch) -> tuple[Batch, tuple[RowState, ...]]:
    """The rows to start now, in order, and the batch in which they run.

    What rows have spent and what running ones may still spend never exceeds the budget: a row
    starts only under a cap that is free, and holds it until it ends.
    """
    starts: list[RowState] = []
    refused: dict[str, RowState] = {}  # at once, since each new batch looks at all rows again
    for row in batch.rows:
        if batch.stopped or batch.running >= batch.parallel:
            break
        if row.status != "waiting":
            continue
        changed = _start(batch, row)
        if changed.status == "running":
            batch, refused = batch.with_rows(refused), {}
            changed = _start(batch, row)  # its share depends on how many still wait
            batch = batch.with_row(changed)
            starts.append(changed)
        elif changed is not row:
            refused[row.run_id] = changed
    return batch.with_rows(refused), tuple(starts)


def settle(batch: Batch, run_id: str, result: RowResult) -> Batch:
    """The batch after an execution of a row ended."""
    row = next(one for one in batch.rows if one.run_id == run_id)
    changed = replace(row, **vars(result), cap=None, tried_cap=None)
    if row.most is None and result.status == "completed":
        batch = replace(batch, open_price=max(batch.open_price or 0, result.spent))
    if stopping := sorted(result.codes & _STOPPING):
        reason = result.reason or stopping[0]
        batch = replace(batch, stopped=f"{row.name} failed with {stopping[0]}: {reason}")
    elif "over_budget" in result.codes and row.cap is not None:
        changed = replace(changed, status="waiting", tried_cap=row.cap, tried_status=result.status)
    return batch.with_row(changed)


def outcome(batch: Batch) -> Literal["completed", "failed", "suspended", "over_budget"]:
    """How a batch ended; a lack of credits comes before failures."""
    statuses = {row.status for row in batch.rows}
    unfinished = [row for row in batch.rows if row.status != "completed"]
    if any(row.codes & {"over_budget", "insufficient_credits"} for row in unfinished):
        return "over_budget"
    if statuses & {"failed", "cancelled", "waiting", "running"}:
        return "failed"
    return "suspended" if "suspended" in statuses else "completed"


def _start(batch: Batch, row: RowState) -> RowState:
    """The row running under its cap, waiting for credits that may be freed, or refused."""
    if row.is_over_spec:
        return _refused(row, row.before + row.least, f"the spec's budget is {row.spec_cap}")
    for pool in sorted(row.pools):
        left = batch.left[pool]
        if batch.running and row.price > left:
            return row  # what runs may cost less
        if row.least > left:
            limit = f"the pool {pool} has {left} left"
            return replace(_refused(row, row.least, limit), pool=pool)
    if batch.budget is None:
        cap = NO_CAP if row.spec_cap is None else row.spec_cap
        return replace(row, status="running", cap=cap if row.recap else None)
    free = batch.free
    if row.tried_cap is not None:
        # Its cap was too low: retry with all that is free once nothing else runs, or give up.
        if batch.running:
            return row
        cap = _capped(row, free)
        if cap > row.tried_cap:
            return replace(row, status="running", cap=cap)
        return replace(row, status=row.tried_status, tried_cap=None)
    if row.least > free:
        if batch.running:
            return row
        return _refused(row, row.least, f"{free} of {batch.budget} budget credits left")
    expected = _expected(batch, row)
    if batch.running and (expected is None or expected > free):
        return row
    if expected is None:
        return replace(row, status="running", cap=_capped(row, free))  # finds the price for others
    # Unspent credits are freed when the row ends, so a share above the price does no harm.
    waiting = sum(one.status == "waiting" for one in batch.rows)
    share = max(expected, free // min(waiting, batch.parallel - batch.running))
    return replace(row, status="running", cap=_capped(row, min(share, free)))


def _refused(row: RowState, needed: int, limit: str) -> RowState:
    reason = f"needs at least {credits_of(needed)}; {limit}"
    return replace(row, status="over_budget", codes=frozenset({"over_budget"}), reason=reason)


def _expected(batch: Batch, row: RowState) -> int | None:
    """Credits that the row should need; None if only running one can tell."""
    if row.most is not None:
        return row.most
    return None if batch.open_price is None else max(row.least, batch.open_price - row.spent)


def _capped(row: RowState, share: int) -> int:
    cap = row.spent + share
    return cap if row.spec_cap is None else min(cap, row.spec_cap)
