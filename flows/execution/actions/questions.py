"""Asks open questions; if nobody answers, the run is suspended once all other work has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from rivya_flows.errors import UsageError
from rivya_flows.flows.execution.active_run import Run
from rivya_flows.planning.questions.open_questions import (
    Choice,
    decide_at_deadline,
    given,
    question_asked,
)
from rivya_flows.planning.queue.actions import Ask, Expire, Question
from rivya_flows.planning.queue.events import AnswerGiven, Event, ItemFailed, QuestionsLeft
from rivya_flows.tasks.media import miss_pick


async def ask(run: Run, action: Ask) -> AsyncGenerator[Event]:
    """Report each answer as soon as it is given, and what deadlines decide.

    If nobody answers, the other questions stay open: the rest of the run goes on, and a resume
    asks again.
    """
    for question in action.questions:
        state = run.current()
        if question.name not in state.deadlines:
            yield question_asked(question, run.clock(), state.missed.get(question.name))
    for question in run.current().asking:
        try:
            choice = await _answer(run, question)
        except TimeoutError:
            yield await _decided(run, decide_at_deadline(question))
            continue
        if choice is None:
            yield QuestionsLeft(at=run.clock())
            return
        yield given(question, choice, run.clock())


async def expire(run: Run, action: Expire) -> AsyncGenerator[Event]:
    """Report what deadlines decided."""
    for event in action.events:
        yield await _decided(run, event)


async def _decided(run: Run, event: AnswerGiven | ItemFailed) -> Event:
    """The event, once a pick that fails by it has failed in Prefect's graph too."""
    if isinstance(event, ItemFailed):
        with suppress(UsageError):
            await run.calls(miss_pick, "pick", event.step, event.key, {"reason": event.message})
    return event


async def _answer(run: Run, question: Question) -> Choice | None:
    """The answer of a person; None if nobody answers.

    Raises:
        TimeoutError: The deadline has passed.
    """
    if run.ask is None:
        return None
    seconds = None
    if question.deadline is not None:
        seconds = max((question.deadline - run.clock()).total_seconds(), 0.0)
    return await asyncio.wait_for(run.ask(question), seconds)
