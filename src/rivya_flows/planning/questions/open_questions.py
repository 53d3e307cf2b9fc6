"""The questions of a run: which are open, until when, and which answers they accept.

Reads no clock: the time comes in events.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from rivya_flows.errors import UsageError
from rivya_flows.planning.names import label, listed
from rivya_flows.planning.picking import available
from rivya_flows.planning.queue.actions import Question, QuestionName
from rivya_flows.planning.queue.events import (
    AnsweredBy,
    AnswerGiven,
    Channel,
    ItemFailed,
    QuestionAsked,
)
from rivya_flows.planning.queue.item_state import UNANSWERED, ItemState, Phase
from rivya_flows.planning.queue.judging import BELOW_LEAST, proposal, rounds_left, shortfall
from rivya_flows.planning.queue.reducer import BUDGET
from rivya_flows.planning.queue.scheduler import budget_question
from rivya_flows.planning.queue.state import State
from rivya_flows.printable import one_line

MAX_NOTE, MAX_NAME = 500, 100
"""Characters of a note for the next round, and of the name of who answers."""

_MOST_NAMED = 12  # choices in a hint
_JOINT = 3  # the most characters that a note adds to a prompt beside its own
_NONE = re.compile(r"none\s*(?::(.*))?", re.IGNORECASE | re.DOTALL)


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
    """The open questions, and those whose pick failed without an answer: a late one repairs it."""
    late = [
        _pick(state, name, item)
        for name, item in state.each()
        if item.phase is Phase.FAILED and item.code in (UNANSWERED, BELOW_LEAST)
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
    step, key, number = question.name
    return QuestionAsked(step=step, key=key, at=at, deadline=deadline, after=after, round=number)


def is_due(question: Question, at: datetime) -> bool:
    """Whether the deadline of a question has passed."""
    return question.deadline is not None and question.deadline <= at


AtDeadline = Literal["first", "judge", "regenerate", "fail"]
"""What a deadline does: it takes the first candidates or what the judge proposes, has them bought
again, or fails the pick."""


def at_deadline(question: Question) -> AtDeadline:
    """What the deadline of a pick does as things stand."""
    if question.on_timeout == "first" and question.choices:
        return "first"
    if question.on_timeout == "judge":
        if question.proposal:
            return "judge"
        again = question.on_none == "regenerate" and question.rounds_left
        if again and question.judge_error is None:
            return "regenerate"
    return "fail"


def decide_at_deadline(question: Question) -> AnswerGiven | ItemFailed:
    """The event that the deadline of a pick causes: a choice, other candidates, or its failure."""
    then = at_deadline(question)
    if then != "fail":
        picked = {"first": question.choices[: question.count], "judge": question.proposal}
        choice = Choice(picked.get(then, ()), channel="deadline")
        return given(question, choice, question.deadline)
    message = "nobody answered "
    message += "in time" if question.deadline is None else f"by {utc_minute(question.deadline)}"
    if question.on_timeout == "judge":
        message += f", and {question.judge_error or question.shortfall}"
    return ItemFailed(step=question.step, key=question.key, code=UNANSWERED, message=message)


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
        channel: The way it came.
    """

    picked: tuple[str, ...]
    note: str = ""
    name: str | None = None
    channel: Channel = "terminal"

    def __str__(self) -> str:
        """As ``--answer`` takes it."""
        return ", ".join(self.picked) or "none" + (f": {self.note}" if self.note else "")


def given(question: Question, choice: Choice, at: datetime | None) -> AnswerGiven:
    """The journal entry of a choice, which must be one that `checked` has returned."""
    step, key, number = question.name
    return AnswerGiven(
        step=step,
        key=key,
        answer=choice.picked[0] if choice.picked else "",
        picked=() if step == BUDGET else choice.picked,
        none=not choice.picked,
        note=choice.note,
        round=number,
        by=AnsweredBy(name=choice.name, channel=choice.channel, at=at),
    )


def checked(question: Question, choice: Choice) -> Choice:
    """The choice with its note and name on one line each.

    Raises:
        UsageError: The question does not allow it.
    """
    name = name_of(question)
    if not choice.picked:
        if not question.rounds_left:
            raise _no_more(question)
        note = plain(choice.note)
        if len(note) > question.note_room:
            raise UsageError(
                f"{name}: the note has {len(note)} characters",
                f"write at most {question.note_room}"
                if question.note_room
                else "answer none without a note: its prompts have no room for one",
            )
        return replace(choice, note=note, name=signature(choice.name))
    for picked in choice.picked:
        if picked not in question.choices:
            raise _no_choice(question, picked)
    if len(set(choice.picked)) != len(choice.picked):
        raise UsageError(f"{name}: a choice is named twice", f"name {question.count} of them")
    if len(choice.picked) != question.count:
        raise UsageError(
            f"{name}: {len(choice.picked)} picked instead of {question.count}",
            f"{question.count} of: {_choices(question)}",
        )
    return replace(choice, note="", name=signature(choice.name))


