"""Price the rows of a batch: what their runs have spent, and what they still need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rivya_flows.app.batch.rows import BatchRow
from rivya_flows.app.batch.scheduler import Batch, RowResult, RowState, next_rows
from rivya_flows.app.live_guard import Spending, pool_cap
from rivya_flows.app.prepare import Market, Prepared, RunRequest, prepare, remaining
from rivya_flows.app.run_context import RunContext
from rivya_flows.catalogue.catalogue import Catalogue
from rivya_flows.catalogue.prices import price_of
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.errors import BudgetError, MediaError, SpecError, UsageError
from rivya_flows.ledger.phrases import credits_of
from rivya_flows.ledger.receipt import receipt
from rivya_flows.ledger.summary import failure_codes, troubles
from rivya_flows.planning.queue.events import RunFrozen, RunResumed
from rivya_flows.planning.queue.queue import replay
from rivya_flows.store.charges import spent_by
from rivya_flows.store.journal import Journal
from rivya_flows.store.pools import Pools, PoolState

_NAMED = 3  # at most so many removed rows get a line each


@dataclass(frozen=True)
class BatchOptions:
    """A batch that somebody asks for.

    Attributes:
        request: The spec, and the inputs and cache mode of all rows.
        table: Text of the CSV file.
        table_name: Name of the file, for diagnostics.
        budget: Cap in credits over all rows and earlier executions; None for none.
        parallel: How many rows may run at once.
        out: The batch gets a folder in it.
        keys: Columns that name a row; none: those that `read_rows` finds.
    """

    request: RunRequest
    table: str
    table_name: str
    budget: int | None
    parallel: int
    out: Path
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class PricedBatch:
    """A batch before its rows run.

    Attributes:
        fresh: First journal entries of the rows that have no run yet, by run id.
        taken: Folders of the runs that this batch has had so far.
        pools: All pools of the store, as they are now.
        again: Of the `fresh` rows, those of which an earlier run was removed.
    """

    batch: Batch
    fresh: Mapping[str, RunFrozen]
    taken: frozenset[Path] = frozenset()
    pools: tuple[PoolState, ...] = ()
    again: tuple[RowState, ...] = ()

    @property
    def least(self) -> int:
        """Credits that the rows still need at least."""
        return sum(row.least for row in self.batch.rows)

    @property
    def most(self) -> int | None:
        """Credits that the rows still need at most; None where a price has no upper bound."""
        tops = [row.most for row in self.batch.rows if row.most is not None]
        return sum(tops) if len(tops) == len(self.batch.rows) else None

    def refuse_over(self, balance: int) -> None:
        """Refuses rows that the balance does not cover, unless the budget limits them to it.

        Raises:
            BudgetError: It does not cover them, or a budget or pool does not cover even one.
        """
        batch, needed = self.batch, self.least
        if batch.budget is not None:
            needed = min(needed, max(0, batch.budget - batch.spent))
        if needed > balance:
            raise BudgetError(
                f"over the balance: at least {credits_of(needed)}, and the balance is {balance}",
                f"add credits, or give --budget {batch.spent + balance} to run what they cover;"
                " nothing was bought",
            )
        after, starts = next_rows(batch)
        refused = [row for row in after.rows if row.status == "over_budget"]
        if refused and not starts:
            raise BudgetError(
                f"no row can run: {refused[0].name} {refused[0].reason}",
                "raise what is too low: --budget, the budget of the spec, or the pool"
                " (`rivya-flows budgets set`); nothing was bought",
            )

    def remade(self) -> Iterator[str]:
        """Which rows are bought again, and for how much; for people."""
        for row in self.again[:_NAMED]:
            yield f"the run of {row.name} was removed: it is made again, {price_of(row.least, row.most)}"
        if (more := len(self.again) - _NAMED) > 0:
            yield f"and {more} more rows are made again"

    def shortages(self) -> Iterator[str]:
        """Which limits the rows may pass, and how many rows they cover; for people."""
        batch = self.batch
        if batch.budget is not None:
            spent = f", {batch.spent} of it spent" if batch.spent else ""
            yield from _shortage(batch.rows, batch.free, f"the budget is {batch.budget}{spent}")
        for state in self.pools:
            name, soft = state.pool.name, state.pool.soft
            rows = [row for row in batch.rows if name in row.pools]
            left = f"the pool {name} has {state.left} of {state.pool.credits} left"
            short = [*_shortage(rows, state.left, left)]
            yield from short
            more = sum(row.price for row in rows)
            if more and not short and soft is not None and (after := state.spent + more) > soft:
                yield f"the pool {name} will have spent {after} credits; its soft limit is {soft}"

    def spending(self, balance: int) -> Spending:
        """What the rows buy, capped by the budget of the batch and by pools that cover every row."""
        batch = self.batch
        due = [row for row in batch.rows if row.status != "completed"]
        covering = [one for one in self.pools if all(one.pool.name in row.pools for row in due)]
        caps: dict[str, int | None] = dict(pool_cap(one.pool.name, one.left) for one in covering)
        if batch.budget is not None:
            caps[f"budget {batch.budget}"] = batch.budget - batch.spent
        return Spending(self.least, self.most, balance, caps)

    def sentence(self, balance: int) -> str:
        """``4 rows, 1 done, 5 credits to go, balance 100, budget 9, 2 of it spent``."""
        batch = self.batch
        done = sum(row.status == "completed" for row in batch.rows)
        rows = f"{len(batch.rows)} row{'' if len(batch.rows) == 1 else 's'}"
        price = price_of(self.least, self.most)
        parts = [rows, f"{done} done", f"{price} to go"] if done else [rows, price]
        parts.append(f"balance {balance}")
        if batch.budget is not None:
            parts.append(f"budget {batch.budget}")
            if batch.spent:
                removed = f" ({batch.removed} on removed rows and runs)"
                parts.append(f"{batch.spent} of it spent" + (removed if batch.removed else ""))
        return ", ".join(parts)


def _shortage(rows: Iterable[RowState], left: int, words: str) -> Iterator[str]:
    """``the rows need at least 84 and at most 120 credits; the budget is 60: about 7 of 14 rows will run``."""
    waiting = [row for row in rows if row.status == "waiting"]
    least, price = (sum(row.least for row in waiting), sum(row.price for row in waiting))
    if price <= left:
        return
    needed = f"at least {least} and at most {price} credits"
    if any(row.most is None for row in waiting):
        needed = f"at least {credits_of(least)}"
    elif least == price:
        needed = credits_of(price)
    covered = 0
    for row in waiting:  # as `next_rows` takes them, each at its price
        if row.price <= left:
            covered, left = covered + 1, left - row.price
    number = f"about {covered} of {len(waiting)} rows" if covered else "none"
    yield f"the rows need {needed}; {words}: {number} will run"


def price_rows(
    context: RunContext,
    options: BatchOptions,
    catalogue: Catalogue,
    batch_id: str,
    rows: Sequence[BatchRow],
) -> PricedBatch:
    """Checks and prices every row, under the spec's own budget; spends and sends nothing.

    Raises:
        SpecError: Inputs or callbacks of rows are wrong; all diagnostics in one.
        StoreError: The store cannot be read.
    """
    market = Market(catalogue, context.service.identity)
    states: list[RowState] = []
    fresh: dict[str, RunFrozen] = {}
    labels: dict[str, Mapping[str, str]] = {}
    problems: list[Diagnostic] = []
    for row in rows:
        if context.journal.run(row.run_id) is not None:
            states.append(_started_row(context, row))
            continue
        try:
            prepared = _prepare(context, options.request, market, row)
        except (SpecError, MediaError, UsageError) as error:
            found = error.diagnostics if isinstance(error, SpecError) else (error,)
            problems += [
                Diagnostic(
                    one.code,
                    one.message,
                    one.hint,
                    file=options.table_name,
                    line=row.line,
                    column=1,
                )
                for one in found
            ]
        else:
            frozen, price = prepared.frozen, prepared.estimate
            fresh[row.run_id] = frozen
            labels[row.run_id] = frozen.labels
            states.append(RowState(row.run_id, row.name, price.min, price.max, frozen.budget))
    if problems:
        raise SpecError(tuple(problems))
    runs = context.journal.runs(f"{batch_id}-")
    gone = 0
    if options.budget is not None:
        known = {row.run_id for row in states} - fresh.keys()
        spent = spent_by(context.journal.engine, f"{batch_id}-")
        gone = sum(credits for run_id, (credits, _) in spent.items() if run_id not in known)
    pools = Pools(context.journal.engine).states(context.service.identity)
    labels |= {run.run_id: run.labels for run in runs}
    states = [replace(row, pools=frozenset(_covering(pools, labels[row.run_id]))) for row in states]
    left = {one.pool.name: one.left for one in pools}
    batch = Batch(tuple(states), options.budget, options.parallel, removed=gone, pools=left)
    remade = {row.run_id for row in rows if row.removed} & fresh.keys()
    again = tuple(row for row in batch.rows if row.run_id in remade)
    return PricedBatch(batch, fresh, frozenset(run.folder for run in runs), pools, again)


def _covering(pools: Iterable[PoolState], labels: Mapping[str, str]) -> Iterator[str]:
    return (one.pool.name for one in pools if one.pool.covers(labels))


def row_result(journal: Journal, run_id: str) -> RowResult:
    """How the last execution of a run ended, from its journal; an interrupted one has failed.

    Raises:
        StoreError: The store cannot be read.
    """
    entries = journal.entries(run_id)
    if not entries:
        return RowResult("failed", 0)
    made = receipt(entries)
    # Rows share the wallet, so that it never agrees with one run alone.
    reasons = troubles(made.model_copy(update={"agreement": None}))
    return RowResult(
        status="failed" if made.status == "running" else made.status,
        spent=made.credits.spent,
        codes=frozenset(failure_codes(made)),
        reason=reasons[0] if reasons else None,
    )


def _prepare(context: RunContext, request: RunRequest, market: Market, row: BatchRow) -> Prepared:
    return prepare(
        replace(request, inputs=lambda _: row.values),
        market,
        run_id=row.run_id,
        assets=context.assets,
        look_up=context.look_up,
        machine=context.settings,
    )


def _started_row(context: RunContext, row: BatchRow) -> RowState:
    """A row that has a run: completed, or with what it still lacks."""
    entries = context.journal.entries(row.run_id)
    first = entries[0].event
    assert isinstance(first, RunFrozen)
    state = replay(entry.event for entry in entries)
    spent = row_result(context.journal, row.run_id).spent
    if state.ended == "completed":
        done = RowState(row.run_id, row.name, 0, 0, status="completed", spent=spent)
        return replace(done, before=spent)
    left = remaining(state, None, context.look_up, RunResumed(at=datetime.now(UTC)))
    made = RowState(row.run_id, row.name, left.min, left.max, first.budget, spent=spent)
    return replace(made, recap=state.cap != first.budget, before=spent)
