"""Run a spec from a deployment: its run begins, or continues from its journal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.client.schemas.objects import StateType
from prefect.runtime import deployment, flow_run

from rivya_flows.app.connect import connect, for_worker, with_key
from rivya_flows.app.live_guard import confirm_live, spending_of
from rivya_flows.app.prepare import (
    RunRequest,
    expected_price,
    prepare_here,
    read_market,
    refuse_over,
)
from rivya_flows.app.report import RunReport, RunReporter
from rivya_flows.app.results import Receipt, receipt_of
from rivya_flows.app.run_context import RunContext, WalletCredentials, known_run
from rivya_flows.app.runner import Execution
from rivya_flows.app.spec_file import SpecFile
from rivya_flows.errors import RivyaFlowsError
from rivya_flows.flows.absence import can_try_later
from rivya_flows.flows.execution.engine import STOPPED
from rivya_flows.flows.execution.execute import end_cancelled, execute_run, show_ended
from rivya_flows.flows.execution.run_events import end_heartbeats
from rivya_flows.flows.execution.signals import caught_terminations
from rivya_flows.flows.prefect_internals import executed_before
from rivya_flows.flows.questions.suspension import Suspension, pause, suspend, suspension_of
from rivya_flows.flows.recovery.catchup import PassedOver, skipped_run
from rivya_flows.flows.run_ids import RunId, can_be_suspended, run_id_here, used_for_others
from rivya_flows.flows.run_logger import run_logger
from rivya_flows.language.workflow import Workflow
from rivya_flows.ledger.summary import is_owed, notes as ledger_notes, troubles
from rivya_flows.planning.questions.open_questions import open_questions
from rivya_flows.settings import read_settings
from rivya_flows.store.database import in_thread
from rivya_flows.store.journal import Journal
from rivya_flows.tasks.secret_values import secret_block

_KNOWN_ENDS = {StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.PAUSED}


async def run_deployment(
    *,
    workflow: Workflow,
    spec_text: str,
    inputs: Mapping[str, Any],
    wallet: WalletCredentials | None = None,
    spec: SpecFile | None = None,
    notes: Sequence[str] = (),
) -> Receipt | PassedOver:
    """Executes the run of this flow run to its end: the same run over all retries, see `run_ids`.

    A flow run of a deployment is suspended while its run waits for an answer. Prefect suspends no
    other, and none that another flow called: these are paused.

    Args:
        workflow: The checked spec.
        spec_text: Its text.
        inputs: Values of the form; a file is a URL or a file id.
        wallet: To buy with; None takes the key of this process.
        spec: The same with the folder that it lies in, or with all that it names there; None
            where it names nothing.
        notes: Warnings for the log.

    Raises:
        SpecError: The spec or an input is wrong.
        UsageError: There is no key, or a callback could not be sent from here; nothing was bought.
        BudgetError: Budget or balance do not suffice; nothing was bought.
        APIError: The service is away; the run has not ended if this flow run can try later.
        StoreUnreachableError: The store is away; the run has not ended.
    """
    try:
        return await _run(workflow, spec_text, inputs, wallet, spec, notes)
    finally:
        end_heartbeats()


async def _run(
    workflow: Workflow,
    spec_text: str,
    inputs: Mapping[str, Any],
    wallet: WalletCredentials | None,
    spec: SpecFile | None,
    notes: Sequence[str],
) -> Receipt | PassedOver:
    logger = run_logger()
    for note in notes:
        logger.warning("%s", note)
    here = await run_id_here(workflow, inputs, None if wallet is None else wallet.name)
    settings = read_settings()
    if wallet is None:
        # A script of one's own may use the sandbox, as `rf.run` does; a worker must be told to.
        keyed = with_key if deployment.id is None else for_worker
        settings = await keyed(settings, secret_block)
    async with connect(settings, wallet=wallet, notify=logger.info) as context:
        run_id = await in_thread(partial(_checked, context.journal, here))
        if await in_thread(partial(context.journal.run, run_id)) is None:
            # A run that waited for an answer over its next date is not late: it has begun.
            late = await skipped_run(workflow, settings.rivya_flows_catchup_grace_seconds)
            if late is not None:
                logger.warning("%s", late.sentence)
                return late
            read = spec or SpecFile(spec_text, f"{workflow.name}.yaml", None)
            request = RunRequest(read, lambda _: inputs, local_files=False)
            await _begin(context, run_id, request, logger.info)
        # Perhaps a machine died. Or Prefect started the flow run again because its server was away:
        # the process that executes it ends it.
        driven = await context.leases.until_free(run_id)
        row = await in_thread(partial(known_run, context, run_id))
        reporter = RunReporter(context.journal, context.assets, row, in_folder=False)
        execution = Execution(context, reporter, outlasts=await can_try_later())
        report = await _execute(execution, workflow, driven=driven)
        waits = None
        while report.status == "suspended":
            waits = await in_thread(partial(suspension_of, context, run_id))
            if can_be_suspended():
                break  # and suspend once everything is closed: that ends this process
            report = await _paused(context, waits, reporter, workflow)
    for trouble in troubles(report.receipt):
        logger.warning("%s", trouble)
    for note in ledger_notes(report.receipt):
        logger.info("%s", note)
    if waits is not None and report.status == "suspended":
        await suspend(waits)
    return receipt_of(report)


def _checked(journal: Journal, here: RunId) -> str:
    """The id of the run; refuses one whose key belongs to a run that began with other inputs."""
    if here.run_key is not None and set(journal.ids(here.with_other_inputs)) - {here.text}:
        raise used_for_others(here.run_key)
    return here.text


async def _paused(
    context: RunContext, waits: Suspension, reporter: RunReporter, workflow: Workflow
) -> RunReport:
    """Waits for an answer in this process, then continues the run."""
    try:
        with caught_terminations():
            continues = await pause(context, waits, reporter)
    except STOPPED:
        with contextlib.suppress(RivyaFlowsError):  # what stopped it matters more
            await end_cancelled(context, reporter)
        raise
    if continues:
        return await _execute(Execution(context, reporter), workflow, driven=False)
    return await end_cancelled(context, reporter)


async def _execute(execution: Execution, workflow: Workflow, *, driven: bool) -> RunReport:
    """Executes a run, or shows it if it ended and Prefect does not know that yet.

    Args:
        execution: Of the run.
        workflow: Its spec.
        driven: Another process executed it until now.
    """
    state = await in_thread(execution.reporter.follow)
    if state.ended is not None:
        receipt = execution.reporter.receipt()
        match state.ended:
            case "completed":  # else a process died before it compared the books
                shown = receipt.agreement is not None and not is_owed(receipt)
            case "suspended" if not open_questions(state):  # it was answered meanwhile
                shown = False
            case _:
                shown = not await _is_known(state.now)
        if shown or driven:
            return await show_ended(execution)
    return await execute_run(execution, workflow.concurrency)


async def _is_known(ended_at: datetime) -> bool:
    """Whether Prefect was told of an end; if not, its process died, and nobody asked for another try.

    An end of a command that continued the run meanwhile is not one of this flow run.
    """
    if flow_run.id is None or not executed_before():
        return True
    async with get_client() as client:
        states = await client.read_flow_run_states(UUID(flow_run.id))
    states.sort(key=lambda one: one.timestamp)
    before = [one for one in states if one.timestamp < ended_at]
    return any(one.type in _KNOWN_ENDS for one in states[max(len(before) - 1, 0) :])


async def _begin(
    context: RunContext, run_id: str, request: RunRequest, tell: Callable[[str], object]
) -> None:
    async def agree(words: str) -> bool:  # whoever deployed or called it did
        tell(words)
        return True

    market = await read_market(context)
    prepared = await prepare_here(context, request, run_id, starts=True, market=market)
    tell(expected_price(prepared.estimate))
    refuse_over(prepared.estimate)
    await confirm_live(context, spending_of(prepared.estimate), tell, agree)
    # Only a command that shows the run makes it.
    folder = context.settings.data / "runs" / run_id
    await in_thread(partial(context.journal.create, prepared.frozen, folder))
