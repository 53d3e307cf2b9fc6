"""Run a batch: price its rows, run those that its limits cover, write the summary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from rivya_flows.batch.pricing import BatchOptions, PricedBatch, price_batch, read_batch, row_result
from rivya_flows.batch.rows import Row, row_folder
from rivya_flows.batch.scheduler import Batch, RowResult
from rivya_flows.batch.summary import BatchResult, WalletChange, csv_text, read_reports, sheet_text
from rivya_flows.engine.run import Run, Runner, RunOptions
from rivya_flows.engine.run_context import RunContext, known_run
from rivya_flows.errors import APIError, RivyaError, StoreError
from rivya_flows.money.live_guard import Confirm, confirm_live
from rivya_flows.queue.events import Event, OtherRun
from rivya_flows.queue.state import State
from rivya_flows.receipt.report import RunReporter, write_whole
from rivya_flows.runs.connect import connect_with
from rivya_flows.runs.execution import end_as_cancelled, make_folder, run_folder, warning_after_end
from rivya_flows.settings import Settings
from rivya_flows.store.charges import spent_since
from rivya_flows.store.database import in_thread
from rivya_flows.store.leases import RENEWAL_SECONDS, Leases

_RENEWAL_SECONDS = RENEWAL_SECONDS

BatchEnd = Callable[[RunContext, BatchResult], Awaitable[None]]
"""Tells people, as they asked for, how a batch ended; never raises."""


class BatchObserver(Protocol):
    """Follows a batch."""

    def say(self, line: str) -> None:
        """Called with a line for people."""

    def shown(self) -> AbstractContextManager[None]:
        """Lasts while rows run."""

    def changed(self, batch: Batch) -> None:
        """Called after every change, and once before the first row."""

    def row_event(self, name: str, event: Event, state: State) -> None:
        """Called with each event of a row's run, and the state after it."""

    def absorb_cancel(self) -> None:
        """Takes the cancellation of this task back (`asyncio.Task.uncancel`)."""


async def run_batch(
    options: BatchOptions,
    settings: Settings,
    runner: Runner,
    *,
    sandbox: bool = False,
    observer: BatchObserver,
    confirm: Confirm | None = None,
    ended: BatchEnd | None = None,
) -> BatchResult:
    """Runs the rows that are not completed and can be paid for, and writes the summary."""
    async with connect_with(runner, settings, sandbox=sandbox, notify=observer.say) as context:
        return await run_batch_in(context, options, runner, observer, confirm, ended)


async def run_batch_in(
    context: RunContext,
    options: BatchOptions,
    runner: Runner,
    observer: BatchObserver,
    confirm: Confirm | None = None,
    ended: BatchEnd | None = None,
) -> BatchResult:
    """As `run_batch`, with things that are open already."""
    began = time.time()
    read = await read_batch(context, options, observer.say)
    batch_id, workflow = read.batch_id, read.workflow
    async with _leased(context.leases, batch_id):
        priced = price_batch(context, read)
        if refused := priced.refused:
            raise refused
        for line in priced.remade():
            observer.say(line)
        agreed = await confirm_live(context, priced.spending(), observer.say, confirm)
        if agreed is not None:
            batch = replace(priced.batch, budget=priced.batch.spent + agreed)
            priced = replace(priced, batch=batch)
        batch, before = priced.batch, priced.batch.spent
        observer.say(f"batch {batch_id}: {priced.sentence()}")
        for line in priced.shortages():
            observer.say(f"warning: {line}")
        folder = run_folder(options.out, batch_id)
        is_new = any(row.status != "completed" for row in batch.rows)
        cancelled = False
        if is_new:
            cancelled = await _run_priced(context, priced, folder, runner, observer)
        else:
            observer.say("every row is already completed; writing the summary again")
        wallet = await _wallet_change(context, priced, batch.spent - before, began)
        read_reports(context, batch)
        result = BatchResult(batch_id, batch, folder, wallet, cancelled)
        write_whole(result.summary_path, csv_text(batch.rows))
        # In a thread: it waits for pictures to be drawn.
        title = workflow.title or f"{workflow.name} · {Path(options.table_name).name}"
        write_whole(result.sheet_path, await asyncio.to_thread(sheet_text, result, title))
        if is_new and ended is not None:
            await ended(context, result)
        return result


