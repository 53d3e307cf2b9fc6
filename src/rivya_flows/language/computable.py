"""Makes the model of a map in a spec of a plain model: its values may be expressions too."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from pathlib import Path
from types import GenericAlias, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationInfo, create_model
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from rivya_cut.fields import DrawnText
from rivya_flows.language.expressions.output_types import Unknown
from rivya_flows.language.expressions.values import as_text, is_number
from rivya_flows.language.field_types import (
    COMPUTABLE,
    Computable,
    SpecModel,
    Takes,
    Value,
    is_later,
)


@dataclass(frozen=True)
class ComputableText(Computable):
    """Marks a drawn text, or an expression that gives one."""

    drawn: DrawnText

    def checked(
        self, value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        if is_later(value, info):
            if isinstance(value, Unknown) and value.least > self.drawn.limit:
                raise self.drawn.too_long(f"over {value.least:,}")
            return value
        return validate(as_text(value) if info.context and is_number(value) else value)


def computable(
    plain: type[BaseModel],
    name: str,
    about: str,
    *,
    parts: Mapping[Any, Any] | None = None,
    takes: Mapping[str, Takes] | None = None,
    literal: Collection[str] = (),
    without: Collection[str] = (),
    **instead: Any,
) -> type[SpecModel]:
    """The model of a map in a spec, of the plain model of the same thing.

    Its fields also take expressions, any value where the plain model has the path of a file, and None
    where it has a default of several values.

    Args:
        about: First paragraph of its docstring; the attributes are those of the plain model.
        parts: Types of a spec by those of the plain model, such as of the maps inside.
        takes: What arguments take, where that says more than the type.
        literal: Fields that take no expression.
        without: Fields that are no keys of a spec.
        **instead: Types of fields that are others in a spec.
    """
    fields: dict[str, Any] = {}
    for key, info in plain.model_fields.items():
        default: Any = ... if info.is_required() else info.default
        if key in instead:
            fields[key] = (instead[key], default)
        elif key not in without:
            kind = _of_spec(info.annotation, {Path: Value, **(parts or {})})
            marks = [] if kind is Value else [*info.metadata]
            if isinstance(default, tuple | BaseModel):
                kind, default = kind if kind is Value else kind | None, None
            if kind is not Value and key not in literal:
                texts = [ComputableText(one) for one in marks if isinstance(one, DrawnText)]
                marks += texts or [COMPUTABLE]
            marks += [takes[key]] if takes and key in takes else []
            fields[key] = (annotated(kind, *marks), default)
    _, _, attributes = inspect.cleandoc(plain.__doc__ or "").partition("\n\n")
    docstring = f"{about}\n\n{attributes}".replace("this file", "the spec")
    return create_model(name, __base__=SpecModel, __module__=__name__, __doc__=docstring, **fields)


def annotated(kind: Any, *marks: Any) -> Any:
    """The type with marks."""
    return Annotated[kind, *marks] if marks else kind


def _of_spec(plain: Any, parts: Mapping[Any, Any]) -> Any:
    """The type of a field of a spec, of that of the plain model."""
    if plain in parts:
        return parts[plain]
    origin, inside = get_origin(plain), get_args(plain)
    if origin not in (Annotated, Union, UnionType, tuple):
        return plain
    made = [one if one is ... else _of_spec(one, parts) for one in inside]
    if Value in made:
        return Value
    if origin is Annotated:
        return annotated(*made)
    if origin is tuple:
        return GenericAlias(tuple, (annotated(made[0], COMPUTABLE), ...))
    return reduce(or_, made)
