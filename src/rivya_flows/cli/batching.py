"""The rows of a batch, carried out: priced, held against a second process, run, summed up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rivya_flows.app.batch.rows import BatchRow, batch_id_of, read_rows
from rivya_flows.app.batch.rules import settle
from rivya_flows.app.batch.scheduling import run_batch
from rivya_flows.app.batch.state import Batch, Start
from rivya_flows.app.batch.summary import WalletChange
from rivya_flows.app.batch.survey import Survey, settled, survey
from rivya_flows.app.catalogue_cache import read_catalogue
from rivya_flows.app.execution import end_as_cancelled, make_folder, warning_after_end
from rivya_flows.app.inputs import InputValues
from rivya_flows.app.prepare import CacheMode, Market, Prepared, RunRequest, prepare
from rivya_flows.app.report import RunReporter
from rivya_flows.app.run_context import RunContext, known_run
from rivya_flows.app.run_options import RunOptions
from rivya_flows.app.runner import Execution
from rivya_flows.app.spec_file import SpecFile
from rivya_flows.catalogue.catalogue import Catalogue
from rivya_flows.cli.batch_ending import BatchEnd, end
from rivya_flows.cli.batch_live import BatchProgress
from rivya_flows.cli.interrupts import Interrupts
from rivya_flows.cli.output import tell
from rivya_flows.errors import APIError, BudgetError, LeaseLostError, StoreError, UsageError
from rivya_flows.flows.execution.local_runner import LocalRunner
from rivya_flows.language.load import load
from rivya_flows.ledger.phrases import credits_of, price_of
from rivya_flows.planning.queue.events import Event
from rivya_flows.planning.queue.state import State
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases

_MANY = 500
_BEAT_SECONDS = 10.0
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class BatchOptions:
    """What the command line asks for.

    Attributes:
        table: Text of the CSV file.
        given: Inputs for all rows.
        out: Absolute.
    """

    spec: SpecFile
    table: str
    table_name: str
    given: InputValues
    budget: int | None
    parallel: int
    out: Path
    cache: CacheMode | None
    as_json: bool


def read_table(path: Path) -> str:
    """The text of a CSV file.

    Raises:
        UsageError: There is no such file, or it is too large or not text.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path}: is larger than 64 MiB", "part it into several batches")
        # With its line ends as they are: those inside of cells belong to the cell.
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except UnicodeDecodeError as error:
        hint = 'save it as UTF-8; spreadsheets call that "CSV UTF-8"'
        raise UsageError(f"{path}: is not UTF-8 text", hint) from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", "check the path") from error


async def run_rows(context: RunContext, order: BatchOptions, interrupts: Interrupts) -> int:
    """Runs all rows that are not done and can be paid for; gives the exit code.

    Raises:
        SpecError: The spec, the table or an input is wrong; nothing was bought.
        BudgetError: The balance does not cover what may be bought; nothing was bought.
        StoreError: Another process runs this batch.
    """
    async with context.client() as client:
        catalogue = await read_catalogue(client, context)
        balance = (await client.credits.retrieve()).current_credits
    spec = order.spec
    workflow = load(spec.text, file=spec.name, catalogue=catalogue, folder=spec.folder)
    batch_id = batch_id_of(workflow, spec.text, context.service.identity, order.table_name)
    rows = read_rows(
        order.table,
        file=order.table_name,
        workflow=workflow,
        batch_id=batch_id,
        given=order.given(workflow),
    )
    async with _held(context.leases, batch_id):
        found = _surveyed(context, order, catalogue, batch_id, rows)
        _refuse_over(found, balance)
        folder = make_folder(order.out / batch_id)
        tell(f"batch {batch_id}: {_expected(found, balance)}")
        batch, interrupted = await _carried_out(context, found, folder, interrupts)
        wallet = WalletChange(balance, await _balance(context), batch.spent - found.batch.spent)
        ended = BatchEnd(batch_id, batch, rows, folder, interrupted, wallet)
        return end(context, ended, as_json=order.as_json)


async def _balance(context: RunContext) -> int | None:
    """The wallet, or None where the service does not answer: the rows are told all the same."""
    try:
        async with context.client() as client:
            return (await client.credits.retrieve()).current_credits
    except APIError:
        return None


def _surveyed(
    context: RunContext,
    order: BatchOptions,
    catalogue: Catalogue,
    batch_id: str,
    rows: tuple[BatchRow, ...],
) -> Survey:
    if len(rows) > _MANY:
        tell(f"pricing {len(rows)} rows …")

    market = Market(catalogue, context.service.identity)

    def prepare_row(row: BatchRow) -> Prepared:
        return prepare(
            RunRequest(order.spec, lambda _: row.values, cache=order.cache),
            market,
            run_id=row.run_id,
            assets=context.assets,
            look_up=context.look_up,
            machine=context.settings,
        )

    return survey(
        rows,
        prepare_row,
        context.journal,
        context.look_up,
        batch_id=batch_id,
        file=order.table_name,
        budget=order.budget,
        parallel=order.parallel,
        now=datetime.now(UTC),
    )


