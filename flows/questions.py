"""Flow runs that wait for a person: the form that asks, and the answers it brings back.

Prefect keeps an answer only until the same form is asked again: each suspension has a key of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from prefect import get_client
from prefect.exceptions import ObjectNotFound, Pause
from prefect.flow_runs import apause_flow_run, asuspend_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run
from prefect.states import Scheduled
from pydantic import ConfigDict

from rivya_flows.engine.publishing import media_links, report_of
from rivya_flows.engine.run import Run
from rivya_flows.engine.run_context import RunContext
from rivya_flows.engine.work import answer_outside
from rivya_flows.errors import StoreError
from rivya_flows.flows.current_run import flow_run_here, flow_run_of, run_logger
from rivya_flows.flows.prefect_internals import last_response, resume_suspended
from rivya_flows.markdown import link
from rivya_flows.media.bounds import DIALOG_SIDE
from rivya_flows.questions.open_questions import first_deadline, open_questions
from rivya_flows.questions.question import Question
from rivya_flows.questions.reading_answers import (
    chosen_values,
    empty_response,
    form_schema,
    read_form,
)
from rivya_flows.queue.events import AnswerGiven, RunEnded
from rivya_flows.queue.queue import replay, step
from rivya_flows.receipt.from_journal import media_of
from rivya_flows.receipt.questions import answer_line, digest_of, questions_page
from rivya_flows.receipt.report import RunReporter
from rivya_flows.store.database import in_thread

WAKER, WAKER_DEPLOYMENT = "rivya-flows-waker", "maintenance"
"""The names of `rivya_flows.flows.recovery.waker` in Prefect."""

SWEEP = timedelta(minutes=15)
"""How often the waker looks for what it missed."""

_logger = logging.getLogger("rivya_flows.suspending")
_WAKE_DELAY = timedelta(seconds=1)  # so that the deadline has passed on every clock
_FORM = "questions-"
_FOREVER = 10 * 365 * 86_400  # seconds; deadlines of questions are ours
_LOOK_SECONDS = 5
_PATIENCE_SECONDS = 60
_MOST_PICTURES = 60  # small ones; the others are shown as they are


class Suspension(NamedTuple):
    """What a suspended run waits for."""

    run_id: str
    questions: tuple[Question, ...]
    page: str
    deadline: datetime | None


def suspension_of(context: RunContext, run_id: str) -> Suspension:
    """The open questions of a run, with its pictures at URLs that a browser can open."""
    state = replay(entry.event for entry in context.journal.entries(run_id))
    questions = open_questions(state)
    sides = {"image": DIALOG_SIDE, "video": DIALOG_SIDE}
    links = media_links(context, media_of(state), sides, _MOST_PICTURES)
    page = questions_page(state, questions, links)
    if sheet := report_of(context, run_id):
        page = f"{link('Compare them large on the contact sheet', sheet)}\n\n{page}"
    return Suspension(run_id, questions, page, first_deadline(questions))


async def suspend(waits: Suspension) -> None:
    """Suspends this flow run, which `can_be_suspended`, and ends its process."""
    await _schedule_waker(waits)
    form, key = _resume_form(waits)
    # Prefect stores the form a moment after the state, and drops what was stored before. Its own
    # timeout would fail the run, with no process left to take the first choice.
    try:
        await asuspend_flow_run(wait_for_input=form, key=key)
    except RuntimeError:
        await _leave_to_next_execution()
        raise


async def _leave_to_next_execution() -> None:
    """Ends this execution if the flow run was taken for dead: the next one, scheduled now or soon, suspends it."""
    here = flow_run_here()
    assert here is not None  # it can be suspended
    async with get_client() as client:
        state = (await client.read_flow_run(here.id)).state
    if state is not None and (state.is_scheduled() or state.is_pending() or state.is_crashed()):
        run_logger().warning("it was taken for dead while it was at work; its next execution asks")
        raise Pause(state=state)


def _resume_form(waits: Suspension) -> tuple[type[RunInput], str]:
    """The form of Prefect's resume dialog, whose server refuses what does not fit it, and a key of its own."""
    for question in waits.questions:
        run_logger().info("waits for an answer: %s (Resume, in this run's menu)", question.title)

    class Answers(RunInput):
        # What was filled in is read from the server, whatever form it is of.
        model_config = ConfigDict(extra="ignore", json_schema_extra=form_schema(waits.questions))

    form = Answers.with_initial_data(description=waits.page)
    return form, f"{_FORM}{digest_of(waits.questions)}-{uuid.uuid4().hex[:8]}"


