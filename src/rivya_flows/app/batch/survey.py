"""Where the rows of a batch stand: what the store has of them, and what the rest will cost."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rivya_flows.app.batch.rows import BatchRow
from rivya_flows.app.batch.state import Batch, RowState, Settled
from rivya_flows.app.prepare import Prepared, remaining
from rivya_flows.errors import Diagnostic, MediaError, SpecError, UsageError
from rivya_flows.ledger.receipt import receipt
from rivya_flows.ledger.summary import failure_codes, troubles
from rivya_flows.planning.pricing.estimate import Estimate, LookUp
from rivya_flows.planning.queue.events import RunFrozen, RunResumed
from rivya_flows.planning.queue.queue import replay
from rivya_flows.store.journal import Journal


@dataclass(frozen=True)
class Survey:
    """A batch before it goes on.

    Attributes:
        fresh: First journal entries of the rows that have no run yet, by run id.
    """

    batch: Batch
    fresh: Mapping[str, RunFrozen]

    @property
    def least(self) -> int:
        """Credits that the rows which are not done still need."""
        return sum(row.least for row in self.batch.rows)

    @property
    def most(self) -> int | None:
        """The same at the most; None where a price is only "at least"."""
        tops = [row.most for row in self.batch.rows]
        return None if None in tops else sum(top for top in tops if top is not None)


def survey(
    rows: Iterable[BatchRow],
    prepare_row: Callable[[BatchRow], Prepared],
    journal: Journal,
    look_up: LookUp,
    *,
    batch_id: str,
    file: str,
    budget: int | None,
    parallel: int,
    now: datetime,
) -> Survey:
    """Prepares every row before the first is run; spends and sends nothing.

    Args:
        rows: Of the file.
        prepare_row: Checks and prices the run of a row, under the spec's own budget.
        journal: The store.
        look_up: The cache index.
        batch_id: First part of the runs' ids.
        file: Name of the file, for problems.
        budget: Cap over all rows, those of earlier starts included; or None.
        parallel: How many rows may run at once.
        now: UTC.

    Raises:
        SpecError: A row's inputs are wrong, or its callbacks; all problems in one.
        StoreError: The store cannot be read.
    """
    states: list[RowState] = []
    fresh: dict[str, RunFrozen] = {}
    problems: list[Diagnostic] = []
    for row in rows:
        if journal.run(row.run_id) is not None:
            states.append(_known(row, journal, look_up, now))
            continue
        try:
            prepared = prepare_row(row)
        except SpecError as error:
            problems += [
                _at(row, file, one.code, one.message, one.hint) for one in error.diagnostics
            ]
        except (MediaError, UsageError) as error:
            problems.append(_at(row, file, error.code, error.message, error.hint))
        else:
            fresh[row.run_id] = prepared.frozen
            states.append(_waiting(row, prepared.estimate, own=prepared.frozen.budget))
    if problems:
        raise SpecError(tuple(problems))
    gone = 0 if budget is None else _gone(journal, batch_id, {row.run_id for row in states})
    return Survey(Batch(tuple(states), budget, parallel, gone=gone), fresh)


def _gone(journal: Journal, batch_id: str, run_ids: Container[str]) -> int:
    """What earlier starts have spent on rows that were changed or taken out since."""
    return sum(
        settled(journal, row.run_id).spent
        for row in journal.runs()
        if row.run_id.startswith(f"{batch_id}-") and row.run_id not in run_ids
    )


def settled(journal: Journal, run_id: str) -> Settled:
    """What the store tells of a run after an execution.

    A run that has not ended was stopped on the way; its ledger is true all the same.

    Raises:
        StoreError: The store cannot be read.
    """
    entries = journal.entries(run_id)
    if not entries:
        return Settled("failed", 0)
    document = receipt(entries)
    status = document["status"]
    # Other rows buy from the same wallet meanwhile, so that it never agrees with one run alone.
    told = troubles({**document, "agreement": None})
    return Settled(
        status="failed" if status == "running" else status,
        spent=document["credits"]["spent"],
        codes=frozenset(failure_codes(document)),
        reason=told[0] if told else None,
    )


def _known(row: BatchRow, journal: Journal, look_up: LookUp, now: datetime) -> RowState:
    """A row that has a run: done, or to be gone on with for what it still lacks."""
    entries = journal.entries(row.run_id)
    first = entries[0].event
    assert isinstance(first, RunFrozen)
    state = replay(entry.event for entry in entries)
    spent = settled(journal, row.run_id).spent
    if state.ended == "completed":
        return RowState(row.run_id, row.number, 0, 0, status="completed", spent=spent)
    left = remaining(state, None, look_up, RunResumed(at=now))
    lift = state.cap != first.budget
    return _waiting(row, left, own=first.budget, spent=spent, lift=lift)


def _waiting(
    row: BatchRow, left: Estimate, *, own: int | None, spent: int = 0, lift: bool = False
) -> RowState:
    return RowState(row.run_id, row.number, left.min, left.max, own, lift, spent=spent)


def _at(row: BatchRow, file: str, code: str, message: str, hint: str | None) -> Diagnostic:
    return Diagnostic(code, message, hint, file=file, line=row.line, column=1)
