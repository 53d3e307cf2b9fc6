"""The form of Prefect's resume dialog: one select for each open question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, cast

from prefect.input import RunInput
from pydantic import ConfigDict, Field, create_model

from rivya_flows.planning.questions.form import choices_of, fields, title, writable
from rivya_flows.planning.queue.actions import Question

GO_ON = "$go_on"
"""In place of answers: the run looks anew at what it asks, as after a deadline. No field has it."""

_ASKS = "x-question"
_TAKEN = frozenset(dir(RunInput))


class _Form(RunInput):
    """What all forms share."""

    # GO_ON is no field of theirs, and a step may be called as one of pydantic's methods begins.
    model_config = ConfigDict(extra="ignore", protected_namespaces=())


def form_of(questions: Sequence[Question]) -> type[RunInput]:
    """The form; Prefect's server refuses whatever does not fit it.

    Nothing is chosen beforehand: a person who looks at pictures has to choose one.
    """
    named = {name: (_field(one), ...) for name, one in fields(questions, _TAKEN).items()}
    annotations: Mapping[str, Any] = named
    return cast("type[RunInput]", create_model("Answers", __base__=_Form, **annotations))


def nothing_chosen(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What fits a form and answers nothing: `GO_ON`, and some choice for each field.

    Args:
        schema: Of the form, as `form_of` made it.
    """
    fill = {name: field["enum"][0] for name, field in schema.get("properties", {}).items()}
    return {**fill, GO_ON: True}


def chosen(schema: Mapping[str, Any], response: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """The values in a filled-in form, by step and key; none where nobody filled it in.

    A form may ask more than is open by now, and less.

    Args:
        schema: Of that very form.
        response: Values by its fields.
    """
    if GO_ON in response:
        return {}
    asked = {name: field.get(_ASKS) for name, field in schema.get("properties", {}).items()}
    return {
        (asks[0], asks[1]): response[name]
        for name, asks in asked.items()
        if isinstance(asks, list) and name in response
    }


def _field(question: Question) -> Any:
    choices = tuple(choices_of(question))
    return Annotated[
        Literal[choices],
        Field(
            title=title(question),
            json_schema_extra={
                # Also where there is one choice alone, of which pydantic makes a constant.
                "enum": list(choices),
                _ASKS: [question.step, writable(question.key)],
            },
        ),
    ]