def _refuse_over(found: Survey, balance: int) -> None:
    """A budget that covers only some rows is a decision; a wallet that does so is a surprise."""
    needed = found.least
    if found.batch.budget is not None:
        needed = min(needed, max(0, found.batch.budget - found.batch.spent))
    if needed > balance:
        affordable = found.batch.spent + balance
        raise BudgetError(
            f"over the balance: at least {credits_of(needed)}, and there are {balance}",
            f"add credits, or give --budget {affordable} to run what they cover;"
            " nothing was bought",
        )


def _expected(found: Survey, balance: int) -> str:
    batch = found.batch
    done = sum(row.status == "completed" for row in batch.rows)
    rows = f"{len(batch.rows)} row{'' if len(batch.rows) == 1 else 's'}"
    parts = [f"{rows}, {done} done" if done else rows]
    parts.append(price_of(found.least, found.most) + (" to go" if done else ""))
    parts.append(f"balance {balance}")
    if batch.budget is not None:
        spent = f", {batch.spent} of it spent" if batch.spent else ""
        if batch.gone:
            spent += f" ({batch.gone} for rows that the file has no longer)"
        parts.append(f"budget {batch.budget}{spent}")
    return ", ".join(parts)


async def _carried_out(
    context: RunContext, found: Survey, folder: Path, interrupts: Interrupts
) -> tuple[Batch, bool]:
    """The batch at its end, and whether a signal ended it."""
    if all(row.status == "completed" for row in found.batch.rows):
        tell("every row is completed already; the summary is written anew")
        return found.batch, False
    progress = BatchProgress(found.batch)
    interrupts.say = progress.say
    # One after the other: a Prefect server on SQLite refuses flow runs that begin at once.
    gate = asyncio.Lock()
    runner = LocalRunner()

    async def run_row(start: Start) -> None:
        await gate.acquire()
        with ExitStack() as waiting:
            waiting.callback(gate.release)
            tell_row = progress.of_row(start)

            def heard(event: Event, state: State) -> None:
                waiting.close()
                # Prefect takes SIGTERM for itself whenever a flow begins.
                interrupts.listen()
                tell_row(event, state)

            frozen = found.fresh.get(start.run_id)
            if frozen is not None and context.journal.run(start.run_id) is None:
                context.journal.create(frozen, make_folder(folder / start.run_id))
            known = len(context.journal.entries(start.run_id))
            try:
                row = known_run(context, start.run_id)
                reporter = RunReporter(context.journal, context.assets, row)
                options = RunOptions(budget=start.cap)
                await runner.execute(Execution(context, reporter, options, listen=heard))
            except asyncio.CancelledError:
                end_as_cancelled(context, start.run_id)
                raise
            except Exception as error:
                warning = warning_after_end(error, context.journal.entries(start.run_id)[known:])
                if warning is None:
                    raise
                progress.say(f"row {start.number}: {warning}")

    try:
        with progress.shown():
            async with runner.started(context.settings):
                progress.begun()
                return await run_batch(
                    found.batch,
                    run_row,
                    lambda run_id: settled(context.journal, run_id),
                    listen=progress.standing,
                ), False
    except asyncio.CancelledError:
        interrupts.calm()
        return _stopped(progress.batch, context.journal), True


def _stopped(batch: Batch, journal: Journal) -> Batch:
    """The batch after its running rows were cancelled."""
    for row in batch.rows:
        if row.status != "running":
            continue
        if journal.run(row.run_id) is None:
            batch = batch.with_row(replace(row, status="waiting", cap=None))
        else:
            batch = settle(batch, row.run_id, settled(journal, row.run_id))
    return batch


@asynccontextmanager
async def _held(leases: Leases, batch_id: str) -> AsyncIterator[None]:
    """Keeps a second process away from the batch: it would not know of this one's credits.

    Raises:
        StoreError: Another process runs it.
    """
    lease = leases.acquire(batch_id)
    task = asyncio.current_task()
    assert task is not None  # this runs in one
    lost: list[LeaseLostError] = []

    async def beat() -> None:
        while not lost:
            await asyncio.sleep(_BEAT_SECONDS)
            try:
                leases.renew(lease)
            except LeaseLostError as error:
                lost.append(error)
                task.cancel()
            except StoreError:
                continue  # the rows will tell, if it stays so

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        leases.release(lease)
    if lost:
        raise lost[0]
