"""What a batch costs, and which of its rows may run: their prices, their shares of its limits, and why rows wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from rivya_client.catalogue.prices import price_of
from rivya_flows.batch.rows import STATUS_WORDS, Row, Status, batch_id_of, give_new_run, read_rows
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.engine.run_context import RunContext
from rivya_flows.errors import BudgetError, MediaError, SpecError, UsageError
from rivya_flows.estimate.estimate import remaining
from rivya_flows.language.workflow import MAX_LABELS, Workflow
from rivya_flows.money.live_guard import Spending, pool_cap
from rivya_flows.plans.names import BATCH_LABEL
from rivya_flows.preparation.prepare import Market, PlanningStore, RunRequest, prepare, read_market
from rivya_flows.preparation.spec_file import InputReader, load_spec
from rivya_flows.queue.events import PoolTotal, RunFrozen, RunResumed
from rivya_flows.queue.queue import replay
from rivya_flows.receipt.from_journal import receipt
from rivya_flows.receipt.phrases import credits_of
from rivya_flows.receipt.summary import failure_codes, troubles
from rivya_flows.runs.execution import Caller
from rivya_flows.store.charges import spent_by
from rivya_flows.store.journal import Journal
from rivya_flows.store.pools import Pools

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
        budget: Cap in credits over all rows and all earlier executions; or None.
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
        """Credits that the rows still need, least and most; the most is None without an upper bound."""
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
        rest = [f"{numbers[one]} {label}" for one, label in STATUS_WORDS.items() if numbers[one]]
        return ", ".join([f"{completed} of {len(self.rows)} completed", *rest])

    def credits_left(self, limit: str) -> int:
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
            whose = "the spec's" if row.budget is None else "its"
            row.refuse(row.before + row.least, f"{whose} budget is {row.spec_cap}")
            return False
        expected = self._expected_credits(row)
        budgeted = self.budget is not None
        limits = [*sorted(row.pools), *([BUDGET] if budgeted and row.tried is None else [])]
        for limit in limits:
            left = self.credits_left(limit)
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
            alone, free = expected is None or row.tried is not None, self.credits_left(BUDGET)
            if alone and self.running:
                return False
            if row.tried is not None and row.cap_for(free) <= row.tried[0]:
                row.status, row.tried = row.tried[1], None
                return False
            if expected is not None and not alone:
                # Unspent credits are freed when the row ends, so a share above the price does no harm.
                waiting = sum(one.status == "waiting" for one in self.rows)
                slots = min(waiting, self.parallel - len(self.running))
                free = min(free, max(expected, free // slots))
            row.cap = row.cap_for(free)
            held[BUDGET] = max(0, row.cap - row.spent)
        elif row.recap:
            row.cap = NO_CAP if row.spec_cap is None else row.spec_cap
        for limit, credits in held.items():
            self._left[limit] -= credits
        row.status, row.held = "running", held
        self.running[row.run_id] = row
        return True

    def _expected_credits(self, row: Row) -> int | None:
        """Credits that the row should need; None if only running one can tell."""
        if row.most is not None or self._open_price is None:
            return row.most
        return max(row.least, self._open_price - row.spent)


_MANY = 500  # rows whose pricing is announced
_NAMED = 3  # at most so many removed rows get a line each


@dataclass(frozen=True)
class BatchOptions:
    """A batch that somebody asks for; `budget` caps the credits of all rows, those of earlier executions too."""

    request: RunRequest
    table: str
    table_name: str
    budget: int | None
    parallel: int
    out: Path
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReadBatch:
    """A batch whose rows are read and not priced."""

    batch_id: str
    options: BatchOptions
    workflow: Workflow
    market: Market
    rows: tuple[Row, ...]


def is_remade(batch: Batch, row: Row) -> bool:
    """Whether its earlier run was removed, so that it is bought again."""
    return bool(row.removed) and row.run_id in batch.fresh


def remade(batch: Batch) -> Iterator[str]:
    """Which rows are bought again, and for how much; for people."""
    again = [row for row in batch.rows if is_remade(batch, row)]
    for row in again[:_NAMED]:
        price = price_of(row.least, row.most)
        yield f"the run of {row.name} was removed: it is made again, {price}"
    if (more := len(again) - _NAMED) > 0:
        yield f"and {more} more rows are made again"


def refusal(batch: Batch) -> BudgetError | None:
    """Why nothing of it runs: the balance, a budget or a pool covers no row; None if rows do."""
    needed = sum(row.least for row in batch.rows if not row.is_over_spec)
    if batch.budget is not None:
        needed = min(needed, max(0, batch.budget - batch.spent))
    if needed > batch.balance:
        error = BudgetError(
            f"over the balance: at least {credits_of(needed)}, and the balance is {batch.balance}",
            f"add credits, or give --budget {batch.spent + batch.balance} to run what they cover;"
            " nothing was bought",
        )
        error.options = ("--budget", str(batch.spent + batch.balance))
        return error
    tried = replace(batch, rows=[copy(row) for row in batch.rows], running={})
    starts = tried.start_rows()
    refused = next((row for row in tried.rows if row.status == "over_budget"), None)
    if refused is None or starts:
        return None
    return BudgetError(
        f"no row can run: {refused.name} {refused.reason}",
        "raise what is too low: --budget, the budget of the spec, or the pool"
        " (`rivya-flows budgets set`); nothing was bought",
    )


def spending(batch: Batch) -> Spending:
    """What the rows buy, capped by the budget of the batch and by pools that cover every row."""
    due = [row for row in batch.rows if row.status != "completed"]
    covering = (one for one in batch.pools if all(one.name in row.pools for row in due))
    caps = dict(map(pool_cap, covering))
    if batch.budget is not None:
        caps[f"budget {batch.budget}"] = batch.budget - batch.spent
    return Spending(*batch.to_buy, batch.balance, caps)


def sentence(batch: Batch) -> str:
    """``4 rows, 1 done, 5 credits to go, balance 100, budget 9, 2 of it spent``."""
    done = sum(row.status == "completed" for row in batch.rows)
    rows = f"{len(batch.rows)} row{'' if len(batch.rows) == 1 else 's'}"
    price = price_of(*batch.to_buy)
    parts = [rows, f"{done} done", f"{price} to go"] if done else [rows, price]
    parts.append(f"balance {batch.balance}")
    if batch.budget is not None:
        parts.append(f"budget {batch.budget}")
        if batch.spent:
            removed = f" ({batch.removed} on removed rows and runs)" if batch.removed else ""
            parts.append(f"{batch.spent} of it spent{removed}")
    return ", ".join(parts)


def shortages(batch: Batch) -> Iterator[str]:
    """Which limits the rows may pass, and how many rows they cover; for people."""
    if batch.budget is not None:
        spent = f", {batch.spent} of it spent" if batch.spent else ""
        limit_text = f"the budget is {batch.budget}{spent}"
        yield from _shortage(batch.rows, batch.credits_left(BUDGET), limit_text)
    for pool in batch.pools:
        rows = [row for row in batch.rows if pool.name in row.pools]
        limit_text = f"the pool {pool.name} has {pool.left} of {pool.credits} left"
        short = [*_shortage(rows, pool.left, limit_text)]
        yield from short
        more = sum(row.price for row in rows)
        after = pool.model_copy(update={"spent": pool.spent + more})
        if more and not short and after.is_soft_passed:
            forecast = f"will have spent {after.spent} credits; its soft limit is {pool.soft}"
            yield f"the pool {pool.name} {forecast}"


def _shortage(rows: Iterable[Row], left: int, limit_text: str) -> Iterator[str]:
    """``the rows need 84–120 credits; the budget is 60: about 7 of 14 rows will run``."""
    waiting = [row for row in rows if row.status == "waiting"]
    least, price = (sum(row.least for row in waiting), sum(row.price for row in waiting))
    bounded = all(row.most is not None for row in waiting)
    if price <= left and bounded:
        return
    needed = price_of(least, price if bounded else None)
    if price <= left:
        yield f"the rows need {needed}; {limit_text}: they may exceed it"
        return
    covered = 0
    for row in waiting:  # as the batch starts them, each at its price
        if row.price <= left:
            covered, left = covered + 1, left - row.price
    number = f"about {covered} of {len(waiting)} rows" if covered else "none"
    yield f"the rows need {needed}; {limit_text}: {number} will run"


def price_batch(context: RunContext, read: ReadBatch) -> Batch:
    """Checks and prices every row, under the spec's own budget; spends and sends nothing."""
    options, journal, prefix = read.options, context.journal, f"{read.batch_id}-"
    runs = {run.run_id: run for run in journal.runs(prefix)}
    pools = Pools(journal.engine).states(context.service.identity)
    # The rows share the wallet, so that no plan of a row has its balance.
    market = Market(read.market.catalogue, read.market.service)
    place = PlanningStore(context.assets, context.look_up, executes=context.settings)
    rows, removed = read.rows, {run.run_id for run in journal.runs(prefix, removed=True)}
    fresh: dict[str, RunFrozen] = {}
    problems: list[Diagnostic] = []
    for row in rows:
        give_new_run(row, removed)
        if run := runs.get(row.run_id):
            labels = run.labels
            _read_started(context, row)
        else:
            try:
                request = replace(options.request, inputs=_reader_of(row))
                if row.budget is not None:
                    request = replace(request, budget=row.budget)
                ready = prepare(request, market, row.run_id, place)
            except (SpecError, MediaError, UsageError) as error:
                found = error.diagnostics if isinstance(error, SpecError) else (error,)
                at = partial(Diagnostic, file=options.table_name, line=row.line, column=1)
                problems += [at(one.code, one.message, one.hint) for one in found]
                continue
            frozen, price = ready.frozen, ready.estimate
            fresh[row.run_id], labels = frozen, frozen.labels
            row.least, row.most, row.spec_cap = price.min, price.max, frozen.budget
        row.pools = frozenset(one.pool.name for one in pools if one.pool.covers(labels))
    if problems:
        raise SpecError(tuple(problems))
    gone = 0
    if options.budget is not None:
        known = {row.run_id for row in rows} - fresh.keys()
        spent = spent_by(journal.engine, prefix)
        gone = sum(credits for run_id, (credits, _) in spent.items() if run_id not in known)
    return Batch(
        rows,
        options.budget,
        options.parallel,
        removed=gone,
        pools=[one.total for one in pools],
        batch_id=read.batch_id,
        balance=read.market.balance or 0,
        fresh=fresh,
        taken=frozenset(run.folder for run in runs.values()),
    )


