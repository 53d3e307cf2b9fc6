"""Reads answers: of ``--answer``, as a person types them, and of a form, which it makes as JSON Schema."""

from __future__ import annotations

import itertools
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from rivya_client.printable import one_line
from rivya_flows.errors import UsageError
from rivya_flows.plans.expand import with_followed_items
from rivya_flows.plans.names import join_keys, label
from rivya_flows.plans.plan import RunPlan, candidates_step
from rivya_flows.questions.open_questions import MAX_NAME, MAX_NOTE, question_of
from rivya_flows.questions.question import (
    BUDGET,
    Answer,
    Question,
    QuestionName,
    answer_name,
    writable,
)
from rivya_flows.queue.events import AnsweredBy, AnswerGiven, Channel
from rivya_flows.queue.reviewing import END, person_of
from rivya_flows.queue.state import State
from rivya_flows.similar_names import nearest
from rivya_flows.spec.inlining import is_inside
from rivya_flows.steps.review import CHANGES

_MOST_NAMED = 12  # choices in a hint
_NONE = re.compile(r"none\s*(?::(.*))?", re.IGNORECASE | re.DOTALL)


def check_answer(question: Question, choice: Answer) -> Answer:
    """The choice with its note and name on one line each; refused if the question does not allow it."""
    name, picked, room = question.label, choice.picked, question.note_room
    if question.kind == "review":
        return _check_review(question, choice)
    if not picked:
        if not (question.rounds_left or question.round):
            raise _no_choice(question, "none")
        if not question.rounds_left:
            raise UsageError(
                f"{name}: its candidates cannot be bought again any more",
                f"one of: {_choices(question)}",
            )
        _refuse_over(question)
        note = plain(choice.note)
        if len(note) > room:
            none = "answer none without a note: its prompts take none"
            hint = f"write at most {room}" if room else none
            raise UsageError(f"{name}: the note has {len(note)} characters", hint)
        return replace(choice, note=note, name=signature(choice.name))
    for one in picked:
        if one not in question.choices:
            raise _no_choice(question, one)
    if len(set(picked)) != len(picked):
        raise UsageError(f"{name}: a choice is named twice", f"name {question.count} of them")
    if len(picked) != question.count:
        raise UsageError(
            f"{name}: {len(picked)} picked instead of {question.count}",
            f"{question.count} of: {_choices(question)}",
        )
    return replace(choice, note="", name=signature(choice.name))


def _check_review(question: Question, choice: Answer) -> Answer:
    """The answer of a reviewer, under the name that the step has for them; or of an owner who ends the round."""
    name, [verdict] = question.label, choice.picked or ("",)
    if verdict not in (*question.choices, END):
        raise UsageError(f"{name}: there is no answer {verdict!r}", _HOW_TO_REVIEW)
    note, by = plain(choice.note), signature(choice.name)
    if verdict == END:
        if not question.wants_changes:
            raise UsageError(
                f"{name}: no one has asked for changes, so there is nothing to end the round with",
                "approve, ask for changes, or wait",
            )
        _refuse_over(question)
        return replace(choice, note="", name=by)
    known = {one.casefold(): one for one in question.reviewers}
    if known and (by := known.get((by or "").casefold())) is None:
        names = " or ".join(question.reviewers)
        raise UsageError(
            f"{name}: it is for {names}", f"say whose answer it is: --by {question.reviewers[0]}"
        )
    if verdict == CHANGES and not note and question.note_room:
        raise UsageError(f"{name}: say what to change", _HOW_TO_REVIEW)
    if len(note) > (room := question.note_room if verdict == CHANGES else MAX_NOTE):
        hint = f"write at most {room}" if room else "its prompts take no notes"
        raise UsageError(f"{name}: the note has {len(note)} characters", hint)
    return replace(choice, note=note, name=by)


def _refuse_over(question: Question) -> None:
    """Refuses another round that the budget does not cover."""
    if question.over and question.step != BUDGET:
        raise UsageError(f"{question.label}: {question.over}", RAISE_BUDGET)


RAISE_BUDGET = "raise it with: rivya-flows resume RUN --budget N"

_HOW_TO_REVIEW = (
    'approve, or changes: NOTE, as in --answer "sign_off=changes: 0:04 the logo is cut"'
)


def plain(text: str) -> str:
    """A person's text on one line, without what a terminal would act on."""
    return one_line(" ".join(text.split()))


