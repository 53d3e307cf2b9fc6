"""Asks open questions; if nobody answers, the run is suspended once all other work has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from rivya_flows.flows.execution.active_run import Run
from rivya_flows.planning.questions.open_questions import decide_at_deadline, question_asked
from rivya_flows.planning.queue.actions import Ask, Expire, Question
from rivya_flows.planning.queue.events import AnswerGiven, Event, QuestionsLeft


async def ask(run: Run, action: Ask) -> AsyncGenerator[Event]:
    """Report each answer as soon as it is given, and what deadlines decide.

    If nobody answers, the other questions stay open: the rest of the run goes on, and a resume
    asks again.
    """
    for question in action.questions:
        if (question.step, question.key) not in run.current().deadlines:
            yield question_asked(question, run.clock())
    for question in run.current().asking:
        try:
            answer = await _answer(run, question)
        except TimeoutError:
            yield decide_at_deadline(question)
            continue
        if answer is None:
            yield QuestionsLeft(at=run.clock())
            return
        yield AnswerGiven(step=question.step, key=question.key, answer=answer, by="terminal")


async def expire(run: Run, action: Expire) -> AsyncGenerator[Event]:
    """Report what deadlines decided."""
    for event in action.events:
        yield event


async def _answer(run: Run, question: Question) -> str | None:
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
