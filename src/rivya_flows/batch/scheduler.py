"""The rows of a batch: which start, with how much of its limits, and what becomes of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rivya_flows.assets import Outputs
from rivya_flows.batch.rows import BatchRow
from rivya_flows.ledger.phrases import credits_of
from rivya_flows.ledger.receipt_model import Receipt
from rivya_flows.planning.questions.question import Question
from rivya_flows.planning.queue.events import PoolTotal

Status = Literal[
    "waiting", "running", "completed", "failed", "cancelled", "suspended", "over_budget"
]

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
class RowState:
    """The state of a row.

    Attributes:
        least, most: Credits still to buy; `most` is None where the price has no upper bound.
        spec_cap: The cap that the spec sets for every run, or None.
        recap: Its journal has another cap than `spec_cap`, from an earlier batch.
        cap: Of the whole run while it runs; None keeps the spec's own.
        tried: The cap that its last execution exhausted, and how that ended: a higher one is worth
            another try.
        codes: Error codes of its last execution.
        pool: That did not cover it before it began.
        pools: That cover it.
        held: What it holds of each limit while it runs.
        before: Of `spent`, what was spent before this batch began to run.
        receipt, folder: Of its run, at the end of the batch; None without a run.
        questions: That it waits for, at the end of the batch.
    """

    row: BatchRow
    least: int
    most: int | None
    spec_cap: int | None = None
    recap: bool = False
    status: Status = "waiting"
    spent: int = 0
    cap: int | None = None
    tried: tuple[int, Status] | None = None
    codes: frozenset[str] = frozenset()
    reason: str | None = None
    pool: str | None = None
    pools: frozenset[str] = frozenset()
    held: dict[str, int] = field(default_factory=dict)
    receipt: Receipt | None = None
    folder: Path | None = None
    questions: Sequence[Question] = ()
    before: int = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.spent

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
    def shown_status(self) -> str:
        """Its status at the end of the batch: one that waits still was not started."""
        return "not_started" if self.status == "waiting" else self.status

    @property
    def saved(self) -> int:
        """Credits that the cache saved."""
        return self.receipt.credits.saved if self.receipt else 0

    @property
    def outputs(self) -> Outputs:
        return self.receipt.outputs if self.receipt else {}

    def capped(self, share: int) -> int:
        """The cap with which its run may spend so much more, if the spec lets it."""
        cap = self.spent + share
        return cap if self.spec_cap is None else min(cap, self.spec_cap)

    def refuse(self, needed: int, limit: str) -> None:
        self.status, self.codes = "over_budget", frozenset({"over_budget"})
        self.reason = f"needs at least {credits_of(needed)}; {limit}"

    def as_json(self) -> dict[str, Any]:
        """The row in ``batch --json``."""
        row = self.row
        return {
            "row": row.number,
            "name": row.name,
            "run_id": row.run_id,
            "status": self.shown_status,
            "credits": self.spent,
            "saved": self.saved,
            "reason": self.reason,
            "folder": str(self.folder) if self.folder else None,
            "inputs": {**row.values},
            "notes": {**row.notes},
            "outputs": {**self.outputs},
        }


@dataclass(eq=False)
class Batch:
    """The state of a batch: many runs of one spec, one for each row, under its budget and the pools.

    What rows have spent and what running ones may still spend never exceeds the budget: a row
    starts only under a cap that is free, and holds it until it ends.

    Attributes:
        budget: Cap in credits over all rows and all earlier executions; None for none.
        parallel: How many rows may run at once.
        removed: Credits spent earlier on rows that are no longer in the file, and on removed runs.
        pools: As they were before this batch began to run.
        stopped: Why no further row starts, or None.
        running: By run id.
    """

    rows: Sequence[RowState]
    budget: int | None
    parallel: int = 1
    removed: int = 0
    pools: Sequence[PoolTotal] = ()
    stopped: str | None = None
    running: dict[str, RowState] = field(default_factory=dict)

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
    def least(self) -> int:
        """The least budget with which each row completes that its spec lets, by its price before this batch began."""
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

    def left(self, limit: str) -> int:
        """Credits of a limit that no row has spent or holds; 0 of a budget that there is not."""
        return max(0, self._left.get(limit, 0))

    def start_rows(self) -> list[RowState]:
        """Starts the rows that may run now, in order, and refuses those that a limit will not cover."""
        starts: list[RowState] = []
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
        elif "over_budget" in result.codes and cap is not None:
            row.status, row.tried = "waiting", (cap, result.status)

    def _start(self, row: RowState) -> bool:
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

    def _expected(self, row: RowState) -> int | None:
        """Credits that the row should need; None if only running one can tell."""
        if row.most is not None or self._open_price is None:
            return row.most
        return max(row.least, self._open_price - row.spent)
