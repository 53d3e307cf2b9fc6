"""Open questions as one form of plain data, and the answers in what comes back."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rivya_flows.planning.names import digest, label
from rivya_flows.planning.questions.open_questions import moment
from rivya_flows.planning.queue.actions import Question
from rivya_flows.planning.queue.events import AnswerGiven
from rivya_flows.planning.queue.reducer import BUDGET
from rivya_flows.planning.queue.state import State


@dataclass(frozen=True)
class Reading:
    """What a filled-in form says.

    Attributes:
        answers: To be written into the journal.
        problems: What could not be taken, a sentence each.
    """

    answers: tuple[AnswerGiven, ...]
    problems: tuple[str, ...]


def digest_of(questions: Sequence[Question]) -> str:
    """Changes with what is asked and what can be answered, and with nothing else."""
    asked = sorted([one.step, writable(one.key), list(choices_of(one))] for one in questions)
    return digest(asked)[:12]


def name_of(question: Question | AnswerGiven) -> str:
    """A question, or what was answered, for people and for ``--answer``."""
    return _name(question.step, question.key)


def fields(questions: Sequence[Question], taken: Container[str] = ()) -> dict[str, Question]:
    """The questions by the names of their fields: a step's own where it asks once.

    Args:
        questions: In the order of the form.
        taken: Names that a field cannot have.
    """
    named: dict[str, Question] = {}
    for question in questions:
        stem = re.sub(r"[^a-z0-9]+", "_", name_of(question).lower()).strip("_") or "pick"
        name, number = stem, 1
        while name in named or name in taken:
            number += 1
            name = f"{stem}_{number}"
        named[name] = question
    return named


def title(question: Question) -> str:
    """What a person reads above the choices."""
    asks_often = question.key and question.step != BUDGET
    return writable(f"{question.text} ({question.key})" if asks_often else question.text)


def writable(text: str) -> str:
    """Text that can be sent: half of a character, as a model may answer it, becomes its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def choices_of(question: Question) -> dict[str, str]:
    """The choices by how a form writes them."""
    return {writable(choice): choice for choice in question.choices}


def until(question: Question) -> str:
    """Until when it stays open and what happens then; "" where it waits for ever."""
    if question.deadline is None:
        return ""
    then = "the first one is taken" if question.on_timeout == "first" else "the pick fails"
    return f"Open until {moment(question.deadline)}; after that {then}."


def read_form(
    questions: Sequence[Question], state: State, chosen: Mapping[tuple[str, str], Any]
) -> Reading:
    """The answers in a filled-in form. What the journal has already stays as it is.

    Args:
        questions: Those that are open.
        state: Of the run.
        chosen: What was chosen, by step and key.
    """
    asked = {(one.step, writable(one.key)): one for one in questions}
    answers: list[AnswerGiven] = []
    problems: list[str] = []
    for (step, key), given in chosen.items():
        name = _name(step, key)
        known, question = state.answers.get(label(step, key)), asked.get((step, key))
        if known is not None:
            if writable(known) != given:
                problems.append(f"{name} was answered with {known!r} already")
        elif question is None:
            problems.append(f"{name} is not asked any more; {given!r} changes nothing")
        elif isinstance(given, str) and (answer := choices_of(question).get(given)) is not None:
            of = {"step": question.step, "key": question.key}
            answers.append(AnswerGiven(**of, answer=answer, by="form"))
        else:
            problems.append(f"{name}: no choice is called {given!r}; asked again")
    return Reading(tuple(answers), tuple(problems))


def _name(step: str, key: str) -> str:
    return "budget" if step == BUDGET else label(step, key)
