"""Executes a run inside a flow run: that of a command, or of a deployment, which may also be skipped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import DeploymentSchedule, FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.runtime import deployment, flow_run

from rivya_flows.engine import observers
from rivya_flows.engine.job_waits import HeldSlots, shared_slots
from rivya_flows.engine.loop import drive
from rivya_flows.engine.run import Run, now
from rivya_flows.engine.run_context import RunContext, WalletCredentials, known_run
from rivya_flows.engine.signing import Signing, signer_of
from rivya_flows.errors import RivyaError
from rivya_flows.flows import current_run
from rivya_flows.flows.absence import can_try_later, is_absence
from rivya_flows.flows.credentials import secret_block
from rivya_flows.flows.execution.job_notifications import listen_for_jobs
from rivya_flows.flows.execution.run_events import announce, end_heartbeats
from rivya_flows.flows.execution.task_runner import PrefectCalls
from rivya_flows.flows.execution.turns import STOPPED, cancel_on_termination, turn
from rivya_flows.flows.prefect_internals import executed_before, goes_on_elsewhere, made_by
from rivya_flows.flows.questions import Suspension, pause, suspend, suspension_of, take_answers
from rivya_flows.flows.recovery.waker import close_cancelled, earlier_task_runs
from rivya_flows.flows.run_page import Page, open_page
from rivya_flows.language.workflow import Concurrency, Inputs, Schedule, Workflow
from rivya_flows.money.live_guard import agreement, confirm_live, spending_of
from rivya_flows.preparation import prepare
from rivya_flows.preparation.deploy_blocks import schedule_of
from rivya_flows.preparation.restore import restore_media
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.questions.open_questions import open_questions
from rivya_flows.receipt.phrases import seconds_text
from rivya_flows.receipt.report import RunReport, RunReporter
from rivya_flows.receipt.summary import is_owed, notes as ledger_notes, troubles
from rivya_flows.runs.connect import connect, for_worker, with_key
from rivya_flows.runs.results import Receipt, receipt_of
from rivya_flows.settings import read_settings
from rivya_flows.store.database import in_thread
from rivya_flows.store.journal import Journal


async def execute_run(run: Run, concurrency: Concurrency | None) -> RunReport:
    """Executes a frozen run to its end, in its turn; must be called inside a flow run."""
    context, logger = run.context, current_run.run_logger()
    with cancel_on_termination():
        try:
            its_turn = turn(concurrency, context.settings.rivya_flows_global_limit, logger)
            opened = open_page(context, run.reporter.row.name, logger)
            # Until the end is announced: a second process that Prefect starts waits for that.
            driving = context.leases.hold(run.run_id)
            async with its_turn, opened as page, driving as run.lease:
                try:
                    await _run_engine(run, page)
                    return await _show_end(run, page)
                except STOPPED:
                    with suppress(RivyaError):  # what stopped it matters more
                        await _show_end(run, page, again=True)
                    raise
        except STOPPED:
            # Cancelled while it waited for its turn: an engine writes its end itself.
            with suppress(RivyaError):
                await end_cancelled(run)
            raise


async def end_cancelled(run: Run) -> RunReport:
    """Journals and announces that a waiting run was cancelled, unless it has ended otherwise."""
    context = run.context
    closed = await in_thread(close_cancelled, context.journal, run.run_id)
    report = await asyncio.to_thread(run.reporter.write)
    if closed:
        await announce(context, report.receipt, in_batch=run.in_batch)
    return report


async def show_ended(run: Run) -> RunReport:
    """Shows a run that has ended on the page of this flow run, and announces its end unless that was done."""
    logger = current_run.run_logger()
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
    context, reporter, logger = run.context, run.reporter, current_run.run_logger()
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
    run.on_poll = observers.ServiceOutage(context.service.base_url, tell).note_poll
    run.slots = HeldSlots(shared_slots(settings.rivya_flows_model_parallel))
    async with context.client() as run.client, listening as run.wakes:
        await context.recall_durations(run.client)
        with observers.trace_run(run.run_id, reporter.row.name) as tracing:
            run.state = await in_thread(reporter.follow)
            await take_answers(run)
            resumed = run.resume_event(tracing.trace_id)
            if run.state.tally.ended:  # `prepare` has seen the media of a first execution
                await in_thread(restore_media, context.assets, reporter, run.state, resumed)
            await _show_labels(reporter.frozen.labels, logger)
            logger.info("%s", observers.start_line(run.state))
            calls = PrefectCalls(run, earlier, page)
            run.call = calls
            await calls.begin()
            page.show_plan(run.state)
            run.listen = observers.log_events(
                logger, calls.listen, page.show_progress, tracing.listen, run.listen
            )
            run.rendering = observers.log_rendering(logger, run.rendering)
            try:
                await drive(run, resumed)
            finally:
                await calls.end()
    await earlier_task_runs(run.run_id, began)


async def _show_labels(labels: dict[str, str], logger: current_run.Logger) -> None:
    """Shows labels as tags of this flow run, such as ``client:acme``; never fails a run."""
    here = current_run.flow_run_here()
    tags = [":".join(one) for one in labels.items()]
    if here is None or {*tags} <= {*here.tags}:
        return
    try:
        async with get_client() as client:
            await client.update_flow_run(here.id, tags=[*dict.fromkeys((*here.tags, *tags))])
    except Exception as error:
        logger.warning("labels not shown as tags: %s", error)


# --- Of a deployment ---

_MOST_RUNS = 200  # of a deployment, that are searched for a newer one of the same schedule
_KNOWN_ENDS = {StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED, StateType.PAUSED}


@dataclass(frozen=True)
class SkippedRun:
    """The outcome of a run that is not executed."""

    sentence: str
    status: str = "skipped"


async def run_deployment(
    workflow: Workflow,
    spec: SpecFile,
    notes: Sequence[str],
    inputs: Inputs,
    wallet: WalletCredentials | None,
) -> Receipt | SkippedRun:
    """Executes the run of this flow run to its end: the same run in all retries, see `run_id_here`.

    `wallet` None takes the key of this process; `notes` are logged.
    """
    try:
        logger = current_run.run_logger()
        for note in notes:
            logger.warning("%s", note)
        here = await current_run.run_id_here(
            workflow, inputs, None if wallet is None else wallet.name
        )
        settings = read_settings()
        if wallet is None:
            # A script of one's own may use the sandbox, as `rf.run` does; a worker only with RIVYA_FLOWS_SANDBOX.
            keyed = with_key if deployment.id is None else for_worker
            settings = await keyed(settings, secret_block)
        async with connect(settings, wallet=wallet, notify=logger.info) as context:
            run_id = await in_thread(_checked_id, context.journal, here)
            if await in_thread(context.journal.run, run_id) is None:
                # A run that waited for an answer over its next date is not late: it has begun.
                late = await skipped_run(workflow, settings.rivya_flows_catchup_grace_seconds)
                if late is not None:
                    logger.warning("%s", late.sentence)
                    return late
                request = prepare.RunRequest(
                    spec,
                    lambda _: inputs,
                    local_files=False,
                    scheduled_for=await scheduled_for(),
                    deployment=await _deployed_as(workflow),
                )
                await _begin(context, run_id, request, logger.info)
            # Prefect may have started the flow run again while the process that executes it lives.
            driven = await context.leases.until_free(run_id)
            row = await in_thread(known_run, context, run_id)
            reporter = RunReporter(context.journal, context.assets, row, in_folder=False)
            run = Run(context, reporter)
            if await can_try_later():
                run.outlasts = is_absence
            report = await _execute(run, workflow, driven=driven)
            waits = None
            while report.status == "suspended":
                waits = await in_thread(suspension_of, context, run_id)
                if current_run.can_be_suspended():
                    break  # and suspend once everything is closed: that ends this process
                report = await _wait_here(context, waits, reporter, workflow)
        for trouble in troubles(report.receipt):
            logger.warning("%s", trouble)
        for note in ledger_notes(report.receipt):
            logger.info("%s", note)
        if waits is not None and report.status == "suspended":
            await suspend(waits)
        return receipt_of(report)
    finally:
        end_heartbeats()


async def _deployed_as(workflow: Workflow) -> str | None:
    """The name of this flow run's deployment, if one of the spec has a budget of its own."""
    run = current_run.flow_run_here()
    if run is None or run.deployment_id is None or not any(one.budget for one in workflow.deploy):
        return None
    # `prefect.runtime` would name that of a flow that calls this one.
    with suppress(ObjectNotFound):
        async with get_client() as client:
            return (await client.read_deployment(run.deployment_id)).name
    return None