async def run_rows(
    batch: Batch,
    run_row: Callable[[Row], Awaitable[object]],
    result_of: Callable[[str], RowResult],
    *,
    changed: Callable[[Batch], None] = lambda _: None,
) -> None:
    """Runs all rows that can be paid for; a failed row ends no other, an exception that is not ours all."""

    async def run(row: Row) -> RowResult:
        try:
            await run_row(row)
        except RivyaError as error:
            result = await in_thread(partial(result_of, row.run_id))
            codes = result.codes | {error.code}
            return replace(result, status="failed", codes=codes, reason=str(error))
        return await in_thread(partial(result_of, row.run_id))

    tasks: dict[asyncio.Task[RowResult], str] = {}
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
    context: RunContext, priced: PricedBatch, spent: int, began: float
) -> WalletChange:
    """The wallet over the batch; what the service or the store does not say does not fail the batch."""
    service = context.service
    others: tuple[OtherRun, ...] = ()
    after: int | None = None
    own = {row.run_id for row in priced.batch.rows}
    read = partial(
        spent_since, context.journal.engine, began, service.identity, service.wallet, own
    )
    with suppress(StoreError):
        others = await in_thread(read)
    with suppress(APIError):
        async with context.client() as client:
            after = (await client.credits.retrieve()).current_credits
    return WalletChange(priced.balance, after, spent, others)


async def _run_priced(
    context: RunContext, priced: PricedBatch, folder: Path, runner: Runner, observer: BatchObserver
) -> bool:
    """Whether it was cancelled before its rows had ended."""
    batch, journal = priced.batch, context.journal
    # Runs begin one after the other: a Prefect server on SQLite refuses concurrent flow runs.
    beginning = asyncio.Lock()

    async def run_row(row: Row) -> None:
        with ExitStack() as begun:
            await beginning.acquire()
            begun.callback(beginning.release)

            def listen(event: Event, state: State) -> None:
                begun.close()
                observer.row_event(row.name, event, state)

            reporter = await in_thread(partial(_begun, context, priced, folder, row))
            known = reporter.seq
            try:
                options = RunOptions(budget=row.cap)
                run = Run(context, reporter, options, listen=listen, in_batch=True)
                await runner.execute(run)
            except asyncio.CancelledError:
                await in_thread(partial(end_as_cancelled, context, reporter))
                raise
            except Exception as error:
                entries = await in_thread(partial(journal.entries, row.run_id, after=known))
                warning = warning_after_end(error, entries)
                if warning is None:
                    raise
                observer.say(f"{row.name}: {warning}")

    try:
        with observer.shown():
            async with runner.started(context.settings, observer.say):
                result_of = partial(row_result, journal)
                await run_rows(batch, run_row, result_of, changed=observer.changed)
                return False
    except asyncio.CancelledError:
        observer.absorb_cancel()
        for run_id in [*batch.running]:
            begun = journal.run(run_id) is not None
            batch.settle(run_id, row_result(journal, run_id) if begun else RowResult("waiting", 0))
        return True


def _begun(context: RunContext, priced: PricedBatch, folder: Path, row: Row) -> RunReporter:
    """Follows the run of a row, which is created if it has none."""
    journal, frozen = context.journal, priced.fresh.get(row.run_id)
    if frozen is not None and journal.run(row.run_id) is None:
        journal.create(frozen, make_folder(row_folder(folder, row, priced.taken)))
    reporter = RunReporter(journal, context.assets, known_run(context, row.run_id))
    reporter.follow()
    return reporter


@asynccontextmanager
async def _leased(leases: Leases, batch_id: str) -> AsyncIterator[None]:
    """Holds a lease on the batch: a second process would not know what this one spends."""
    task = asyncio.current_task()
    assert task is not None
    async with leases.held(batch_id, _RENEWAL_SECONDS) as lease:
        over = False
        lease.lost.add_done_callback(lambda _: over or task.cancel())
        try:
            yield
        finally:
            over = True
            if lease.lost.done():
                raise lease.lost.result()