def plain(text: str) -> str:
    """A person's text on one line, without what a terminal would act on."""
    return one_line(" ".join(text.split()))


def signature(name: str | None) -> str | None:
    """The name of who answers; None if it is empty.

    Raises:
        UsageError: It has more than `MAX_NAME` characters.
    """
    written = plain(name or "")
    if len(written) > MAX_NAME:
        raise UsageError(
            f"the name {written[:20]!r}… is too long", f"at most {MAX_NAME} characters"
        )
    return written or None


def read_choice(
    question: Question, text: str, name: str | None = None, channel: Channel = "terminal"
) -> Choice:
    """What a line means: keys or numbers, with commas between them, or ``none: NOTE``.

    A key wins over a number, and both over ``none``.

    Raises:
        UsageError: The question does not allow it.
    """
    written = text.strip()
    try:
        picked = tuple(_named(question, written))
    except UsageError:
        if (none := _NONE.fullmatch(written)) is None or not (
            question.rounds_left or question.round
        ):
            raise
        return checked(question, Choice((), none[1] or "", name, channel))
    return checked(question, Choice(picked, "", name, channel))


def _named(question: Question, text: str) -> Iterator[str]:
    """The choices that a text names; a key may have commas itself."""
    words = text.split(",")
    longest = 1 + max((choice.count(",") for choice in question.choices), default=0)
    while words:
        for size in range(min(longest, len(words)), 0, -1):
            found = _one_named(question, ",".join(words[:size]).strip())
            if found is not None:
                yield found
                words = words[size:]
                break
        else:
            raise _no_choice(question, ",".join(words).strip())


def _one_named(question: Question, word: str) -> str | None:
    if word in question.choices:
        return word
    if (
        word.isascii()
        and word.isdigit()
        and len(word) < 6
        and 0 < int(word) <= len(question.choices)
    ):
        return question.choices[int(word) - 1]
    near = [one for one in question.choices if one.casefold() == word.casefold()]
    return near[0] if len(near) == 1 else None


def _choices(question: Question) -> str:
    named = question.choices[:_MOST_NAMED]
    more = len(question.choices) - len(named)
    return listed(named) + (f" and {more} more" if more else "")


def _no_choice(question: Question, text: str) -> UsageError:
    none = ", or none: NOTE" if question.rounds_left else ""
    return UsageError(
        f"{name_of(question)}: there is no choice {text!r}", f"one of: {_choices(question)}{none}"
    )


def _no_more(question: Question) -> UsageError:
    if not question.round:
        return _no_choice(question, "none")
    return UsageError(
        f"{name_of(question)}: its candidates cannot be bought again any more",
        f"one of: {_choices(question)}",
    )


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
    questions: Sequence[Question],
    state: State,
    chosen: Mapping[QuestionName, Choice],
    at: datetime | None = None,
) -> FormAnswers:
    """Reads what was chosen in a form, in its spelling; answers in the journal stay as they are.

    Args:
        questions: Those that are open now.
        state: Of the run.
        chosen: By step, key and round.
        at: UTC.
    """
    asked = {(one.step, writable(one.key), one.round): one for one in questions}
    answers: list[AnswerGiven] = []
    problems: list[str] = []
    for (step, key, number), choice in chosen.items():
        name, question = _name(step, key), asked.get((step, key, number))
        known = state.answers.get(label(step, key))
        if known is not None:
            if tuple(map(writable, known.chosen)) != choice.picked:
                problems.append(f"{name} is already answered with {_told(known)!r}")
        elif question is None:
            problems.append(f"{name} is no longer asked; {str(choice)!r} changes nothing")
        else:
            spelled = choices_of(question)
            picked = tuple(spelled.get(one, one) for one in choice.picked)
            try:
                choice = checked(question, replace(choice, picked=picked))
                answers.append(given(question, choice, at))
            except UsageError as error:
                problems.append(f"{error.message}; asking again")
    return FormAnswers(tuple(answers), tuple(problems))


