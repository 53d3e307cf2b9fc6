"""The form of a run's questions, as JSON Schema, and what was chosen in one.

A select for each question, a note where none of these may be answered, and a name.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from rivya_flows.errors import UsageError
from rivya_flows.plans.names import label
from rivya_flows.questions.open_questions import MAX_NAME
from rivya_flows.questions.question import Answer, Question, QuestionName, answer_name, writable
from rivya_flows.questions.reading_answers import checked
from rivya_flows.queue.events import AnswerGiven
from rivya_flows.queue.state import State

GO_ON = "$go_on"
"""Sent instead of answers: the run checks its journal and asks again. No field has this name."""

NONE = "none of these"
"""The choice that has the candidates bought again, unless a candidate has this key."""

_ASKS, _NONE, _NOTE, _SIGNS = "x-question", "x-none", "x-note", "x-signature"

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
        if question.rounds_left and question.note_room:
            fields[_free(f"{name}_note", {*names, *fields})] = {
                "title": f"What should be different, if none of these ({name})",
                "type": "string",
                "default": "",
                "maxLength": question.note_room,
                _NOTE: name,
            }
    signed, required = _free("signed_by", fields), [*names]
    fields[signed] = {"title": "Your name", "type": "string", "maxLength": MAX_NAME, _SIGNS: True}
    if any(one.sign for one in questions):
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
    name = [question.step, writable(question.key), *filter(None, [question.round])]
    field: dict[str, Any] = {"title": question.title, _ASKS: name}
    if question.rounds_left:
        none = NONE
        while none in choices:
            none += "."
        choices.append(none)
        field[_NONE] = none
    select = {"type": "string", "enum": choices}
    if count == 1:
        return {**field, **select}
    field |= {"type": "array", "items": select, "uniqueItems": True, "maxItems": count}
    if not question.rounds_left:
        return {**field, "minItems": count}
    alone = {"contains": {"const": field[_NONE]}}
    return {
        **field,
        "minItems": 1,
        "if": alone,
        "then": {"maxItems": 1},
        "else": {"minItems": count},
    }


def empty_response(schema: Schema) -> dict[str, Any]:
    """A response that fits a form and answers nothing: `GO_ON`, and anything for each field."""
    fields: Schema = schema.get("properties", {})
    return {**{name: _anything(fields[name]) for name in schema.get("required", ())}, GO_ON: True}


def _anything(field: Schema) -> Any:
    if field.get("type") == "array":
        return field["items"]["enum"][: field["maxItems"]]
    return field["enum"][0] if "enum" in field else "-"


def chosen_values(schema: Schema, response: Schema) -> dict[QuestionName, Answer]:
    """What was chosen in a form, by step, key and round; empty for an `empty_response`.

    The questions of the form may differ from those open now.
    """
    if GO_ON in response:
        return {}
    fields: Schema = schema.get("properties", {})
    notes = {field[_NOTE]: response.get(name) for name, field in fields.items() if _NOTE in field}
    names = [_text(response.get(name)) for name, field in fields.items() if _SIGNS in field]
    found = {}
    for name, field in fields.items():
        if isinstance(asks := field.get(_ASKS), list) and name in response:
            step, key, number = [*asks, 0][:3]
            picked = _picked(response[name], field.get(_NONE))
            signed = next(iter(names), "") or None
            found[step, key, number] = Answer(picked, _text(notes.get(name)), signed, "form")
    return found


def _picked(value: Any, none: str | None) -> tuple[str, ...]:
    """The choices of a field; empty for none of these."""
    listed = value if isinstance(value, list) and value else [value]
    if none is not None and listed == [none]:
        return ()
    return tuple(one if isinstance(one, str) else repr(one) for one in listed)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


class FormAnswers(NamedTuple):
    """The content of a filled-in form."""

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
                choice = checked(question, replace(choice, picked=picked))
                answers.append(choice.event(question, at))
            except UsageError as error:
                problems.append(f"{error.message}; asking again")
    return FormAnswers(tuple(answers), tuple(problems))