def signature(name: str | None) -> str | None:
    """The name of who answers; None if it is empty. One that is too long is refused."""
    written = plain(name or "")
    if len(written) > MAX_NAME:
        raise UsageError(
            f"the name {written[:20]!r}… is too long", f"at most {MAX_NAME} characters"
        )
    return written or None


def read_choice(
    question: Question, text: str, name: str | None = None, channel: Channel = "terminal"
) -> Answer:
    """What a line means: keys, else numbers, with commas between them, else ``none: NOTE``."""
    written, note = text.strip(), ""
    picked: tuple[str, ...]
    if question.kind == "review":
        verdict, _, note = written.partition(":")
        picked = (_find_choice(question, verdict.strip().lower()) or verdict.strip().lower(),)
        return check_answer(question, Answer(picked, note, name, channel))
    try:
        picked = tuple(_split_choices(question, written))
    except UsageError:
        none = _NONE.fullmatch(written)
        if none is None or not (question.rounds_left or question.round):
            raise
        picked, note = (), none[1] or ""
    return check_answer(question, Answer(picked, note, name, channel))


def _split_choices(question: Question, text: str) -> Iterator[str]:
    """The choices that a text names; a key may have commas itself."""
    parts = text.split(",")
    longest = 1 + max((choice.count(",") for choice in question.choices), default=0)
    while parts:
        sizes = range(min(longest, len(parts)), 0, -1)
        found = ((size, _find_choice(question, ",".join(parts[:size]).strip())) for size in sizes)
        size, choice = next((one for one in found if one[1] is not None), (0, None))
        if choice is None:
            raise _no_choice(question, ",".join(parts).strip())
        yield choice
        parts = parts[size:]


def _find_choice(question: Question, name: str) -> str | None:
    choices = question.choices
    if name in choices:
        return name
    if re.fullmatch("[0-9]{1,5}", name) and 0 < int(name) <= len(choices):
        return choices[int(name) - 1]
    near = [one for one in choices if one.casefold() == name.casefold()]
    return near[0] if len(near) == 1 else None


def _choices(question: Question) -> str:
    named = question.choices[:_MOST_NAMED]
    more = len(question.choices) - len(named)
    return join_keys(named) + (f" and {more} more" if more else "")


def _no_choice(question: Question, text: str) -> UsageError:
    none = ", or none: NOTE" if question.rounds_left else ""
    return UsageError(
        f"{question.label}: there is no choice {text!r}",
        f"{_suggest(text, question.choices)}one of: {_choices(question)}{none}",
    )


def _suggest(text: str, names: Sequence[str]) -> str:
    near = nearest(text, names)
    return f"did you mean {near!r}? " if near else ""


def read_answers(
    written: Sequence[str] | Mapping[str, Answer],
    questions: Sequence[Question],
    state: State,
    by: AnsweredBy,
) -> tuple[AnswerGiven, ...]:
    """Reads ``STEP=KEY`` texts, or choices; an answer that is already in the journal is left out."""
    # A step may be named `budget` too; then the step is meant.
    asked = {one.label: one for one in sorted(questions, key=lambda one: one.step != BUDGET)}
    answers: dict[str, AnswerGiven] = {}
    for name, answer in written.items() if isinstance(written, Mapping) else _pairs(written):
        question, known = asked.get(name), state.answers.get(name)
        if question is not None:
            if isinstance(answer, str):
                choice = read_choice(question, answer, by.name, by.channel)
            else:
                choice = check_answer(question, replace(answer, name=by.name, channel=by.channel))
            if not _stands(question, choice):
                answers[name] = choice.event(question, by.at)
        elif known is None:
            raise _not_asked(name, [one.label for one in questions])
        elif not _is_same(known, answer, state):
            raise UsageError(
                f"{name} is already answered with {', '.join(known.chosen)!r}",
                "it stays, since a purchase may depend on it; to be asked again and keep what was bought:"
                f" rivya-flows fork {state.run_id} --from {known.step}",
            )
    return tuple(answers.values())


def _pairs(written: Iterable[str]) -> Iterator[tuple[str, str]]:
    for text in written:
        name, equals, answer = (part.strip() for part in text.partition("="))
        if not equals:
            raise UsageError(f"--answer {text!r}: there is no =", "write --answer STEP=KEY")
        yield name, answer


def _stands(question: Question, choice: Answer) -> bool:
    """Whether a reviewer has answered so already, as in the repeated command of a killed process."""
    return any(_is_that(one, choice) for one in question.responses)


