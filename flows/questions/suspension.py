"""A flow run that is suspended with a form, and what comes back when a person has filled it in.

Prefect keeps an answer only until the same form is asked again, so each suspension has a name of
its own, and the journal has every answer before anything else is done with it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.exceptions import ObjectNotFound
from prefect.flow_runs import asuspend_flow_run
from prefect.runtime import deployment, flow_run
from prefect.states import Scheduled

from rivya_flows.app.publishing import addresses_of, report_of
from rivya_flows.app.run_context import RunContext
from rivya_flows.flows.prefect_internals import last_response, resume_suspended
from rivya_flows.flows.questions.form import chosen, form_of, nothing_chosen
from rivya_flows.flows.run_ids import flow_run_of
from rivya_flows.flows.run_logger import run_logger
from rivya_flows.ledger.provenance import provenance, recorded
from rivya_flows.planning.questions.form import digest_of, name_of, read_form, title
from rivya_flows.planning.questions.open_questions import first_deadline, open_questions
from rivya_flows.planning.questions.page import questions_page
from rivya_flows.planning.queue.actions import Question
from rivya_flows.planning.queue.events import AnswerGiven
from rivya_flows.planning.queue.queue import replay
from rivya_flows.planning.queue.state import State
from rivya_flows.store.leases import Lease

WAKER = "rivya-flows-waker"
WAKER_DEPLOYMENT = "deadlines"
"""`rivya_flows.flows.recovery.waker` deploys it under these names."""

_logger = logging.getLogger("rivya_flows.suspending")
_LATER = timedelta(seconds=1)  # behind the deadline, so that it has passed on any clock
_FORM = "questions-"


@dataclass(frozen=True)
class Waiting:
    """What a suspended run waits for.

    Attributes:
        run_id: The run.
        questions: All that is open.
        page: Shown above the form, in Markdown.
    """

    run_id: str
    questions: tuple[Question, ...]
    page: str

    @property
    def deadline(self) -> datetime | None:
        """When the run goes on without a person; None for never."""
        return first_deadline(self.questions)


def form_for(context: RunContext, run_id: str) -> Waiting:
    """What a run waits for, with its pictures where a browser finds them."""
    state = replay(entry.event for entry in context.journal.entries(run_id))
    questions = open_questions(state)
    page = questions_page(state, questions, addresses_of(context, recorded(provenance(state))))
    if sheet := report_of(context, run_id):
        page += f"\n\n[All media of this run]({sheet})"
    return Waiting(run_id, questions, page)


async def suspend(waits: Waiting) -> None:
    """Suspends this flow run and ends its process; only of a deployment's run, else it returns."""
    if deployment.id is None:
        return
    await _wake_at_deadline(waits)
    logger = run_logger()
    for question in waits.questions:
        logger.info("waits for an answer: %s (Resume, in this run's menu)", title(question))
    form = form_of(waits.questions).with_initial_data(description=waits.page)
    key = f"{_FORM}{digest_of(waits.questions)}-{uuid.uuid4().hex[:8]}"
    # Prefect stores the form a moment after the state, and throws away what was stored before.
    # No time-out of Prefect's: it would fail the run with no process alive to take the first one.
    await asuspend_flow_run(wait_for_input=form, key=key)


async def _wake_at_deadline(waits: Waiting) -> None:
    """Asks for a run of the waker at the first deadline; never raises: a sweep comes later."""
    if waits.deadline is None:
        return
    logger = run_logger()
    try:
        async with get_client() as client:
            waker = await client.read_deployment_by_name(f"{WAKER}/{WAKER_DEPLOYMENT}")
            await client.create_flow_run_from_deployment(
                waker.id,
                name=f"deadline of {waits.run_id}",
                state=Scheduled(scheduled_time=waits.deadline + _LATER),
                idempotency_key=f"{waits.run_id} {waits.deadline.isoformat()}",
            )
    except ObjectNotFound:
        logger.warning("no waker is deployed: the deadline acts when something resumes the run")
    except Exception as error:
        logger.warning("no wake-up at the deadline, a sweep comes for it later: %s", error)


async def take_answers(context: RunContext, lease: Lease) -> State:
    """The state of a run, with the answers that a person has given in the form meanwhile.

    Args:
        context: Open things.
        lease: The right to write into the run's journal.
    """
    run_id = lease.run_id
    state = replay(entry.event for entry in context.journal.entries(run_id))
    if not (answers := await _answers_of_form(state)):
        return state
    for answer in answers:
        context.journal.append(run_id, answer, lease.fence)
    return replay(entry.event for entry in context.journal.entries(run_id))


async def _answers_of_form(state: State) -> tuple[AnswerGiven, ...]:
    """The answers that a person has given in the form of this flow run, and nothing has read yet.

    What cannot be taken is told in the log; the question is asked again.

    Args:
        state: Of the run, from its journal.
    """
    here, questions = flow_run.id, open_questions(state)
    if here is None or deployment.id is None or not questions:
        return ()
    reading = read_form(questions, state, await _last_choice(UUID(here)))
    logger = run_logger()
    for problem in reading.problems:
        logger.warning("%s", problem)
    for answer in reading.answers:
        logger.info("%s: %s, picked in the form", name_of(answer), answer.answer)
    return reading.answers


async def _last_choice(flow_run_id: UUID) -> dict[tuple[str, str], Any]:
    """What the form that was filled in last says, whatever else was answered or asked since."""
    async with get_client() as client:
        found = await last_response(client, flow_run_id, _FORM)
    return {} if found is None else chosen(*found)


async def wake(flow_run_id: UUID) -> bool:
    """Lets a suspended flow run go on without answers; whether it was suspended.

    It looks at its journal then: at what a deadline decides, or was answered elsewhere. A person
    who fills in the form at the same moment comes first or is told that it is too late: the server
    resumes it once.
    """
    async with get_client() as client:
        return await resume_suspended(client, flow_run_id, nothing_chosen)


async def wake_run(run_id: str, tell: Callable[[str], object]) -> None:
    """Lets the flow run of a run that went on elsewhere see how far it is now; never raises."""
    flow_run_id = flow_run_of(run_id)
    if flow_run_id is None:
        return
    try:
        if await wake(flow_run_id):
            tell(f"its suspended flow run {flow_run_id} goes on in Prefect, and buys nothing twice")
    except Exception as error:  # the run itself is where it should be
        _logger.debug("flow run %s was not resumed: %s", flow_run_id, error)
