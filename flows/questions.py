"""The form of Prefect's resume dialog: one select for each open question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, cast

from prefect.input import RunInput
from pydantic import ConfigDict, Field, create_model

from rivya_flows.plan.actions import Question
from rivya_flows.plan.questions_form import fields, title, until

GO_ON = "$go_on"
"""In place of answers: the run looks anew at what it asks, as after a deadline. No field has it."""

_TAKEN = frozenset(dir(RunInput))


class _Form(RunInput):
    """What all forms share."""

    # A field may be called as a method of Prefect's once was, and GO_ON is no field.
    model_config = ConfigDict(extra="ignore", protected_namespaces=())


def fields_of(questions: Sequence[Question]) -> dict[str, Question]:
    """The questions by the names of their fields in the form."""
    return fields(questions, _TAKEN)


def form_of(questions: Sequence[Question]) -> type[RunInput]:
    """The form; Prefect's server refuses whatever does not fit it.

    Nothing is chosen beforehand: a person who looks at pictures has to choose one.
    """
    named = fields_of(questions)
    required = {"if": {"not": {"required": [GO_ON]}}, "then": {"required": list(named)}}

    def mend(schema: dict[str, Any]) -> None:
        del schema["required"]
        schema.update(required)

    annotations: Mapping[str, Any] = {name: (_field(one), ...) for name, one in named.items()}
    base = type("Answers", (_Form,), {"model_config": ConfigDict(json_schema_extra=mend)})
    return cast("type[RunInput]", create_model("Answers", __base__=base, **annotations))


def _field(question: Question) -> Any:
    return Annotated[
        Literal[question.choices],
        Field(title=title(question), description=until(question) or None),
    ]
