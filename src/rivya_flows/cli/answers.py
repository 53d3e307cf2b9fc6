"""Answers given ahead, as ``--answer STEP=KEY``, and the commands that would give them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rivya_flows.errors import UsageError
from rivya_flows.planning.questions.form import name_of
from rivya_flows.planning.questions.open_questions import answerable
from rivya_flows.planning.queue.events import AnswerGiven, Stamped
from rivya_flows.planning.queue.queue import replay
from rivya_flows.planning.queue.reducer import BUDGET

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.planning.queue.actions import Question
    from rivya_flows.planning.queue.state import State


def open_questions(entries: Sequence[Stamped]) -> tuple[Question, ...]:
    """The questions that a run waits for, and those whose deadline failed their pick."""
    return answerable(replay(entry.event for entry in entries))


def read_answers(
    written: Sequence[str], questions: Sequence[Question], state: State
) -> tuple[AnswerGiven, ...]:
    """The answers in ``STEP=KEY`` texts; one that stands in the journal already is left out.

    Args:
        written: The texts; STEP may be ``step[key]``, or ``budget`` with ``yes`` or ``no``.
        questions: Those that are open.
        state: Of the run.

    Raises:
        UsageError: Nothing asks that, or no choice is called so.
    """
    answers: dict[str, AnswerGiven] = {}
    for text in written:
        name, equals, answer = text.partition("=")
        if not equals:
            raise UsageError(f"--answer {text!r}: there is no =", "write --answer STEP=KEY")
        found = _answer(name.strip(), answer.strip(), questions, state)
        if found is not None:
            answers[name.strip()] = found
    return tuple(answers.values())


def commands(run_id: str, questions: Sequence[Question]) -> tuple[str, ...]:
    """The command lines that answer each open question, one for each choice."""
    return tuple(
        f"rivya-flows resume {run_id} --answer {shlex.quote(f'{name_of(question)}={choice}')}"
        for question in questions
        for choice in question.choices
    )


def _answer(
    name: str, answer: str, questions: Sequence[Question], state: State
) -> AnswerGiven | None:
    # A step may be called as the budget question is for people; then the step is meant.
    for question in sorted(questions, key=lambda one: one.step == BUDGET):
        if name_of(question) == name:
            if answer not in question.choices:
                choices = ", ".join(question.choices)
                raise UsageError(f"{name}: no choice is called {answer!r}", f"one of: {choices}")
            return AnswerGiven(step=question.step, key=question.key, answer=answer, by="command")
    if state.answers.get(name) == answer:
        return None
    if name in state.answers:
        raise UsageError(
            f"{name} was answered with {state.answers[name]!r} already",
            "an answer on which a purchase may rest cannot be changed; start a new run",
        )
    asked = ", ".join(name_of(question) for question in questions)
    raise UsageError(
        f"the run does not ask for {name!r}",
        f"it asks for: {asked}" if asked else "it has no open question; resume it without --answer",
    )