def _checked_id(journal: Journal, here: current_run.RunId) -> str:
    """The id of the run; refuses one whose key belongs to a run that began with other inputs."""
    with_key = here.text.rpartition("-")[0] + "-"
    if here.run_key is not None and {run.run_id for run in journal.runs(with_key)} - {here.text}:
        raise current_run.run_key_conflict(here.run_key)
    return here.text


async def _begin(
    context: RunContext, run_id: str, request: prepare.RunRequest, tell: Callable[[str], object]
) -> None:
    market = await prepare.read_market(context)
    prepared = await prepare.prepare_here(context, request, run_id, starts=True, market=market)
    tell(prepare.expected_price(prepared.estimate))
    prepare.refuse_over(prepared.estimate)
    await confirm_live(context, spending_of(prepared.estimate), tell, agreement(tell))
    # Only a command that shows the run makes it.
    folder = context.settings.data / "runs" / run_id
    await in_thread(context.journal.create, prepared.frozen, folder)


async def _execute(run: Run, workflow: Workflow, *, driven: bool) -> RunReport:
    """Executes a run, or shows it if it ended and Prefect does not know that yet."""
    state = await in_thread(run.reporter.follow)
    if state.ended is not None:
        receipt = await in_thread(run.reporter.receipt)
        match state.ended:
            case "completed":  # else a process died before it compared the books
                is_over = receipt.agreement is not None and not is_owed(receipt)
            case "suspended" if not open_questions(state):  # it was answered since
                is_over = False
            case _:
                is_over = not await _is_known(state.now)
        if is_over or driven:
            return await show_ended(run)
    return await execute_run(run, workflow.concurrency)


