"""Reads answers: of a form, of ``--answer``, and as a person types them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rivya_client.printable import one_line
from rivya_flows.errors import UsageError
from rivya_flows.planning.questions.open_questions import MAX_NAME, MAX_NOTE, question_of
from rivya_flows.planning.questions.question import (
    BUDGET,
    Answer,
    Question,
    QuestionName,
    answer_name,
    writable,
)
from rivya_flows.plans.expand import with_followed_items
from rivya_flows.plans.names import label, listed
from rivya_flows.plans.plan import RunPlan, candidates_step
from rivya_flows.queue.events import AnsweredBy, AnswerGiven, Channel
from rivya_flows.queue.state import State
from rivya_flows.similar_names import nearest

_MOST_NAMED = 12  # choices in a hint
_NONE = re.compile(r"none\s*(?::(.*))?", re.IGNORECASE | re.DOTALL)


def checked(question: Question, choice: Answer) -> Answer:
    """The choice with its note and name on one line each.

    Raises:
        UsageError: The question does not allow it.
    """
    name = question.label
    if not choice.picked:
        if not question.rounds_left:
            raise _no_more(question)
        note = plain(choice.note)
        if len(note) > question.note_room:
            raise UsageError(
                f"{name}: the note has {len(note)} characters",
                f"write at most {question.note_room}"
                if question.note_room
                else "answer none without a note: its prompts take none",
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
) -> Answer:
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
        return checked(question, Answer((), none[1] or "", name, channel))
    return checked(question, Answer(picked, "", name, channel))


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
    near = nearest(text, question.choices)
    hint = f"did you mean {near!r}? " if near else ""
    return UsageError(
        f"{question.label}: there is no choice {text!r}",
        f"{hint}one of: {_choices(question)}{none}",
    )


def _no_more(question: Question) -> UsageError:
    if not question.round:
        return _no_choice(question, "none")
    return UsageError(
        f"{question.label}: its candidates cannot be bought again any more",
        f"one of: {_choices(question)}",
    )


@dataclass(frozen=True)
class FormAnswers:
    """The content of a filled-in form."""

    answers: tuple[AnswerGiven, ...]
    problems: tuple[str, ...]


def read_form(
    questions: Sequence[Question],
    state: State,
    chosen: Mapping[QuestionName, Answer],
    at: datetime | None = None,
) -> FormAnswers:
    """Reads what was chosen in a form, in its spelling; answers in the journal stay as they are.

    Args:
        at: UTC.
    """
    asked = {(one.step, writable(one.key), one.round): one for one in questions}
    answers: list[AnswerGiven] = []
    problems: list[str] = []
    for (step, key, number), choice in chosen.items():
        name, question = answer_name(step, key), asked.get((step, key, number))
        known = state.answers.get(label(step, key))
        if known is not None:
            if tuple(map(writable, known.chosen)) != choice.picked:
                problems.append(f"{name} is already answered with {_told(known)!r}")
        elif question is None:
            problems.append(f"{name} is no longer asked; {str(choice)!r} changes nothing")
        else:
            spelled = question.spellings
            picked = tuple(spelled.get(one, one) for one in choice.picked)
            try:
                choice = checked(question, replace(choice, picked=picked))
                answers.append(choice.event(question, at))
            except UsageError as error:
                problems.append(f"{error.message}; asking again")
    return FormAnswers(tuple(answers), tuple(problems))


def read_answers(
    written: Sequence[str] | Mapping[str, Answer],
    questions: Sequence[Question],
    state: State,
    by: AnsweredBy,
) -> tuple[AnswerGiven, ...]:
    """Reads ``STEP=KEY`` texts, or choices; an answer that is already in the journal is left out.

    Raises:
        UsageError: The run does not ask that, or there is no such choice.
    """
    answers: dict[str, AnswerGiven] = {}
    for name, answer in _pairs(written):
        if (found := _read_answer(name, answer, questions, state, by)) is not None:
            answers[name] = found
    return tuple(answers.values())


def _pairs(written: Sequence[str] | Mapping[str, Answer]) -> Iterator[tuple[str, str | Answer]]:
    if isinstance(written, Mapping):
        yield from written.items()
        return
    for text in written:
        name, equals, answer = (part.strip() for part in text.partition("="))
        if not equals:
            raise UsageError(f"--answer {text!r}: there is no =", "write --answer STEP=KEY")
        yield name, answer


def _read_answer(
    name: str, answer: str | Answer, questions: Sequence[Question], state: State, by: AnsweredBy
) -> AnswerGiven | None:
    # A step may be named `budget` too; then the step is meant.
    for question in sorted(questions, key=lambda one: one.step == BUDGET):
        if question.label == name:
            if isinstance(answer, str):
                choice = read_choice(question, answer, by.name, by.channel)
            else:
                choice = checked(question, replace(answer, name=by.name, channel=by.channel))
            return choice.event(question, by.at)
    known = state.answers.get(name)
    if known is not None and _is_same(known, answer, state):
        return None
    if known is not None:
        raise UsageError(
            f"{name} is already answered with {_told(known)!r}",
            "it stays, since a purchase may depend on it; to be asked again and keep what was bought:"
            f" rivya-flows fork {state.run_id} --from {known.step}",
        )
    raise _not_asked(name, [question.label for question in questions])


def refuse_unfit(answers: Mapping[str, Answer], plan: RunPlan) -> None:
    """Refuses answers that no question of a run will take, as far as its plan says before it.

    The candidates of a pick are known where they are the items of a step whose keys are known.

    Raises:
        UsageError: There is no such question, or no such choice.
    """
    plan = with_followed_items(plan)
    picks = {name: one for name, one in plan.steps.items() if one.pick}
    asked = {
        label(name, item.key): _question_before(plan, name, item.key)
        for name, planned in picks.items()
        for item in planned.items or ()
    }
    budget = plan.workflow.budget
    if budget is not None and budget.on_exceed == "pause":
        asked.setdefault("budget", Question(BUDGET, "", "", ("yes", "no")))
    later = {name for name, one in picks.items() if one.skipped or one.items is None}
    for name, choice in answers.items():
        if (question := asked.get(name)) is None:
            if name.partition("[")[0] not in later:
                raise _not_asked(name, [*asked, *sorted(later - asked.keys())])
        elif question.choices:
            checked(question, choice)


def _question_before(plan: RunPlan, name: str, key: str) -> Question:
    """The question of a pick as it is known before the run; without choices where they are not."""
    planned = plan.steps[name]
    assert planned.pick is not None
    source = plan.steps.get(candidates_step(planned) or "")
    choices = tuple(one.key for one in (source and source.items) or () if one.key)
    return Question(
        name,
        key,
        "",
        choices,
        count=planned.pick.count,
        rounds_left=len(planned.rounds),
        note_room=MAX_NOTE,
    )


def _not_asked(name: str, asked: Sequence[str]) -> UsageError:
    near = nearest(name, asked)
    hint = f"did you mean {near!r}? " if near else ""
    return UsageError(
        f"the run does not ask for {name!r}",
        f"{hint}it asks for: {', '.join(asked)}"
        if asked
        else "it has no open question; leave the answer out",
    )


def _is_same(known: AnswerGiven, answer: str | Answer, state: State) -> bool:
    """Whether an answer says what the journal says already: whoever repeats a command of a killed
    process may have named a candidate by its number.
    """
    if _told(known) == str(answer):
        return True
    item = None if known.step == BUDGET else state.item(known.step, known.key)
    if not isinstance(answer, str) or item is None or item.request is None:
        return False
    try:
        return read_choice(question_of(state, known.step, item), answer).picked == known.chosen
    except UsageError:
        return False


def _told(answer: AnswerGiven) -> str:
    return ", ".join(answer.chosen)