def _reader_of(row: Row) -> InputReader:
    return lambda _: row.values


def row_result(journal: Journal, run_id: str) -> RowResult:
    """How the last execution of a run ended, from its journal; an interrupted one has failed."""
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


def _read_started(context: RunContext, row: Row) -> None:
    """Reads what a row that has a run spent, and what it still lacks."""
    entries = context.journal.entries(row.run_id)
    first = entries[0].event
    assert isinstance(first, RunFrozen)
    state = replay(entry.event for entry in entries)
    row.spec_cap = first.budget if row.budget is None else row.budget
    row.spent = row.before = state.spent
    if state.ended == "completed":
        row.status = "completed"
        return
    left = remaining(state, RunResumed(at=datetime.now(UTC)), context.look_up)
    row.least, row.most, row.recap = left.min, left.max, state.cap != row.spec_cap


async def read_batch(
    context: RunContext, options: BatchOptions, say: Callable[[str], object]
) -> ReadBatch:
    """Reads the models, the balance and the rows."""
    market = await read_market(context, say)
    request, file = options.request, options.table_name
    workflow = load_spec(request.spec, market.catalogue)
    batch_id = batch_id_of(workflow, request.spec.text, context.service.identity, file)
    names = {**workflow.labels, **request.labels}
    if BATCH_LABEL not in names and len(names) < MAX_LABELS:
        labels = {**request.labels, BATCH_LABEL: batch_id}
        options = replace(options, request=replace(request, labels=labels))
    rows = read_rows(
        options.table,
        file=file,
        workflow=workflow,
        batch_id=batch_id,
        given=request.inputs(workflow),
        keys=options.keys,
    )
    if len(rows) > _MANY:
        say(f"pricing {len(rows)} rows …")
    return ReadBatch(batch_id, options, workflow, market, rows)


async def plan_batch(options: BatchOptions, caller: Caller) -> Batch:
    """What `run_batch` would do and cost; reads the models and the balance, and buys nothing."""
    async with caller.connect() as context:
        return price_batch(context, await read_batch(context, options, caller.notify))
