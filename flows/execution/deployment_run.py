"""Run a spec from a deployment: its run begins, or continues from its journal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from prefect.runtime import flow_run

from rivya_flows.app.connect import connect, with_key
from rivya_flows.app.prepare import RunRequest, prepare_here, refuse_over
from rivya_flows.app.report import RunReporter
from rivya_flows.app.results import Receipt, receipt_of
from rivya_flows.app.run_context import RunContext, known_run
from rivya_flows.app.runner import Execution
from rivya_flows.app.spec_file import SpecFile
from rivya_flows.flows.execution.engine import STOPPED
from rivya_flows.flows.execution.execute import execute_run
from rivya_flows.flows.questions.suspension import suspend, suspension_of
from rivya_flows.flows.recovery.catchup import PassedOver, skipped_run
from rivya_flows.flows.run_ids import is_of_deployment, run_id_of
from rivya_flows.flows.run_logger import run_logger
from rivya_flows.language.workflow import Workflow
from rivya_flows.ledger.summary import troubles
from rivya_flows.private import private_folder
from rivya_flows.settings import read_settings
from rivya_flows.store.database import in_thread
from rivya_flows.tasks.secret_values import secret_block


async def run_deployment(
    *,
    workflow: Workflow,
    spec_text: str,
    inputs: Mapping[str, Any],
    spec: SpecFile | None = None,
    notes: Sequence[str] = (),
) -> Receipt | PassedOver:
    """Executes the run of this flow run, whose id follows from the flow run's, over its retries.

    Args:
        workflow: The checked spec.
        spec_text: Its text.
        inputs: Values of the form; a file is a URL or a file id.
        spec: The same with the folder that it lies in, or with all that it names there; None
            where it names nothing.
        notes: Warnings for the log.

    Raises:
        SpecError: The spec or an input is wrong.
        UsageError: A callback could not be sent from here; nothing was bought.
        BudgetError: Budget or balance do not suffice; nothing was bought.
    """
    logger = run_logger()
    for note in notes:
        logger.warning("%s", note)
    run_id = run_id_of(flow_run.id or "direct")
    settings = await with_key(read_settings(), secret_block)
    async with connect(settings, notify=logger.info) as context:
        if await in_thread(partial(context.journal.run, run_id)) is None:
            # A run that waited for an answer over its next date is not late: it has begun.
            late = await skipped_run(workflow, settings.rivya_flows_catchup_grace_seconds)
            if late is not None:
                logger.warning("%s", late.sentence)
                return late
            read = spec or SpecFile(spec_text, f"{workflow.name}.yaml", None)
            request = RunRequest(read, lambda _: inputs, local_files=False)
            await _begin(context, run_id, request)
        reporter = RunReporter(context.journal, context.assets, known_run(context, run_id))
        try:
            report = await execute_run(Execution(context, reporter), workflow.concurrency)
        except STOPPED:
            await asyncio.to_thread(reporter.write)
            raise
        # A subflow cannot be suspended: its flow gets the receipt, and decides.
        suspends = report.status == "suspended" and is_of_deployment()
        waits = await in_thread(partial(suspension_of, context, run_id)) if suspends else None
    for trouble in troubles(report.receipt):
        logger.warning("%s", trouble)
    if waits is not None:
        await suspend(waits)
    return receipt_of(report)


async def _begin(context: RunContext, run_id: str, request: RunRequest) -> None:
    prepared = await prepare_here(context, request, run_id, starts=True)
    refuse_over(prepared.estimate)
    folder = context.settings.data / "runs" / run_id
    private_folder(folder)
    await in_thread(partial(context.journal.create, prepared.frozen, folder))
