"""The form of Prefect's resume dialog: one select for each open question, a note, and a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, cast

from prefect.input import RunInput
from pydantic import ConfigDict, Field, create_model

from rivya_flows.planning.questions.open_questions import MAX_NAME
from rivya_flows.planning.questions.presentation import form_fields
from rivya_flows.planning.questions.question import Answer, Question, QuestionName, writable

GO_ON = "$go_on"
"""Sent instead of answers: the run checks its journal and asks again. No field has this name."""

NONE = "none of these"
"""The choice that has the candidates bought again, unless a candidate has this key."""

_ASKS, _NONE, _NOTE, _SIGNS = "x-question", "x-none", "x-note", "x-signature"
_TAKEN = frozenset(dir(RunInput))


class _Form(RunInput):
    """The base of all forms."""

    # GO_ON is not a field, and a step's name may begin like a pydantic method.
    model_config = ConfigDict(extra="ignore", protected_namespaces=())


def resume_form(questions: Sequence[Question]) -> type[RunInput]:
    """The form; Prefect's server rejects a response that does not fit it.

    No question has a default: a person has to choose.
    """
    asked = form_fields(questions, _TAKEN)
    named: dict[str, Any] = {}
    for name, question in asked.items():
        named[name] = (_field(question), ...)
        if question.rounds_left and question.note_room:
            named[_free(f"{name}_note", {*asked, *named})] = (_note(question, name), "")
    signs = any(one.sign for one in questions)
    named[_free("signed_by", named)] = (_signature(signs), ... if signs else "")
    return cast("type[RunInput]", create_model("Answers", __base__=_Form, **named))


def _free(name: str, taken: Any) -> str:
    while name in taken or name in _TAKEN:
        name += "_"
    return name


def empty_response(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A response that fits a form and answers nothing: `GO_ON`, and anything for each field."""
    fields: Mapping[str, Any] = schema.get("properties", {})
    return {**{name: _anything(fields[name]) for name in schema.get("required", ())}, GO_ON: True}


def _anything(field: Mapping[str, Any]) -> Any:
    if field.get("type") == "array":
        return field["items"]["enum"][: field["maxItems"]]
    return field["enum"][0] if "enum" in field else "-"


def chosen_values(
    schema: Mapping[str, Any], response: Mapping[str, Any]
) -> dict[QuestionName, Answer]:
    """What was chosen in a form, by step, key and round; empty for an `empty_response`.

    The questions of the form may differ from those open now.
    """
    if GO_ON in response:
        return {}
    fields: Mapping[str, Any] = schema.get("properties", {})
    notes = {field[_NOTE]: response.get(name) for name, field in fields.items() if _NOTE in field}
    names = [response.get(name) for name, field in fields.items() if _SIGNS in field]
    name = next(map(_text, names), "") or None
    return {
        (asks[0], asks[1], asks[2] if len(asks) > 2 else 0): Answer(
            _picked(response[field], fields[field].get(_NONE)),
            _text(notes.get(field)),
            name,
            "form",
        )
        for field, asks in ((field, fields[field].get(_ASKS)) for field in fields)
        if isinstance(asks, list) and field in response
    }


def _picked(value: Any, none: str | None) -> tuple[str, ...]:
    """The choices of a field; empty for none of these."""
    listed = value if isinstance(value, list) and value else [value]
    if none is not None and listed == [none]:
        return ()
    return tuple(one if isinstance(one, str) else repr(one) for one in listed)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _field(question: Question) -> Any:
    choices = list(question.spellings)
    more: dict[str, Any] = {_ASKS: [question.step, writable(question.key)]}
    if question.round:
        more[_ASKS].append(question.round)
    if question.rounds_left:
        none = NONE
        while none in choices:
            none += "."
        choices.append(none)
        more[_NONE] = none
    one: Any = Literal[tuple(choices)]
    if question.count == 1:
        # pydantic writes a single choice as `const`.
        extra = {"enum": choices, **more}
        return Annotated[one, Field(title=question.title, json_schema_extra=extra)]
    least = 1 if question.rounds_left else question.count
    if question.rounds_left:
        alone = {"contains": {"const": more[_NONE]}}
        more |= {"if": alone, "then": {"maxItems": 1}, "else": {"minItems": question.count}}
    picked = Annotated[one, Field(json_schema_extra={"enum": choices})]
    return Annotated[
        list[picked],
        Field(
            title=question.title,
            min_length=least,
            max_length=question.count,
            json_schema_extra={"uniqueItems": True, **more},
        ),
    ]


def _note(question: Question, field: str) -> Any:
    return Annotated[
        str,
        Field(
            title=f"What should be different, if none of these ({field})",
            max_length=question.note_room,
            json_schema_extra={_NOTE: field},
        ),
    ]


def _signature(required: bool) -> Any:
    return Annotated[
        str,
        Field(
            title="Your name",
            min_length=1 if required else None,
            max_length=MAX_NAME,
            pattern=r"\S" if required else None,
            json_schema_extra={_SIGNS: True},
        ),
    ]
