"""Puts open questions to a person, or suspends the run where there is no one to ask."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from flows.run import Run
from rivya_flows.plan.actions import Ask
from rivya_flows.plan.events import AnswerGiven, Event, RunEnded
from rivya_flows.plan.names import label


async def ask(run: Run, action: Ask) -> AsyncGenerator[Event]:
    """Tells each answer as soon as it is given; the first without one suspends the run."""
    for question in action.questions:
        if label(question.step, question.key) in run.current().answers:
            continue  # it was answered ahead, as with `resume --answer`
        answer = None if run.ask is None else await run.ask(question)
        if answer is None:
            yield RunEnded(status="suspended", at=run.clock())
            return
        yield AnswerGiven(step=question.step, key=question.key, answer=answer, by="terminal")