async def pause(context: RunContext, waits: Suspension, reporter: RunReporter) -> bool:
    """Pauses this flow run, which cannot be suspended, until it can continue; False if it was cancelled."""
    here = flow_run_here()
    assert here is not None  # it is called in a flow run
    form, key = _resume_form(waits)
    can_continue = partial(_can_continue, context, waits, reporter.seq)
    run_logger().info("or answer with: rivya-flows resume %s --answer STEP=KEY", waits.run_id)
    pausing = asyncio.ensure_future(
        apause_flow_run(wait_for_input=form, key=key, timeout=_FOREVER, poll_interval=_LOOK_SECONDS)
    )
    try:
        while not (await asyncio.wait({pausing}, timeout=_LOOK_SECONDS))[0]:
            async with get_client() as client:
                state = (await client.read_flow_run(here.id)).state
            if state is not None and (state.is_cancelling() or state.is_final()):
                return False
            if await in_thread(can_continue):
                await wake(here.id)
        await pausing
        return True
    finally:
        pausing.cancel()


def _can_continue(context: RunContext, waits: Suspension, seq: int) -> bool:
    """Whether a waiting run continues here: it ended again elsewhere, was answered from outside, or is due."""
    now = datetime.now(UTC)
    if new := context.journal.entries(waits.run_id, after=seq):
        # Who answers in a terminal writes the answer, and executes the run some seconds later.
        ended = any(
            isinstance(one.event, RunEnded)
            or (isinstance(one.event, AnswerGiven) and one.event.response is not None)
            for one in new
        )
        continues = ended or new[-1].at + _PATIENCE_SECONDS < now.timestamp()
    else:
        continues = waits.deadline is not None and waits.deadline <= now
    if continues:
        with contextlib.suppress(StoreError):  # another process executes it
            context.leases.release(context.leases.acquire(waits.run_id))
            return True
    return False


async def _schedule_waker(waits: Suspension) -> None:
    """Schedules the waker at the first deadline; never raises: it also runs every 15 minutes."""
    if (deadline := waits.deadline) is None:
        return
    try:
        async with get_client() as client:
            waker = await client.read_deployment_by_name(f"{WAKER}/{WAKER_DEPLOYMENT}")
            await client.create_flow_run_from_deployment(
                waker.id,
                name=f"deadline of {waits.run_id}",
                state=Scheduled(scheduled_time=deadline + _WAKE_DELAY),
                idempotency_key=f"{waits.run_id} {deadline.isoformat()}",
            )
    except ObjectNotFound:
        run_logger().warning("no waker is deployed: the deadline acts when the run is resumed")
    except Exception as error:
        run_logger().warning("waker not scheduled; its next sweep handles the deadline: %s", error)


async def take_answers(run: Run) -> None:
    """Journals the answers that wait for a run, and those that the form of this flow run brought."""

    async def take(answer: AnswerGiven) -> None:
        logger.info("%s", answer_line(answer))
        entry = await in_thread(run.context.journal.append, run.run_id, answer, run.lease.fence)
        step(run.state, answer)
        run.reporter.record(entry, run.state)

    logger = run_logger()
    while answer := await answer_outside(run):
        await take(answer)
    if not (questions := open_questions(run.state)):
        return
    async with get_client() as client:
        found = await last_response(client, UUID(flow_run.id), _FORM)
    form = read_form(
        questions, run.state, chosen_values(*found) if found else {}, datetime.now(UTC)
    )
    for problem in form.problems:
        logger.warning("%s", problem)
    for answer in form.answers:
        await take(answer)


async def wake(flow_run_id: UUID) -> bool:
    """Resumes a suspended flow run without answers, so that it checks its journal; whether this did it."""
    async with get_client() as client:
        return await resume_suspended(client, flow_run_id, empty_response)


async def wake_run(run_id: str, tell: Callable[[str], object]) -> bool:
    """Resumes the suspended flow run of a run that continued elsewhere; False if it is not suspended. Never raises."""
    if (flow_run_id := flow_run_of(run_id)) is None:
        return True
    try:
        if await wake(flow_run_id):
            tell(f"its suspended flow run {flow_run_id} continues in Prefect")
            return True
    except Exception as error:  # the run itself is up to date
        _logger.debug("flow run %s was not resumed: %s", flow_run_id, error)
    return False
