"""Compares the journals of all runs with the jobs and the wallet of the sandbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rivya_flows.plans.names import label
from rivya_flows.receipt.from_journal import receipt
from rivya_flows.receipt.model import Purchase
from rivya_flows.store.journal import Journal
from rivya_sandbox.service.admin import ledger


@dataclass(frozen=True)
class Audit:
    """The result of a comparison.

    Attributes:
        purchases: Rows of all ledgers but those that were refused, or could not be sent.
        spent: Credits of all ledgers.
        taken: Credits that left the wallet.
        duplicates: Purchases that the service sold more than once, or under two names.
        unexplained: Differences between wallet and ledgers by task, in credits.
        unanswered: Purchases whose outcome is not in the journal.
    """

    purchases: int
    spent: int
    taken: int
    duplicates: tuple[str, ...]
    unexplained: Mapping[str, int]
    unanswered: tuple[str, ...]


def audit(store: str, data: Path) -> Audit:
    """Compare a store with a sandbox.

    Args:
        store: URL of the journal.
        data: Folder of the sandbox, which may be running.
    """
    with closing(Journal(store)) as journal:
        runs = [row.run_id for row in journal.runs()]
        rows = [row for run in runs for row in receipt(journal.entries(run)).ledger]
    return compare(rows, ledger(data))


def compare(rows: Sequence[Purchase], service: Mapping[str, Any]) -> Audit:
    """Compare the rows of all ledgers with the ledger of the service."""
    net: Counter[str] = Counter()
    for movement in service["movements"]:
        if movement["task_id"] is not None:
            net[movement["task_id"]] -= movement["amount"]
    unexplained = {task_id: amount for task_id, amount in net.items() if amount}
    for row in rows:
        if row.task_id is not None:
            rest = unexplained.pop(row.task_id, 0) - row.held
            if rest:
                unexplained[row.task_id] = rest
    open_rows = [row for row in rows if row.task_id is None and row.status != "refused"]
    return Audit(
        purchases=sum(row.status != "refused" for row in rows),
        spent=sum(row.held for row in rows),
        taken=sum(net.values()),
        duplicates=tuple(_duplicates(service["generations"])),
        unexplained=unexplained,
        unanswered=tuple(f"{row.client_request_id} {row.status}" for row in open_rows),
    )


def _duplicates(jobs: Sequence[Mapping[str, Any]]) -> list[str]:
    found = []
    for name in ("client_request_id", "idempotency_key"):
        counts = Counter(str(job[name]) for job in jobs)
        found += [f"{value} x {count}" for value, count in counts.items() if count > 1]
    return found


@dataclass(frozen=True)
class Standing:
    """Where a run stands, by its journal.

    Attributes:
        status: That of its receipt.
        failed: The code of each failed item, by ``step[key]``.
        answers: Options of `resume` that answer what a suspended run asks: first none, then the first two.
    """

    status: str
    failed: Mapping[str, str]
    answers: tuple[str, ...]

    @property
    def uncertain(self) -> list[str]:
        """Items with a purchase whose outcome the run cannot know."""
        return [name for name, code in self.failed.items() if code == "uncertain"]

    @property
    def options(self) -> list[str]:
        """Options of `resume` with all that a person can do so that the run completes."""
        options = [part for name in self.uncertain for part in ("--resubmit", name)]
        options += self.answers
        return [*options, "--regenerate"] if "job_failed" in self.failed.values() else options


def standing(store: str, run_id: str) -> Standing:
    """Where a run of a store stands."""
    with closing(Journal(store)) as journal:
        found = receipt(journal.entries(run_id))
    options = list[str]()
    for name, choice in found.choices() if found.status == "suspended" else ():
        if not choice.picked:
            answer = "1,2" if choice.round else "none: warmer light"
            options += ["--answer", f"{name}={answer}"]
    failed = {label(step.id, item.key): item.code for step, item in found.each() if item.code}
    return Standing(found.status, failed, tuple(options))
