"""What is said of a batch; pure."""

from __future__ import annotations

from collections import Counter

from rivya_flows.app.batch.state import Batch, RowState
from rivya_flows.ledger.phrases import credits_of

_WORDS = {
    "completed": "completed",
    "failed": "failed",
    "over_budget": "over the budget",
    "suspended": "waiting for an answer",
    "cancelled": "cancelled",
    "running": "running",
    "waiting": "not started",
}


def word(status: str) -> str:
    """A status for people."""
    return _WORDS.get(status, status.replace("_", " "))


def counted(batch: Batch) -> str:
    """``3 of 5 completed, 1 failed, 1 not started``."""
    numbers: Counter[str] = Counter(row.status for row in batch.rows)
    completed = numbers.pop("completed", 0)
    rest = [f"{numbers[status]} {words}" for status, words in _WORDS.items() if numbers[status]]
    return ", ".join([f"{completed} of {len(batch.rows)} completed", *rest])


def ended(row: RowState) -> str:
    """``row 3 completed (2 credits)``, or why it was not."""
    if row.status == "completed":
        return f"row {row.number} completed ({credits_of(row.spent)})"
    return f"row {row.number} {word(row.status)}" + (f": {row.reason}" if row.reason else "")


def spent(batch: Batch, saved: int) -> str:
    """``7 of 20 credits spent, 2 saved``."""
    money = credits_of(batch.spent)
    if batch.budget is not None:
        money = f"{batch.spent} of {credits_of(batch.budget)}"
    return f"{money} spent" + (f", {saved} saved" if saved else "")
