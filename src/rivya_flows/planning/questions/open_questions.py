"""The questions of a run: which are open, until when, and which answers they accept.

Reads no clock: the time comes in events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rivya_flows.errors import UsageError
from rivya_flows.planning.names import label
from rivya_flows.planning.picking import available
from rivya_flows.planning.queue.actions import Question
from rivya_flows.planning.queue.events import AnsweredBy, AnswerGiven, ItemFailed, QuestionAsked
from rivya_flows.planning.queue.item_state import UNANSWERED, ItemState, Phase
from rivya_flows.planning.queue.judging import proposal, rounds_left, shortfall
from rivya_flows.planning.queue.reducer import BUDGET
from rivya_flows.planning.queue.scheduler import budget_question
from rivya_flows.planning.queue.state import State

_MOST_NAMED = 12  # choices in a hint


def busy(state: State) -> bool:
    """Whether work of this run is in flight and will bring an event."""
    totals = state.totals
    reading = totals.reading > 0 or state.reading is not None
    return reading or state.uploading > 0 or totals.tally.in_flight > 0


def open_questions(state: State) -> tuple[Question, ...]:
    """The questions that wait for a person, in plan order; the budget's question comes last."""
    asked = [_pick(state, name, item) for name, item in state.each() if _asks(item)]
    over = None if busy(state) else budget_question(state)
    return (*asked, over) if over else tuple(asked)


def answerable(state: State) -> tuple[Question, ...]:
    """The open questions, and those whose pick failed at its deadline: a late answer repairs it."""
    late = [
        _pick(state, name, item)
        for name, item in state.each()
        if item.phase is Phase.FAILED and item.code == UNANSWERED
    ]
    return (*open_questions(state), *late)


def question_asked(
    question: Question, at: datetime, after: datetime | None = None
) -> QuestionAsked:
    """The journal entry that precedes the first asking.

    Args:
        question: The question.
        at: Its deadline counts from here.
        after: The deadline that failed it before; it is opened again. None the first time.
    """
    deadline = None
    if question.timeout_seconds is not None:
        deadline = at + timedelta(seconds=question.timeout_seconds)
    return QuestionAsked(
        step=question.step, key=question.key, at=at, deadline=deadline, after=after
    )


def is_due(question: Question, at: datetime) -> bool:
    """Whether the deadline of a question has passed."""
    return question.deadline is not None and question.deadline <= at


def decide_at_deadline(question: Question) -> AnswerGiven | ItemFailed:
    """The event that the deadline of a pick causes: a choice, other candidates, or its failure."""
    of = {"step": question.step, "key": question.key}
    given = {**of, "round": question.round, "by": AnsweredBy(channel="deadline")}
    picked = {"first": question.choices[: question.count], "judge": question.proposal}
    if keys := picked.get(question.on_timeout):
        return AnswerGiven(**given, answer=keys[0], picked=keys)
    message = "nobody answered "
    message += "in time" if question.deadline is None else f"by {utc_minute(question.deadline)}"
    if question.on_timeout == "judge":
        if (
            question.judge_error is None
            and question.on_none == "regenerate"
            and question.rounds_left
        ):
            return AnswerGiven(**given, answer="", none=True)
        message += f", and {question.judge_error or question.shortfall}"
    return ItemFailed(**of, code=UNANSWERED, message=message)


def first_deadline(questions: Sequence[Question]) -> datetime | None:
    """The earliest deadline of these questions; None if none has one."""
    return min((one.deadline for one in questions if one.deadline is not None), default=None)


def utc_minute(at: datetime) -> str:
    """A UTC time as text: ``2026-11-25 12:00 UTC``."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def name_of(question: Question | AnswerGiven) -> str:
    """The name that people and ``--answer`` use: ``step``, ``step[key]`` or ``budget``."""
    return _name(question.step, question.key)


def writable(text: str) -> str:
    """The text as UTF-8 can encode it: a lone surrogate, as a model may send, becomes its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def choices_of(question: Question) -> dict[str, str]:
    """The choices by their spelling in a form."""
    return {writable(choice): choice for choice in question.choices}


@dataclass(frozen=True)
class Choice:
    """What a person chose, whatever the channel.

    Attributes:
        picked: Keys, in the order of choice; empty for none of them.
        note: What should be different, where none was picked.
        name: Who chose; None if nobody said.
    """

    picked: tuple[str, ...]
    note: str = ""
    name: str | None = None


