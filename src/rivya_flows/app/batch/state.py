"""Where a batch stands: many runs of one spec, one for each row, under one budget."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Status = Literal[
    "waiting", "running", "completed", "failed", "cancelled", "suspended", "over_budget"
]


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
class Start:
    """A row to be run now.

    Attributes:
        cap: For its run in all, what it has spent before included; None leaves the spec's own.
    """

    run_id: str
    number: int
    cap: int | None