def read_answers(
    written: Sequence[str] | Mapping[str, Choice],
    questions: Sequence[Question],
    state: State,
    by: AnsweredBy,
) -> tuple[AnswerGiven, ...]:
    """Reads ``STEP=KEY`` texts, or choices; an answer that is already in the journal is left out.

    Args:
        written: The texts, or choices by STEP; it is a step, ``step[key]``, or ``budget`` with
            ``yes`` or ``no``.
        questions: Those that accept an answer.
        state: Of the run.
        by: Who answers, and when.

    Raises:
        UsageError: The run does not ask that, or there is no such choice.
    """
    answers: dict[str, AnswerGiven] = {}
    for name, answer in _pairs(written):
        if (found := _read_answer(name, answer, questions, state, by)) is not None:
            answers[name] = found
    return tuple(answers.values())


def _pairs(written: Sequence[str] | Mapping[str, Choice]) -> Iterator[tuple[str, str | Choice]]:
    if isinstance(written, Mapping):
        yield from written.items()
        return
    for text in written:
        name, equals, answer = (part.strip() for part in text.partition("="))
        if not equals:
            raise UsageError(f"--answer {text!r}: there is no =", "write --answer STEP=KEY")
        yield name, answer


def _read_answer(
    name: str, answer: str | Choice, questions: Sequence[Question], state: State, by: AnsweredBy
) -> AnswerGiven | None:
    # A step may be named `budget` too; then the step is meant.
    for question in sorted(questions, key=lambda one: one.step == BUDGET):
        if name_of(question) == name:
            if isinstance(answer, str):
                choice = read_choice(question, answer, by.name, by.channel)
            else:
                choice = checked(question, replace(answer, name=by.name, channel=by.channel))
            return given(question, choice, by.at)
    known = state.answers.get(name)
    if known is not None and _is_same(known, answer, state):
        return None
    if known is not None:
        raise UsageError(
            f"{name} is already answered with {_told(known)!r}",
            "a purchase may depend on that answer, so it cannot change; start a new run",
        )
    asked = ", ".join(name_of(question) for question in questions)
    raise UsageError(
        f"the run does not ask for {name!r}",
        f"it asks for: {asked}" if asked else "it has no open question; resume without --answer",
    )


def _is_same(known: AnswerGiven, answer: str | Choice, state: State) -> bool:
    """Whether an answer says what the journal says already: whoever repeats a command of a killed
    process may have named a candidate by its number.
    """
    if _told(known) == str(answer):
        return True
    item = None if known.step == BUDGET else state.item(known.step, known.key)
    if not isinstance(answer, str) or item is None or item.request is None:
        return False
    try:
        return read_choice(_pick(state, known.step, item), answer).picked == known.chosen
    except UsageError:
        return False


def _told(answer: AnswerGiven) -> str:
    return ", ".join(answer.chosen)


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
    left = rounds_left(state, step_id, item)
    room = _note_room(state, state.plan.candidates_of(step_id, item.round)) if left else 0
    return Question(
        step_id,
        item.key,
        str(text),
        tuple(str(one["key"]) for one in candidates),
        candidates,
        arguments.get("timeout"),
        arguments.get("on_timeout") or "fail",
        state.deadlines.get((step_id, item.key, item.round)),
        count=arguments.get("count") or 1,
        round=item.round,
        rounds_left=left,
        note_room=room,
        sign=bool(arguments.get("sign")),
        scores={one.key: one for one in item.scores},
        proposal=chosen,
        judge_error=item.judge_error,
        on_none=arguments.get("on_none") or "fail",
        shortfall="" if chosen else shortfall(item),
    )


def _note_room(state: State, again: str) -> int:
    """Characters that a note may have so that every prompt fits its model with it; 0 if a model
    would say it aloud.

    Args:
        state: Of the run.
        again: The step that made the candidates; its prompts have the brand and earlier notes.
    """
    requests = [
        request
        for item in state.steps[again].items or ()
        for request in (item.request, *item.alternatives)
        if request is not None and (request.arguments.get("prompt") or "").strip()
    ]
    asked = [(state.plan.catalogue.models[one.model], one) for one in requests if one.model]
    if any(model.speaks for model, _ in asked):
        return 0
    limits = [
        model.max_prompt_length - len(one.arguments["prompt"]) - _JOINT
        for model, one in asked
        if model.max_prompt_length is not None
    ]
    return max(0, min([MAX_NOTE, *limits])) if requests else 0
