"""The form of Prefect's resume dialog: one select for each open question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, cast

from prefect.input import RunInput
from pydantic import ConfigDict, Field, create_model

from rivya_flows.planning.questions.open_questions import choices_of, writable
from rivya_flows.planning.questions.presentation import form_fields, title
from rivya_flows.planning.queue.actions import Question

GO_ON = "$go_on"
"""Sent instead of answers: the run checks its journal and asks again. No field has this name."""

_ASKS = "x-question"
_TAKEN = frozenset(dir(RunInput))


class _Form(RunInput):
    """The base of all forms."""

    # GO_ON is not a field, and a step's name may begin like a pydantic method.
    model_config = ConfigDict(extra="ignore", protected_namespaces=())


def resume_form(questions: Sequence[Question]) -> type[RunInput]:
    """The form; Prefect's server rejects a response that does not fit it.

    No field has a default: a person has to choose.
    """
    named = {name: (_field(one), ...) for name, one in form_fields(questions, _TAKEN).items()}
    annotations: Mapping[str, Any] = named
    return cast("type[RunInput]", create_model("Answers", __base__=_Form, **annotations))


def empty_response(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A response that fits a form and answers nothing: `GO_ON`, and any choice for each field.

    Args:
        schema: The JSON Schema of the form.
    """
    fill = {name: field["enum"][0] for name, field in schema.get("properties", {}).items()}
    return {**fill, GO_ON: True}


def chosen_values(
    schema: Mapping[str, Any], response: Mapping[str, Any]
) -> dict[tuple[str, str], Any]:
    """The values of a filled-in form by step and key; empty for an `empty_response`.

    The questions of the form may differ from those open now.

    Args:
        schema: The JSON Schema of the form that was filled in.
        response: Values by field.
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
                # pydantic writes a single choice as `const`.
                "enum": list(choices),
                _ASKS: [question.step, writable(question.key)],
            },
        ),
    ]
