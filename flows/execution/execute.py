"""Executes a run inside a flow run: in its turn, until its end or a signal.

Its turn is a slot of Prefect's global concurrency limits, which limit the runs of all workers. A slot is a lease
on the server, renewed while the run executes. Prefect's own `concurrency` asks again after up to 30 s, holds the
slot of a killed run for 300 s, and keeps a cancelled process until it has a slot.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.exceptions import ObjectNotFound, TerminationSignal
from prefect.runtime import flow_run

from rivya_flows.engine.job_waits import HeldSlots, shared_slots
from rivya_flows.engine.loop import drive
from rivya_flows.engine.run import Run, now
from rivya_flows.engine.run_log import ServiceOutage, log_events, log_rendering, start_line
from rivya_flows.engine.signing import Signing, signer_of
from rivya_flows.engine.stop_request import on_signal
from rivya_flows.engine.traces import traced
from rivya_flows.errors import RivyaError
from rivya_flows.flows.credentials import secret_block
from rivya_flows.flows.current_run import Logger, flow_run_here, run_logger
from rivya_flows.flows.execution.job_notifications import listen_for_jobs
from rivya_flows.flows.execution.run_events import announce
from rivya_flows.flows.execution.task_runner import PrefectCalls
from rivya_flows.flows.prefect_internals import goes_on_elsewhere
from rivya_flows.flows.questions import take_answers
from rivya_flows.flows.recovery.waker import close_cancelled, earlier_task_runs
from rivya_flows.flows.run_page import Page, open_page
from rivya_flows.language.workflow import Concurrency
from rivya_flows.preparation.restore import restore_media
from rivya_flows.receipt.report import RunReport
from rivya_flows.store.database import in_thread

STOPPED = (asyncio.CancelledError, TerminationSignal)


async def execute_run(run: Run, concurrency: Concurrency | None) -> RunReport:
    """Executes a frozen run to its end, in its turn; must be called inside a flow run."""
    context, logger = run.context, run_logger()
    with cancel_on_termination():
        try:
            its_turn = turn(concurrency, context.settings.rivya_flows_global_limit, logger)
            opened = open_page(context, run.reporter.row.name, logger)
            # Until the end is announced: a second process that Prefect starts waits for that.
            driving = context.leases.held(run.run_id)
            async with its_turn, opened as page, driving as run.lease:
                try:
                    await _run_engine(run, page)
                    return await _show_end(run, page)
                except STOPPED:
                    with contextlib.suppress(RivyaError):  # what stopped it matters more
                        await _show_end(run, page, again=True)
                    raise
        except STOPPED:
            # Cancelled while it waited for its turn: an engine writes its end itself.
            with contextlib.suppress(RivyaError):
                await end_cancelled(run)
            raise


async def end_cancelled(run: Run) -> RunReport:
    """Journals and announces that a waiting run was cancelled, unless it has ended otherwise."""
    context = run.context
    closed = await in_thread(partial(close_cancelled, context.journal, run.run_id))
    report = await asyncio.to_thread(run.reporter.write)
    if closed:
        await announce(context, report.receipt, in_batch=run.in_batch)
    return report


async def show_ended(run: Run) -> RunReport:
    """Shows a run that has ended on the page of this flow run, and announces its end unless that was done."""
    logger = run_logger()
    await earlier_task_runs(run.run_id, now())
    async with open_page(run.context, run.reporter.row.name, logger) as page:
        report = await _show_end(run, page, again=True)
    logger.info("%s is %s; nothing is executed again", run.run_id, report.status)
    return report


async def _show_end(run: Run, page: Page, *, again: bool = False) -> RunReport:
    """Shows and announces an end, which another execution may have announced if `again`."""
    report = await asyncio.to_thread(run.reporter.write)
    page.show_outputs(report.receipt)
    if report.state.ended is not None:  # not of one that continues elsewhere
        await announce(run.context, report.receipt, again=again, in_batch=run.in_batch)
    return report


async def _run_engine(run: Run, page: Page) -> None:
    context, reporter, logger = run.context, run.reporter, run_logger()
    settings = context.settings
    # Refused before anything is bought.
    signer = await asyncio.to_thread(signer_of, settings)
    run.signing = None if signer is None else Signing(signer, run.run_id)
    began = now()
    earlier = await earlier_task_runs(run.run_id, began)
    # Webhooks are those of the process's key: jobs of another wallet would wait for nothing.
    listens = context.service.wallet is None
    listening = listen_for_jobs(settings, context.journal.engine, logger.warning, on=listens)

    def tell(message: str) -> None:
        logger.warning("%s", message)
        run.notify(message)

    run.stops, run.goes_on_elsewhere = STOPPED, goes_on_elsewhere
    run.secret_block = secret_block
    run.on_poll = ServiceOutage(context.service.base_url, tell).polled
    run.slots = HeldSlots(shared_slots(settings.rivya_flows_model_parallel))
    async with context.client() as run.client, listening as run.wakes:
        await context.recall_durations(run.client)
        with traced(run.run_id, reporter.row.name) as tracing:
            run.state = await take_answers(context, run.lease, reporter)
            resumed = run.resumed(tracing.trace_id)
            if run.state.tally.ended:  # `prepare` has seen the media of a first execution
                restored = partial(restore_media, context.assets, reporter, run.state, resumed)
                await in_thread(restored)
            await _show_labels(reporter.frozen.labels, logger)
            logger.info("%s", start_line(run.state))
            calls = PrefectCalls(run, earlier, page)
            run.call = calls
            await calls.begin()
            page.show_plan(run.state)
            run.listen = log_events(
                logger, calls.listen, page.show_progress, tracing.listen, run.listen
            )
            run.rendering = log_rendering(logger, run.rendering)
            try:
                await drive(run, resumed)
            finally:
                await calls.end()
    await earlier_task_runs(run.run_id, began)


async def _show_labels(labels: dict[str, str], logger: Logger) -> None:
    """Shows labels as tags of this flow run, such as ``client:acme``; never fails a run."""
    here = flow_run_here()
    tags = [":".join(one) for one in labels.items()]
    if here is None or {*tags} <= {*here.tags}:
        return
    try:
        async with get_client() as client:
            await client.update_flow_run(here.id, tags=[*dict.fromkeys((*here.tags, *tags))])
    except Exception as error:
        logger.warning("labels not shown as tags: %s", error)


@contextlib.contextmanager
def cancel_on_termination() -> Iterator[None]:
    """Cancels this task on SIGTERM.

    Prefect's handler must stay: a worker checks for it before it cancels a run. But what it raises in a callback,
    or in a task that no other awaits, would be lost, so the event loop gets the signal too. Outside the main
    thread no handler raises: there a `StopRequest` stops a run.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if isinstance(context.get("exception"), TerminationSignal):
            cancel()
        else:
            (before or type(loop).default_exception_handler)(loop, context)

    def cancel() -> None:
        # Once: a signal arrives here more than once, and a closing loop cancels all tasks.
        if task is not None and not task.cancelling():
            task.cancel()

    loop.set_exception_handler(handle)
    try:
        with on_signal(loop, signal.SIGTERM, cancel):
            yield
    finally:
        loop.set_exception_handler(before)


