"""Run a batch: price its rows, run those that its limits cover, write the summary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from rivya_flows.batch import pricing
from rivya_flows.batch.rows import Row, row_folder
from rivya_flows.batch.summary import BatchResult, WalletChange, csv_text, read_reports, sheet_text
from rivya_flows.engine.run import Run, RunOptions, ignore
from rivya_flows.engine.run_context import RunContext, known_run
from rivya_flows.errors import APIError, RivyaError, StoreError
from rivya_flows.money.live_guard import confirm_live
from rivya_flows.queue.events import Event, OtherRun
from rivya_flows.queue.state import State
from rivya_flows.receipt.report import RunReporter, write_whole
from rivya_flows.runs.execution import Caller, ended_well, make_folder, run_folder
from rivya_flows.store.charges import spent_since
from rivya_flows.store.database import in_thread
from rivya_flows.store.leases import RENEWAL_SECONDS, Leases

_RENEWAL_SECONDS = RENEWAL_SECONDS

BatchEnd = Callable[[RunContext, BatchResult], Awaitable[None]]
"""Tells people, as they asked for, how a batch ended; never raises."""


async def run_batch(
    options: pricing.BatchOptions,
    caller: Caller,
    *,
    row_event: Callable[[str, Event, State], object] = ignore,
    changed: Callable[[pricing.Batch], object] = ignore,
    ended: BatchEnd | None = None,
) -> BatchResult:
    """Runs the rows that are not completed and can be paid for, and writes the summary.

    Args:
        row_event: Called with the name of a row, an event of its run, and the state after it.
        changed: Called after every change, and once before the first row.
    """
    async with caller.connect() as context:
        began, say = time.time(), caller.notify
        read = await pricing.read_batch(context, options, say)
        async with _hold_lease(context.leases, read.batch_id):
            batch = pricing.price_batch(context, read)
            if refused := pricing.refusal(batch):
                raise refused
            for line in pricing.remade(batch):
                say(line)
            agreed = await confirm_live(context, pricing.spending(batch), say, caller.confirm)
            if agreed is not None:
                batch = replace(batch, budget=batch.spent + agreed)
            before = batch.spent
            say(f"batch {batch.batch_id}: {pricing.sentence(batch)}")
            for line in pricing.shortages(batch):
                say(f"warning: {line}")
            folder = run_folder(options.out, batch.batch_id)
            is_new = any(row.status != "completed" for row in batch.rows)
            cancelled = False
            if is_new:
                cancelled = await _run_priced(context, batch, folder, caller, row_event, changed)
            else:
                say("every row is already completed; writing the summary again")
            wallet = await _wallet_change(context, batch, batch.spent - before, began)
            read_reports(context, batch)
            result = BatchResult(batch, folder, wallet, cancelled)
            write_whole(result.summary_path, csv_text(batch.rows))
            # In a thread: it waits for pictures to be drawn.
            name = f"{read.workflow.name} · {Path(options.table_name).name}"
            title = read.workflow.title or name
            write_whole(result.sheet_path, await asyncio.to_thread(sheet_text, result, title))
            if is_new and ended is not None:
                await ended(context, result)
            return result


async def run_rows(
    batch: pricing.Batch,
    run_row: Callable[[Row], Awaitable[object]],
    result_of: Callable[[str], pricing.RowResult],
    *,
    changed: Callable[[pricing.Batch], object] = ignore,
) -> None:
    """Runs all rows that can be paid for; a failed row ends no other, an exception that is not ours all."""

    async def run(row: Row) -> pricing.RowResult:
        try:
            await run_row(row)
        except RivyaError as error:
            result = await in_thread(result_of, row.run_id)
            codes = result.codes | {error.code}
            return replace(result, status="failed", codes=codes, reason=str(error))
        return await in_thread(result_of, row.run_id)

    tasks: dict[asyncio.Task[pricing.RowResult], str] = {}
    try:
        while True:
            for row in batch.start_rows():
                tasks[asyncio.create_task(run(row))] = row.run_id
            changed(batch)
            if not tasks:
                return
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                batch.settle(tasks.pop(task), task.result())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _wallet_change(
    context: RunContext, batch: pricing.Batch, spent: int, began: float
) -> WalletChange:
    """The wallet over the batch; what the service or the store does not say does not fail the batch."""
    service = context.service
    other_runs: tuple[OtherRun, ...] = ()
    after: int | None = None
    own = {row.run_id for row in batch.rows}
    of_wallet = service.identity, service.wallet
    with suppress(StoreError):
        other_runs = await in_thread(spent_since, context.journal.engine, began, *of_wallet, own)
    with suppress(APIError):
        async with context.client() as client:
            after = (await client.credits.retrieve()).current_credits
    return WalletChange(batch.balance, after, spent, other_runs)


async def _run_priced(
    context: RunContext,
    batch: pricing.Batch,
    folder: Path,
    caller: Caller,
    row_event: Callable[[str, Event, State], object],
    changed: Callable[[pricing.Batch], object],
) -> bool:
    """Whether it was cancelled before its rows had ended."""
    journal, runner = context.journal, caller.runner
    # Runs begin one after the other: a Prefect server on SQLite refuses concurrent flow runs.
    beginning = asyncio.Lock()

    async def run_row(row: Row) -> None:
        with ExitStack() as begun:
            await beginning.acquire()
            begun.callback(beginning.release)

            def listen(event: Event, state: State) -> None:
                begun.close()
                row_event(row.name, event, state)

            def warn(warning: str) -> None:
                caller.notify(f"{row.name}: {warning}")

            reporter = await in_thread(_begin_row, context, batch, folder, row)
            options = RunOptions(budget=row.cap)
            run = Run(context, reporter, options, listen=listen, in_batch=True)
            async with ended_well(run, warn):
                await runner.execute(run)

    try:
        with caller.progress():
            async with runner.connect(context.settings, caller.notify):
                result_of = partial(pricing.row_result, journal)
                await run_rows(batch, run_row, result_of, changed=changed)
                return False
    except asyncio.CancelledError:
        if caller.absorb_cancel is not None:
            caller.absorb_cancel()
        for run_id in [*batch.running]:
            begun = journal.run(run_id) is not None
            batch.settle(
                run_id,
                pricing.row_result(journal, run_id) if begun else pricing.RowResult("waiting", 0),
            )
        return True


def _begin_row(context: RunContext, batch: pricing.Batch, folder: Path, row: Row) -> RunReporter:
    """Follows the run of a row, which is created if it has none."""
    journal, frozen = context.journal, batch.fresh.get(row.run_id)
    if frozen is not None and journal.run(row.run_id) is None:
        journal.create(frozen, make_folder(row_folder(folder, row, batch.taken)))
    reporter = RunReporter(journal, context.assets, known_run(context, row.run_id))
    reporter.follow()
    return reporter


@asynccontextmanager
async def _hold_lease(leases: Leases, batch_id: str) -> AsyncIterator[None]:
    """Holds a lease on the batch: a second process would not know what this one spends."""
    task = asyncio.current_task()
    assert task is not None
    async with leases.hold(batch_id, _RENEWAL_SECONDS) as lease:
        over = False
        lease.lost.add_done_callback(lambda _: over or task.cancel())
        try:
            yield
        finally:
            over = True
            if lease.lost.done():
                raise lease.lost.result()