async def _is_known(ended_at: datetime) -> bool:
    """Whether Prefect knows an end; if not, its process died, and no one asked for another try."""
    if not executed_before():
        return True
    async with get_client() as client:
        states = await client.read_flow_run_states(UUID(flow_run.id))
    states.sort(key=lambda one: one.timestamp)
    before = [one for one in states if one.timestamp < ended_at]
    return any(one.type in _KNOWN_ENDS for one in states[max(len(before) - 1, 0) :])


async def _wait_here(
    context: RunContext, waits: Suspension, reporter: RunReporter, workflow: Workflow
) -> RunReport:
    """Waits for an answer in this process, then continues the run."""
    try:
        with cancel_on_termination():
            continues = await pause(context, waits, reporter)
    except STOPPED:
        with suppress(RivyaError):  # what stopped it matters more
            await end_cancelled(Run(context, reporter))
        raise
    if continues:
        return await _execute(Run(context, reporter), workflow, driven=False)
    return await end_cancelled(Run(context, reporter))


# --- Of schedules ---


async def scheduled_for() -> datetime | None:
    """When its schedule wanted this flow run to start, in the time zone of that; None: no schedule made it."""
    run = current_run.flow_run_here()
    if run is None or not run.auto_scheduled or run.expected_start_time is None:
        return None
    made = None
    with suppress(ObjectNotFound):
        async with get_client() as client:
            if run.deployment_id is not None:
                deployed = await client.read_deployment(run.deployment_id)
                made = made_by(run, deployed.schedules)
    return in_zone_of(made, run.expected_start_time)


def in_zone_of(made: DeploymentSchedule | None, at: datetime) -> datetime:
    """The time in the zone of a schedule, or in UTC."""
    zone = getattr(made.schedule, "timezone", None) if made else None
    return at.astimezone(ZoneInfo(zone or "UTC"))


async def skipped_run(workflow: Workflow, grace_seconds: float) -> SkippedRun | None:
    """Whether to skip this flow run, when it first begins: only one that a schedule made; None lets it run."""
    run = current_run.flow_run_here()
    if run is None or not run.auto_scheduled or run.run_count > 1:
        return None
    now, grace = datetime.now(UTC), timedelta(seconds=grace_seconds)
    async with get_client() as client:
        deployed = made = None
        with suppress(ObjectNotFound):
            if run.deployment_id is not None:
                deployed = await client.read_deployment(run.deployment_id)
                made = made_by(run, deployed.schedules)
        if deployed is None or made is None:
            return SkippedRun("its schedule was taken away; nothing was bought")
        if not made.active or deployed.paused:
            return SkippedRun("its schedule is switched off; nothing was bought")
        if run.expected_start_time is None or now - run.expected_start_time <= grace:
            return None
        schedule = schedule_of(workflow, deployed.name, made.slug or "")
        if schedule is None:  # a person added it
            return None
        newest = list[FlowRun]()
        if schedule.catchup == "latest":
            due = {"after_": run.expected_start_time, "before_": now}
            of = {"deployment_id": {"any_": [run.deployment_id]}, "expected_start_time": due}
            newest = await client.read_flow_runs(
                flow_run_filter=FlowRunFilter.model_validate(of),
                sort=FlowRunSort.EXPECTED_START_TIME_DESC,
                limit=_MOST_RUNS,
            )
    newest = [one for one in newest if made_by(one, [made])]
    return decide(schedule, run.expected_start_time, now, grace, newest)


def decide(
    schedule: Schedule, at: datetime, now: datetime, grace: timedelta, runs: Sequence[FlowRun]
) -> SkippedRun | None:
    """Whether to skip a run that is late by more than `grace`, beside newer runs of its schedule; None lets it run."""
    late = now - at
    if late <= grace or schedule.catchup == "all":
        return None
    due = f"due at {at:%Y-%m-%d %H:%M} UTC, {seconds_text(late.total_seconds())} late"
    if schedule.catchup == "skip":
        return SkippedRun(f"{due}; its schedule says `catchup: skip`; nothing was bought")
    dates = [
        one.expected_start_time
        for one in runs
        if one.expected_start_time and not (one.state and one.state.is_cancelled())
    ]
    newer = max((one for one in dates if at < one <= now), default=None)
    if newer is None:
        return None
    return SkippedRun(
        f"{due}; the run of {newer:%Y-%m-%d %H:%M} UTC replaces it; nothing was bought"
    )