@dataclass(frozen=True)
class FormAnswers:
    """The content of a filled-in form.

    Attributes:
        answers: New entries for the journal.
        problems: What was not accepted, one sentence each.
    """

    answers: tuple[AnswerGiven, ...]
    problems: tuple[str, ...]


def read_form(
    questions: Sequence[Question], state: State, chosen: Mapping[tuple[str, str], Any]
) -> FormAnswers:
    """Reads the values chosen in a form, by step and key; answers in the journal stay as they are."""
    asked = {(one.step, writable(one.key)): one for one in questions}
    answers: list[AnswerGiven] = []
    problems: list[str] = []
    for (step, key), given in chosen.items():
        name = _name(step, key)
        known, question = state.answers.get(label(step, key)), asked.get((step, key))
        if known is not None:
            if writable(known) != given:
                problems.append(f"{name} is already answered with {known!r}")
        elif question is None:
            problems.append(f"{name} is no longer asked; {given!r} changes nothing")
        elif isinstance(given, str) and (answer := choices_of(question).get(given)) is not None:
            of = {"step": question.step, "key": question.key}
            by = AnsweredBy(channel="form")
            answers.append(AnswerGiven(**of, answer=answer, by=by))
        else:
            problems.append(f"{name}: there is no choice {given!r}; asking again")
    return FormAnswers(tuple(answers), tuple(problems))


def read_answers(
    written: Sequence[str], questions: Sequence[Question], state: State
) -> tuple[AnswerGiven, ...]:
    """Reads ``STEP=KEY`` texts; an answer that is already in the journal is left out.

    Args:
        written: The texts; STEP is a step, ``step[key]``, or ``budget`` with ``yes`` or ``no``.
        questions: Those that accept an answer.
        state: Of the run.

    Raises:
        UsageError: The run does not ask that, or there is no such choice.
    """
    answers: dict[str, AnswerGiven] = {}
    for text in written:
        name, equals, answer = (part.strip() for part in text.partition("="))
        if not equals:
            raise UsageError(f"--answer {text!r}: there is no =", "write --answer STEP=KEY")
        if (found := _read_answer(name, answer, questions, state)) is not None:
            answers[name] = found
    return tuple(answers.values())


def _read_answer(
    name: str, answer: str, questions: Sequence[Question], state: State
) -> AnswerGiven | None:
    # A step may be named `budget` too; then the step is meant.
    for question in sorted(questions, key=lambda one: one.step == BUDGET):
        if name_of(question) == name:
            if answer not in question.choices:
                named = question.choices[:_MOST_NAMED]
                more = len(question.choices) - len(named)
                choices = ", ".join(named) + (f" and {more} more" if more else "")
                raise UsageError(f"{name}: there is no choice {answer!r}", f"one of: {choices}")
            by = AnsweredBy(channel="command")
            return AnswerGiven(step=question.step, key=question.key, answer=answer, by=by)
    if state.answers.get(name) == answer:
        return None
    if name in state.answers:
        raise UsageError(
            f"{name} is already answered with {state.answers[name]!r}",
            "a purchase may depend on that answer, so it cannot change; start a new run",
        )
    asked = ", ".join(name_of(question) for question in questions)
    raise UsageError(
        f"the run does not ask for {name!r}",
        f"it asks for: {asked}" if asked else "it has no open question; resume without --answer",
    )


def _name(step: str, key: str) -> str:
    return "budget" if step == BUDGET else label(step, key)


def _asks(item: ItemState) -> bool:
    return item.phase is Phase.READY and item.waits_for_person


def _pick(state: State, step_id: str, item: ItemState) -> Question:
    request = item.request
    assert request is not None
    arguments: Mapping[str, Any] = request.arguments
    candidates = tuple(available(arguments["from"]))
    chosen = proposal(item)
    text = arguments.get("question") or f"Which one for {label(step_id, item.key)}?"
    return Question(
        step_id,
        item.key,
        str(text),
        tuple(str(one["key"]) for one in candidates),
        candidates,
        arguments.get("timeout"),
        arguments.get("on_timeout") or "fail",
        state.deadlines.get((step_id, item.key)),
        count=arguments.get("count") or 1,
        round=item.round,
        rounds_left=rounds_left(state, step_id, item),
        sign=bool(arguments.get("sign")),
        scores={one.key: one for one in item.scores},
        proposal=chosen,
        judge_error=item.judge_error,
        on_none=arguments.get("on_none") or "fail",
        shortfall="" if chosen else shortfall(item),
    )
