"""Run a batch: price its rows, run those that the budget covers, write the summary."""

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
from rivya_flows.batch.rows import row_folder
from rivya_flows.batch.scheduler import Batch, RowResult, RowState, next_rows, settle
from rivya_flows.batch.summary import BatchResult, WalletChange, csv_text, report_rows, sheet_text
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
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import RENEWAL_SECONDS, Leases

_RENEWAL_SECONDS = RENEWAL_SECONDS


class BatchObserver(Protocol):
    """Follows a batch."""

    def say(self, line: str) -> None:
        """Is told a line for people."""

    def shown(self) -> AbstractContextManager[None]:
        """Lasts while rows run."""

    def changed(self, batch: Batch) -> None:
        """Is told the batch after every change, and once before the first row."""

    def row_event(self, name: str, event: Event, state: State) -> None:
        """Is told each event of a row's run, with the state after it."""

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
) -> BatchResult:
    """Runs the rows that are not completed and can be paid for, and writes the summary."""
    async with connect_with(runner, settings, sandbox=sandbox, notify=observer.say) as context:
        return await run_batch_in(context, options, runner, observer, confirm)


async def run_batch_in(
    context: RunContext,
    options: BatchOptions,
    runner: Runner,
    observer: BatchObserver,
    confirm: Confirm | None = None,
) -> BatchResult:
    """As `run_batch`, with things that are open already."""
    began = time.time()
    read = await read_batch(context, options, observer.say)
    batch_id, workflow = read.batch_id, read.workflow
    async with _leased(context.leases, batch_id):
        priced = await price_batch(context, read)
        if refused := priced.refused:
            raise refused
        for line in priced.remade():
            observer.say(line)
        agreed = await confirm_live(context, priced.spending(), observer.say, confirm)
        if agreed is not None:
            batch = replace(priced.batch, budget=priced.batch.spent + agreed)
            priced = replace(priced, batch=batch)
        observer.say(f"batch {batch_id}: {priced.sentence()}")
        for line in priced.shortages():
            observer.say(f"warning: {line}")
        folder = run_folder(options.out, batch_id)
        batch, cancelled = await _run_priced(context, priced, folder, runner, observer)
        spent = batch.spent - priced.batch.spent
        others = await in_thread(
            partial(_others, context, began, {row.run_id for row in batch.rows})
        )
        wallet = WalletChange(priced.balance, await _balance(context), spent, others)
        reports = report_rows(context, batch)
        result = BatchResult(batch_id, batch, reports, folder, wallet, cancelled)
        write_whole(result.summary_path, csv_text(reports))
        # In a thread: it waits for pictures to be drawn.
        title = workflow.title or f"{workflow.name} · {Path(options.table_name).name}"
        write_whole(result.sheet_path, await asyncio.to_thread(sheet_text, result, title))
        if any(row.status != "completed" for row in priced.batch.rows):
            await runner.batch_ended(context, result)
        return result


async def run_rows(
    batch: Batch,
    run_row: Callable[[RowState], Awaitable[object]],
    result_of: Callable[[str], RowResult],
    *,
    changed: Callable[[Batch], None] = lambda _: None,
) -> Batch:
    """Runs all rows that can be paid for; a failed row ends no other, an exception that is not ours all."""

    async def run(start: RowState) -> RowResult:
        try:
            await run_row(start)
        except RivyaError as error:
            result = await in_thread(partial(result_of, start.run_id))
            codes = result.codes | {error.code}
            return replace(result, status="failed", codes=codes, reason=str(error))
        return await in_thread(partial(result_of, start.run_id))

    tasks: dict[asyncio.Task[RowResult], str] = {}
    try:
        while True:
            batch, starts = next_rows(batch)
            for start in starts:
                tasks[asyncio.create_task(run(start))] = start.run_id
            changed(batch)
            if not tasks:
                return batch
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                batch = settle(batch, tasks.pop(task), task.result())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _others(context: RunContext, began: float, own: set[str]) -> tuple[OtherRun, ...]:
    """What other runs spent during the batch; empty if the store does not answer."""
    with suppress(StoreError):
        service = context.service
        return spent_since(context.journal.engine, began, service.identity, service.wallet, own)
    return ()


async def _balance(context: RunContext) -> int | None:
    """The wallet; None where the service does not answer, which does not fail the batch."""
    try:
        async with context.client() as client:
            return (await client.credits.retrieve()).current_credits
    except APIError:
        return None


async def _run_priced(
    context: RunContext, priced: PricedBatch, folder: Path, runner: Runner, observer: BatchObserver
) -> tuple[Batch, bool]:
    """The batch at its end, and whether it was cancelled."""
    batch, journal = priced.batch, context.journal
    if all(row.status == "completed" for row in batch.rows):
        observer.say("every row is already completed; writing the summary again")
        return batch, False

    def changed(now: Batch) -> None:
        nonlocal batch
        batch = now
        observer.changed(now)

    try:
        with observer.shown():
            async with runner.started(context.settings, observer.say):
                run_row = _row_runner(context, priced, folder, runner, observer)
                read = partial(row_result, journal)
                return await run_rows(batch, run_row, read, changed=changed), False
    except asyncio.CancelledError:
        observer.absorb_cancel()
        return _cancelled(batch, journal), True


def _row_runner(
    context: RunContext, priced: PricedBatch, folder: Path, runner: Runner, observer: BatchObserver
) -> Callable[[RowState], Awaitable[None]]:
    # Runs begin one after the other: a Prefect server on SQLite refuses concurrent flow runs.
    beginning = asyncio.Lock()

    async def run_row(start: RowState) -> None:
        run_id, journal = start.run_id, context.journal
        await beginning.acquire()
        with ExitStack() as begun:
            begun.callback(beginning.release)

            def listen(event: Event, state: State) -> None:
                begun.close()
                observer.row_event(start.name, event, state)

            reporter = await in_thread(partial(_begun, context, priced, folder, start))
            known = reporter.seq
            try:
                options = RunOptions(budget=start.cap)
                run = Run(context, reporter, options, listen=listen, in_batch=True)
                await runner.execute(run)
            except asyncio.CancelledError:
                await in_thread(partial(end_as_cancelled, context, reporter))
                raise
            except Exception as error:
                entries = await in_thread(partial(journal.entries, run_id, after=known))
                warning = warning_after_end(error, entries)
                if warning is None:
                    raise
                observer.say(f"{start.name}: {warning}")

    return run_row


def _begun(context: RunContext, priced: PricedBatch, folder: Path, start: RowState) -> RunReporter:
    """Follows the run of a row, which is created if it has none."""
    journal, frozen = context.journal, priced.fresh.get(start.run_id)
    if frozen is not None and journal.run(start.run_id) is None:
        journal.create(frozen, make_folder(row_folder(folder, start.row, priced.taken)))
    reporter = RunReporter(journal, context.assets, known_run(context, start.run_id))
    reporter.follow()
    return reporter


def _cancelled(batch: Batch, journal: Journal) -> Batch:
    for row in batch.rows:
        if row.status == "running" and journal.run(row.run_id) is None:
            batch = batch.with_row(replace(row, status="waiting", cap=None))
        elif row.status == "running":
            batch = settle(batch, row.run_id, row_result(journal, row.run_id))
    return batch


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
