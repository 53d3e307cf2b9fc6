"""One execution of a run inside a flow run: frozen if it is new, driven to its end, reported."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefect.exceptions import TerminationSignal
from prefect.runtime import flow_run

from rivya_flows.app.api_key import with_key
from rivya_flows.app.catalogue_cache import read_catalogue
from rivya_flows.app.local_sandbox import chosen_service
from rivya_flows.app.prepare import SpecFile, prepare, refuse_over
from rivya_flows.app.report import RunReport, write_report
from rivya_flows.app.run_context import RunContext, known_run, open_context
from rivya_flows.app.run_options import RunOptions
from rivya_flows.errors import RivyaFlowsError, StoreError
from rivya_flows.flows.execution.active_run import Asker, Listener, Run, nobody, now
from rivya_flows.flows.execution.engine import Engine
from rivya_flows.flows.execution.job_notifications import waking
from rivya_flows.flows.execution.reconciliation import compare_books
from rivya_flows.flows.execution.run_events import announce
from rivya_flows.flows.execution.run_log import beginning, both, telling
from rivya_flows.flows.execution.signals import caught_terminations
from rivya_flows.flows.execution.task_runner import PrefectCalls
from rivya_flows.flows.questions.suspension import form_for, suspend, take_answers
from rivya_flows.flows.recovery.cancelled import close_cancelled
from rivya_flows.flows.recovery.catchup import PassedOver, passed_over
from rivya_flows.flows.recovery.orphans import earlier_task_runs
from rivya_flows.flows.run_ids import run_id_of
from rivya_flows.flows.run_logger import run_logger
from rivya_flows.flows.run_page.artifacts import Page, open_page
from rivya_flows.flows.server.limits import turn
from rivya_flows.flows.server.model_slots import HeldSlots, shared_slots
from rivya_flows.language.workflow import Concurrency, Workflow
from rivya_flows.ledger.summary import failure_codes, sentence, troubles
from rivya_flows.planning.queue.events import RunEnded
from rivya_flows.planning.queue.queue import step
from rivya_flows.private import private_folder
from rivya_flows.settings import read_settings
from rivya_flows.store.journal import RunRow
from rivya_flows.tasks.models import list_models
from rivya_flows.tasks.secret_values import secret_block
from rivya_flows.tasks.session import Session, using


@dataclass(frozen=True)
class ExecutionOutcome:
    """How an execution ended.

    Attributes:
        status: completed, failed, cancelled or suspended.
        sentence: The same for people.
        lacks_credits: A failure came from the budget or an empty wallet.
        report: What was written.
    """

    status: str
    sentence: str
    lacks_credits: bool
    report: RunReport


async def drive_run(
    context: RunContext,
    run_id: str,
    wish: RunOptions,
    *,
    concurrency: Concurrency | None = None,
    ask: Asker | None = None,
    listen: Listener = nobody,
) -> ExecutionOutcome:
    """Drives a frozen run to its end; must be called inside a flow run.

    Args:
        context: Open things.
        run_id: The run.
        wish: What is wanted beside going on.
        concurrency: The spec's group of runs that wait for each other, if it names one.
        ask: Puts questions to a person; None where there is no one.
        listen: Is told each event, with the state after it.

    Raises:
        UsageError: The run is not in the store, or belongs to another service.
        StoreError: Another process drives it, or the journal cannot be written.
        LimitError: Prefect did not say whether it is the run's turn; nothing was bought.
    """
    row = known_run(context, run_id)
    logger = run_logger()
    stopped = (asyncio.CancelledError, TerminationSignal)
    with caught_terminations():
        try:
            its_turn = turn(concurrency, context.settings.rivya_flows_global_limit, logger)
            async with its_turn, open_page(context, row.name, logger) as page:
                try:
                    await _drive_run(context, run_id, wish, page, ask=ask, listen=listen)
                except stopped:
                    with contextlib.suppress(RivyaFlowsError):  # what stopped it matters more
                        _tell_end(context, row, page)
                    raise
                return _tell_end(context, row, page)
        except stopped:
            # Where it waited for its turn; an engine that was stopped has written its end itself.
            if close_cancelled(context.journal, context.leases, run_id):
                with contextlib.suppress(RivyaFlowsError):
                    announce(context, _outcome(context, row).report.receipt)
            raise


def _tell_end(context: RunContext, row: RunRow, page: Page) -> ExecutionOutcome:
    outcome = _outcome(context, row)
    page.ends(outcome.report.receipt)
    announce(context, outcome.report.receipt)
    return outcome


async def _drive_run(
    context: RunContext,
    run_id: str,
    wish: RunOptions,
    page: Page,
    *,
    ask: Asker | None,
    listen: Listener,
) -> None:
    logger = run_logger()
    lease = context.leases.acquire(run_id)
    slots = HeldSlots(shared_slots(context.settings.rivya_flows_model_parallel))
    try:
        began = now()
        earlier = await earlier_task_runs(run_id, began)
        waked = waking(context.settings, context.journal.engine, logger.warning)
        async with context.client() as client, waked as wakes:
            opened = Session(
                client,
                context.assets,
                context.scratch,
                wakes,
                max_results=context.settings.rivya_flows_max_results,
                max_job_bytes=context.settings.rivya_flows_max_job_bytes,
            )
            with using(opened):
                state = await take_answers(context, lease)
                logger.info("%s", beginning(state))
                calls = PrefectCalls(state.plan, earlier, page.made)
                # Free, and what the graph begins with: which models there are at this moment.
                await calls.begin(list_models)
                page.begins(state)
                run = Run(
                    run_id=run_id,
                    journal=context.journal,
                    lease=lease,
                    results=context.results,
                    assets=context.assets,
                    calls=calls,
                    ask=ask,
                    listen=telling(logger, both(page.goes_on, listen)),
                    slots=slots,
                )
                resumed = wish.resumed(context.settings.rivya_flows_resend_hours)
                try:
                    await Engine(run, state).drive(resumed, wish.answers)
                except TerminationSignal:
                    _close(run)
                    raise
                if run.current().ended in ("completed", "failed"):
                    await compare_books(run, client, opened.seen if wakes else {})
        await earlier_task_runs(run_id, began)
    finally:
        with contextlib.suppress(StoreError):  # it runs out by itself
            context.leases.release(lease)


def _close(run: Run) -> None:
    """Writes the end of an execution that SIGTERM stopped in the middle of a step."""
    if run.current().ended is None:
        event = RunEnded(status="cancelled", at=run.clock())
        run.journal.append(run.run_id, event, run.lease.fence)
        run.state, _ = step(run.current(), event)
        run.listen(event, run.state)


async def drive(
    *,
    workflow: Workflow,
    spec_text: str,
    inputs: Mapping[str, Any],
    spec: SpecFile | None = None,
    notes: Sequence[str] = (),
) -> ExecutionOutcome | PassedOver:
    """A run from a deployment: its id follows from the flow run's, the same over its retries.

    Args:
        workflow: The checked spec.
        spec_text: Its text.
        inputs: Values of the form; a file is a URL or a file id.
        spec: The same with the folder that it lies in, or with all that it names there; None
            where it names nothing.
        notes: To be told in the log.

    Raises:
        SpecError: The spec or an input is wrong.
        UsageError: A callback could not be sent from here; nothing was bought.
        BudgetError: Budget or balance do not suffice; nothing was bought.
    """
    logger = run_logger()
    settings = read_settings()
    for note in notes:
        logger.warning("%s", note)
    run_id = run_id_of(flow_run.id or "direct")
    settings = await with_key(settings, secret_block)
    async with chosen_service(settings, tell=logger.info) as service:
        with open_context(settings, service) as context:
            if context.journal.run(run_id) is None:
                # A run that waited for an answer over its next date is not late: it has begun.
                late = await passed_over(workflow, settings.rivya_flows_catchup_grace_seconds)
                if late is not None:
                    logger.warning("%s", late.sentence)
                    return late
                read = spec or SpecFile(spec_text, f"{workflow.name}.yaml", None)
                await _freeze(context, run_id, read, inputs)
            try:
                outcome = await drive_run(
                    context, run_id, RunOptions(), concurrency=workflow.concurrency
                )
            except (asyncio.CancelledError, TerminationSignal):
                _outcome(context, known_run(context, run_id))
                raise
            waits = form_for(context, run_id) if outcome.status == "suspended" else None
    for trouble in troubles(outcome.report.receipt):
        logger.warning("%s", trouble)
    if waits is not None:
        await suspend(waits)
    return outcome


async def _freeze(
    context: RunContext, run_id: str, spec: SpecFile, inputs: Mapping[str, Any]
) -> None:
    async with context.client() as client:
        catalogue = await read_catalogue(client)
        balance = (await client.credits.retrieve()).current_credits
    prepared = prepare(
        spec,
        lambda _: inputs,
        catalogue,
        run_id=run_id,
        service=context.service.identity,
        balance=balance,
        assets=context.assets,
        look_up=context.look_up,
        paths=False,
        driver=context.settings,
    )
    refuse_over(prepared.estimate)
    folder = context.settings.data / "runs" / run_id
    private_folder(folder)
    context.journal.create(prepared.frozen, folder)


def _outcome(context: RunContext, row: RunRow) -> ExecutionOutcome:
    report = write_report(context.journal.entries(row.run_id), row.folder, context.assets)
    codes = failure_codes(report.receipt)
    return ExecutionOutcome(
        status=report.receipt["status"],
        sentence=sentence(report.receipt),
        lacks_credits=bool(codes & {"over_budget", "insufficient_credits"}),
        report=report,
    )
