"""Read answers that a user gives ahead, as ``STEP=KEY``."""

from __future__ import annotations

from collections.abc import Sequence

from rivya_flows.errors import UsageError
from rivya_flows.planning.questions.form import name_of
from rivya_flows.planning.queue.actions import Question
from rivya_flows.planning.queue.events import AnswerGiven
from rivya_flows.planning.queue.reducer import BUDGET
from rivya_flows.planning.queue.state import State


def read_answers(
    written: Sequence[str], questions: Sequence[Question], state: State
) -> tuple[AnswerGiven, ...]:
    """The answers in ``STEP=KEY`` texts, without those that the journal has already.

    Args:
        written: The texts; STEP may be ``step[key]``, or ``budget`` with ``yes`` or ``no``.
        questions: Those that are open.
        state: Of the run.

    Raises:
        UsageError: There is no such question, or no such choice.
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


def _answer(
    name: str, answer: str, questions: Sequence[Question], state: State
) -> AnswerGiven | None:
    # A step may have the name of the budget question; then the step is meant.
    for question in sorted(questions, key=lambda one: one.step == BUDGET):
        if name_of(question) == name:
            if answer not in question.choices:
                choices = ", ".join(question.choices)
                raise UsageError(f"{name}: there is no choice {answer!r}", f"one of: {choices}")
            return AnswerGiven(step=question.step, key=question.key, answer=answer, by="command")
    if state.answers.get(name) == answer:
        return None
    if name in state.answers:
        raise UsageError(
            f"{name} was answered with {state.answers[name]!r} already",
            "an answer cannot be changed, since purchases may rest on it; start a new run",
        )
    asked = ", ".join(name_of(question) for question in questions)
    raise UsageError(
        f"the run does not ask for {name!r}",
        f"it asks for: {asked}" if asked else "it has no open question; resume it without --answer",
    )