def _was_given(state: State, question: Question, choice: Answer) -> bool:
    """Whether a reviewer has answered so since the form was shown."""
    given = state.item(question.step, question.key).reviews
    since = (one for one in given if one.round == question.round and one.turn >= choice.turn)
    return any(_is_that(one, choice) for one in since)


def _is_that(one: AnswerGiven, choice: Answer) -> bool:
    whole = (person_of(choice.name), *choice.picked, choice.note)
    return (person_of(one.by.name), one.answer, one.note) == whole


def _is_same(known: AnswerGiven, answer: str | Answer, state: State) -> bool:
    """Whether an answer says what the journal says already, as in the repeated command of a killed process."""
    if ", ".join(known.chosen) == str(answer):
        return True
    item = None if known.step == BUDGET else state.item(known.step, known.key)
    if not isinstance(answer, str) or item is None or item.request is None:
        return False
    try:
        return read_choice(question_of(state, known.step, item), answer).picked == known.chosen
    except UsageError:
        return False


def refuse_unfit(answers: Mapping[str, Answer], plan: RunPlan) -> None:
    """Refuses answers that no question of a run will take, as far as its plan says before it."""
    plan = with_followed_items(plan)
    picks = {name: one for name, one in plan.steps.items() if one.pick or one.review}
    asked = {
        label(name, item.key): _question_before(plan, name, item.key)
        for name, planned in picks.items()
        for item in planned.items or ()
    }
    budget = plan.workflow.budget
    if budget is not None and budget.on_unfit == "pause":
        asked.setdefault("budget", Question(BUDGET, "", "", ("yes", "no")))
    later = {name for name, one in picks.items() if one.skipped or one.items is None}
    fan_outs = {name for name, one in plan.steps.items() if one.includes and one.items is None}
    for name, choice in answers.items():
        if (question := asked.get(name)) is None:
            step = name.partition("[")[0]
            if step not in later and not is_inside(step, fan_outs):
                raise _not_asked(name, [*asked, *sorted(later - asked.keys())])
        elif question.choices:
            check_answer(question, choice)


def _question_before(plan: RunPlan, name: str, key: str) -> Question:
    """The question of a pick as it is known before the run; without choices where they are not."""
    planned = plan.steps[name]
    rounds = max(0, len(planned.rounds) - 1)
    if planned.pick is None:
        return Question(name, key, "", (), rounds_left=rounds, note_room=MAX_NOTE, turn=1)
    source = plan.steps.get(candidates_step(planned) or "")
    choices = tuple(one.key for one in (source and source.items) or () if one.key)
    return Question(
        name, key, "", choices, count=planned.pick.count, rounds_left=rounds, note_room=MAX_NOTE
    )


def _not_asked(name: str, asked: Sequence[str]) -> UsageError:
    hint = f"{_suggest(name, asked)}it asks for: {', '.join(asked)}"
    nothing = "it has no open question; leave the answer out"
    return UsageError(f"the run does not ask for {name!r}", hint if asked else nothing)


# --- The form ---

GO_ON = "$go_on"
"""Sent instead of answers: the run checks its journal and asks again. No field has this name."""

NONE = "none of these"  # unless a candidate has this key

_ASKS, _AGAIN, _NOTE, _SIGNS = "x-question", "x-none", "x-note", "x-signature"

Schema = Mapping[str, Any]


def form_schema(questions: Sequence[Question]) -> dict[str, Any]:
    """The form. No question has a default: a person has to choose."""
    names: dict[str, Question] = {}
    for question in questions:
        stem = re.sub(r"[^a-z0-9]+", "_", question.label.lower()).strip("_") or "pick"
        names[_free(stem, names)] = question
    fields: dict[str, dict[str, Any]] = {}
    for name, question in names.items():
        fields[name] = _field(question)
        if question.note_room and (question.rounds_left or question.kind == "review"):
            when = "your notes" if question.kind == "review" else "if none of these"
            fields[_free(f"{name}_note", {*names, *fields})] = {
                "title": f"What should be different, {when} ({name})",
                "type": "string",
                "default": "",
                "maxLength": question.note_room,
                _NOTE: name,
            }
    signed, required = _free("signed_by", fields), [*names]
    reviewers = dict.fromkeys(name for one in questions for name in one.reviewers)
    title = f"Your name ({' or '.join(reviewers)})" if reviewers else "Your name"
    fields[signed] = {"title": title, "type": "string", "maxLength": MAX_NAME, _SIGNS: True}
    if any(one.sign or one.reviewers for one in questions):
        fields[signed] |= {"minLength": 1, "pattern": r"\S"}
        required.append(signed)
    else:
        fields[signed]["default"] = ""
    return {"title": "Answers", "type": "object", "properties": fields, "required": required}


