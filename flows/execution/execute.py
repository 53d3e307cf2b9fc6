"""Execute a run inside a flow run: wait for its turn, open its page, run the engine, report."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from functools import partial

from prefect import get_client

from rivya_flows.engine.loop import drive
from rivya_flows.engine.model_slots import HeldSlots, shared_slots
from rivya_flows.engine.run import Run, now
from rivya_flows.engine.run_log import ServiceOutage, log_events, log_rendering, start_line
from rivya_flows.engine.signing import Signing, signer_of
from rivya_flows.engine.traces import traced
from rivya_flows.errors import RivyaError
from rivya_flows.flows.credentials import secret_block
from rivya_flows.flows.execution.job_notifications import listen_for_jobs
from rivya_flows.flows.execution.run_events import announce
from rivya_flows.flows.execution.task_runner import PrefectCalls
from rivya_flows.flows.prefect_internals import goes_on_elsewhere
from rivya_flows.flows.questions import take_answers
from rivya_flows.flows.recovery.waker import close_cancelled, earlier_task_runs
from rivya_flows.flows.run_ids import flow_run_here
from rivya_flows.flows.run_logger import run_logger
from rivya_flows.flows.run_page import Page, open_page
from rivya_flows.flows.server.limits import turn
from rivya_flows.flows.stopping import STOPPED, caught_terminations
from rivya_flows.language.workflow import Concurrency
from rivya_flows.preparation.restore import restore_media
from rivya_flows.receipt.report import RunReport
from rivya_flows.store.database import in_thread


async def execute_run(run: Run, concurrency: Concurrency | None) -> RunReport:
    """Executes a frozen run to its end, in its turn; must be called inside a flow run."""
    context, logger = run.context, run_logger()
    with caught_terminations():
        try:
            its_turn = turn(concurrency, context.settings.rivya_flows_global_limit, logger)
            opened = open_page(context, run.reporter.row.name, logger)
            # Until the end is announced: a second process that Prefect began meanwhile waits for that.
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
    """Journals and announces that a run which waits was cancelled, unless it has ended otherwise."""
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
    """As `show_ended`, of a run that this process executed unless `again`."""
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
    hears = context.service.wallet is None
    listening = listen_for_jobs(settings, context.journal.engine, logger.warning, on=hears)

    def tell(words: str) -> None:
        logger.warning("%s", words)
        run.notify(words)

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
            await _tag_flow_run(reporter.frozen.labels)
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


async def _tag_flow_run(labels: Mapping[str, str]) -> None:
    """Shows labels as tags of this flow run, such as ``client:acme``; never fails a run."""
    here = flow_run_here()
    tags = [":".join(one) for one in labels.items()]
    if here is None or {*tags} <= {*here.tags}:
        return
    try:
        async with get_client() as client:
            await client.update_flow_run(here.id, tags=[*dict.fromkeys((*here.tags, *tags))])
    except Exception as error:
        run_logger().warning("labels not shown as tags: %s", error)