# --- The turn of a run ---

GROUP_PREFIX = "rivya-flows:"  # of the Prefect limit for a spec's `concurrency.group`
LEASE_SECONDS = 60.0  # the shortest that the server allows; it frees a lost slot at most 15 s later
RENEW_SECONDS = 20.0
ASK_SECONDS = 3.0
_MOST_FAILURES = 5  # consecutive errors


class LimitError(RivyaError):
    """Prefect did not say whether the run may start; nothing was bought."""

    code = "limit"
    hint = "check the Prefect server, then retry the run"


@contextlib.asynccontextmanager
async def turn(
    concurrency: Concurrency | None, global_limit: str | None, logger: Logger
) -> AsyncIterator[None]:
    """A slot of the group of a spec and of the limit of all runs, for the block.

    A slot that is lost does not stop the run: it has bought something.
    """
    if concurrency is None and global_limit is None:
        yield
        return
    async with get_client() as client:
        names = await _find_limits(client, concurrency, global_limit, logger)
        if not names:
            yield
            return
        lease = await _take_slots(client, names, logger)
        renewing = asyncio.create_task(_renew(client, lease, logger))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            try:
                async with asyncio.timeout(5):
                    await client.release_concurrency_slots_with_lease(lease)
            except Exception as error:
                text = "the run's slot was not released; the server frees it within %g s: %s"
                logger.warning(text, LEASE_SECONDS + 15, error)


async def _find_limits(
    client: PrefectClient, concurrency: Concurrency | None, global_limit: str | None, logger: Logger
) -> list[str]:
    """Names of the existing limits; creates that of the group."""

    async def exists(name: str) -> bool:
        try:
            await client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            return False
        except Exception as error:
            raise LimitError(f"{name}: the limit could not be read: {error}") from error
        return True

    names = []
    if concurrency is not None:
        name = GROUP_PREFIX + concurrency.group
        try:
            await client.upsert_global_concurrency_limit_by_name(name, concurrency.limit)
        except Exception as error:
            # Prefect looks it up, then creates it: another run may have created it in between.
            if not await exists(name):
                raise LimitError(f"{name}: the limit could not be created: {error}") from error
        names.append(name)
    if global_limit is not None:
        if await exists(global_limit):
            names.append(global_limit)
        else:
            text = (
                "RIVYA_FLOWS_GLOBAL_LIMIT: this server has no limit %r, so it is ignored; "
                "create it with: prefect gcl create %s --limit 3"
            )
            logger.warning(text, global_limit, global_limit)
    return names


async def _take_slots(client: PrefectClient, names: list[str], logger: Logger) -> UUID:
    """The lease of one slot of each limit; all are taken together, so runs cannot deadlock."""
    holder = ConcurrencyLeaseHolder(type="flow_run", id=UUID(flow_run.id)) if flow_run.id else None
    limits = " and ".join(f"the limit {name!r}" for name in names)
    waits, failures = False, 0
    while True:
        try:
            answer = await client.increment_concurrency_slots_with_lease(
                names, 1, "concurrency", LEASE_SECONDS, holder
            )
            break
        except Exception as error:
            response = getattr(error, "response", None)
            if response is not None and response.status_code == HTTPStatus.LOCKED:
                if not waits:
                    text = "waiting for a slot: %s is full; nothing is bought until then"
                    logger.info(text, limits)
                waits, failures = True, 0
            elif (failures := failures + 1) == _MOST_FAILURES:
                raise LimitError(f"{limits}: no slot could be taken: {error}") from error
        await asyncio.sleep(ASK_SECONDS)
    if waits:
        logger.info("has its turn: %s", limits)
    return UUID(answer.json()["lease_id"])


async def _renew(client: PrefectClient, lease: UUID, logger: Logger) -> None:
    lost = False
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            await client.renew_concurrency_lease(lease, LEASE_SECONDS)
            lost = False
        except Exception as error:
            text = "the run's slot was not renewed, and another run may take it: %s"
            logger.log(logging.DEBUG if lost else logging.WARNING, text, error)
            lost = True
