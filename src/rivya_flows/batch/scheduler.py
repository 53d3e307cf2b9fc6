"""The rows of a batch: which start, with how much of its limits, and what becomes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rivya_flows.batch.rows import STATUS_WORDS, Row, Status
from rivya_flows.queue.events import PoolTotal, RunFrozen

NO_CAP = 10**9  # removes the cap that an earlier batch with a budget left in the journal of a run
BUDGET = ""  # names the budget among the limits of a batch; no pool has an empty name
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

    status: Status
    spent: int
    codes: frozenset[str] = frozenset()
    reason: str | None = None


@dataclass(eq=False)
class Batch:
    """A batch from its prices to its end: a run of one spec for each row, under its budget and the pools.

    What rows have spent and what running ones may still spend never exceeds the budget: a row
    starts only under a cap that is free, and holds it until it ends.

    Attributes:
        budget: Cap in credits over all rows and all earlier executions; None for none.
        removed: Credits spent earlier on rows that are no longer in the file, and on removed runs.
        pools, balance: As they were before this batch began to run.
        fresh: The first journal entries of the rows without a run, by run id.
        taken: Folders of the runs that it has had so far.
        stopped: Why no further row starts, or None.
    """

    rows: Sequence[Row]
    budget: int | None
    parallel: int = 1
    removed: int = 0
    pools: Sequence[PoolTotal] = ()
    batch_id: str = ""
    balance: int = 0
    fresh: Mapping[str, RunFrozen] = field(default_factory=dict)
    taken: frozenset[Path] = frozenset()
    stopped: str | None = None
    running: dict[str, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._left = {one.name: one.left for one in self.pools}
        if self.budget is not None:
            self._left[BUDGET] = self.budget - self.spent
        # The most that a completed row without a price bound has cost.
        self._open_price: int | None = None

    @property
    def spent(self) -> int:
        """Credits spent or reserved by all runs; of running ones, before this execution."""
        return self.removed + sum(row.spent for row in self.rows)

    @property
    def to_buy(self) -> tuple[int, int | None]:
        """Credits that the rows still need, least and most; None where a price has no upper bound."""
        tops = [row.most for row in self.rows if row.most is not None]
        most = sum(tops) if len(tops) == len(self.rows) else None
        return sum(row.least for row in self.rows), most

    @property
    def least_budget(self) -> int:
        """With which each row completes that its spec lets, by its price before this batch began."""
        return self.removed + sum(
            row.spent
            if row.status == "completed" or row.is_over_spec
            else max(row.spent, row.before + row.least)
            for row in self.rows
        )

    @property
    def outcome(self) -> Literal["completed", "failed", "suspended", "over_budget"]:
        """How it ended; a lack of credits comes before failures."""
        statuses = {row.status for row in self.rows}
        codes = [row.codes for row in self.rows if row.status != "completed"]
        if any(one & {"over_budget", "insufficient_credits"} for one in codes):
            return "over_budget"
        if statuses & {"failed", "cancelled", "waiting", "running"}:
            return "failed"
        return "suspended" if "suspended" in statuses else "completed"

    @property
    def counts(self) -> str:
        """``3 of 5 completed, 1 failed, 1 not started``."""
        numbers = Counter[str](row.status for row in self.rows)
        completed = numbers.pop("completed", 0)
        rest = [f"{numbers[one]} {words}" for one, words in STATUS_WORDS.items() if numbers[one]]
        return ", ".join([f"{completed} of {len(self.rows)} completed", *rest])

    def left(self, limit: str) -> int:
        """Credits of a limit that no row has spent or holds; 0 of a budget that there is not."""
        return max(0, self._left.get(limit, 0))

    def start_rows(self) -> list[Row]:
        """Starts the rows that may run now, in order, and refuses those that a limit will not cover."""
        starts: list[Row] = []
        for row in self.rows:
            if self.stopped or len(self.running) >= self.parallel:
                break
            if row.status == "waiting" and self._start(row):
                starts.append(row)
        return starts

    def settle(self, run_id: str, result: RowResult) -> None:
        """Takes what an execution of a row spent from the limits, and gives back what else it held."""
        row = self.running.pop(run_id)
        for limit, held in row.held.items():
            self._left[limit] += held - (result.spent - row.spent)
        cap, row.cap, row.held = row.cap, None, {}
        row.status, row.spent = result.status, result.spent
        row.codes, row.reason, row.tried = result.codes, result.reason, None
        if row.most is None and result.status == "completed":
            self._open_price = max(self._open_price or 0, result.spent)
        if stopping := sorted(result.codes & _STOPPING):
            reason = result.reason or stopping[0]
            self.stopped = f"{row.name} failed with {stopping[0]}: {reason}"
        elif "over_budget" in result.codes and cap is not None and self.budget is not None:
            row.status, row.tried = "waiting", (cap, result.status)

    def _start(self, row: Row) -> bool:
        """Whether the row runs now; else it waits for credits that may be freed, or is refused."""
        if row.is_over_spec:
            row.refuse(row.before + row.least, f"the spec's budget is {row.spec_cap}")
            return False
        expected = self._expected(row)
        budgeted = self.budget is not None
        limits = [*sorted(row.pools), *([BUDGET] if budgeted and row.tried is None else [])]
        for limit in limits:
            left = self.left(limit)
            if self.running and (expected or row.least) > left:
                return False  # what runs may cost less
            if row.least > left:
                row.pool = limit or None
                of_budget = f"{left} of {self.budget} budget credits left"
                of_pool = f"the pool {limit} has {left} left"
                row.refuse(row.least, of_pool if limit else of_budget)
                return False
        held = dict.fromkeys(row.pools, expected or row.least)
        if budgeted:
            # Alone, with all that is free: a row that finds the price for others, or had too little.
            alone, free = expected is None or row.tried is not None, self.left(BUDGET)
            if alone and self.running:
                return False
            if row.tried is not None and row.capped(free) <= row.tried[0]:
                row.status, row.tried = row.tried[1], None
                return False
            if expected is not None and not alone:
                # Unspent credits are freed when the row ends, so a share above the price does no harm.
                waiting = sum(one.status == "waiting" for one in self.rows)
                slots = min(waiting, self.parallel - len(self.running))
                free = min(free, max(expected, free // slots))
            row.cap = row.capped(free)
            held[BUDGET] = max(0, row.cap - row.spent)
        elif row.recap:
            row.cap = NO_CAP if row.spec_cap is None else row.spec_cap
        for limit, credits in held.items():
            self._left[limit] -= credits
        row.status, row.held = "running", held
        self.running[row.run_id] = row
        return True

    def _expected(self, row: Row) -> int | None:
        """Credits that the row should need; None if only running one can tell."""
        if row.most is not None or self._open_price is None:
            return row.most
        return max(row.least, self._open_price - row.spent)