def _free(stem: str, taken: Container[str]) -> str:
    """The name, with a number if it is taken."""
    numbered = (f"{stem}_{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain([stem], numbered) if name not in taken)


def _field(question: Question) -> dict[str, Any]:
    choices, count = [*question.spellings], question.count
    name: list[str | int] = [question.step, writable(question.key)]
    name += [question.round, question.turn] if question.turn else filter(None, [question.round])
    field: dict[str, Any] = {"title": question.title, _ASKS: name}
    if question.rounds_left and question.kind == "pick":
        none = NONE
        while none in choices:
            none += "."
        choices.append(none)
        field[_AGAIN] = none
    select = {"type": "string", "enum": choices}
    if count == 1:
        return {**field, **select}
    field |= {"type": "array", "items": select, "uniqueItems": True, "maxItems": count}
    if not question.rounds_left:
        return {**field, "minItems": count}
    alone = {"contains": {"const": field[_AGAIN]}}
    return {
        **field,
        "minItems": 1,
        "if": alone,
        "then": {"maxItems": 1},
        "else": {"minItems": count},
    }


def empty_response(schema: Schema) -> dict[str, Any]:
    """A response that fits a form and answers nothing: `GO_ON`, and anything for each field."""
    found: dict[str, Any] = {}
    for name in schema.get("required", ()):
        field = schema["properties"][name]
        if field.get("type") == "array":
            found[name] = field["items"]["enum"][: field["maxItems"]]
        else:
            found[name] = field["enum"][0] if "enum" in field else "-"
    return {**found, GO_ON: True}


def chosen_values(schema: Schema, response: Schema) -> dict[QuestionName, Answer]:
    """What was chosen in a form, whatever is asked now; empty for an `empty_response`."""
    if GO_ON in response:
        return {}
    fields: Schema = schema.get("properties", {})
    notes = {field[_NOTE]: response.get(name) for name, field in fields.items() if _NOTE in field}
    names = [_text(response.get(name)) for name, field in fields.items() if _SIGNS in field]
    found = {}
    for name, field in fields.items():
        if isinstance(asks := field.get(_ASKS), list) and name in response:
            step, key, number, turn = [*asks, 0, 0][:4]
            picked = _picked_keys(response[name], field.get(_AGAIN))
            signed = next(iter(names), "") or None
            found[step, key, number] = Answer(picked, _text(notes.get(name)), signed, "form", turn)
    return found


def _picked_keys(value: Any, none: str | None) -> tuple[str, ...]:
    """The choices of a field; empty for none of these."""
    listed = value if isinstance(value, list) and value else [value]
    if none is not None and listed == [none]:
        return ()
    return tuple(one if isinstance(one, str) else repr(one) for one in listed)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


class FormAnswers(NamedTuple):
    answers: tuple[AnswerGiven, ...]
    problems: tuple[str, ...]


def read_form(
    questions: Sequence[Question],
    state: State,
    chosen: Mapping[QuestionName, Answer],
    at: datetime | None = None,
) -> FormAnswers:
    """Reads what was chosen in a form, in its spelling; answers in the journal stay as they are."""
    asked = {(one.step, writable(one.key), one.round): one for one in questions}
    answers: list[AnswerGiven] = []
    problems: list[str] = []
    for (step, key, number), choice in chosen.items():
        name, question = answer_name(step, key), asked.get((step, key, number))
        if (known := state.answers.get(label(step, key))) is not None:
            if tuple(map(writable, known.chosen)) != choice.picked:
                problems.append(f"{name} is already answered with {', '.join(known.chosen)!r}")
        elif question is None:
            problems.append(f"{name} is no longer asked; {str(choice)!r} changes nothing")
        else:
            picked = tuple(question.spellings.get(one, one) for one in choice.picked)
            try:
                choice = check_answer(question, replace(choice, picked=picked))
                # An execution that ended without an end reads the same response again.
                if question.kind != "review" or not _was_given(state, question, choice):
                    answers.append(choice.event(question, at))
            except UsageError as error:
                problems.append(f"{error.message}; asking again")
    return FormAnswers(tuple(answers), tuple(problems))
