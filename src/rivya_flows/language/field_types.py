"""The field types of all models of a spec."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    Strict,
    ValidationInfo,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import core_schema

from rivya_cut.durations import DURATION_FORMS, seconds_of
from rivya_flows.language.expressions.output_types import Kind, Unknown
from rivya_flows.language.wording import preview

_MAX_SECONDS = 400 * 86_400.0


def seconds(value: Any) -> Any:
    """The duration in seconds; another type is returned as is, for the model to refuse."""
    length = seconds_of(value)
    if isinstance(length, bool) or not isinstance(length, int | float):
        return value
    if not math.isfinite(length) or not 0 < length <= _MAX_SECONDS:
        raise ValueError(
            f"a duration must be more than 0 and at most 400 days, not {value!r}; "
            f"write {DURATION_FORMS}"
        )
    return float(length)


Value = Any
"""A JSON value; any part may be an expression."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
# Strict, or "no" would pass for false and "5" for five, and quotes would mean nothing.
Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Seconds = Annotated[float, Strict(), BeforeValidator(seconds)]
QUANTITY = r"^[0-9]{1,12}(\.[0-9]{1,3})?([kKmMgGtT]i?|b)?$"
"""How work pools write an amount of processors or memory: ``2``, ``500m``, ``4Gi``, ``1g``."""


COMPUTED = r"\$\{\{"
"""Pattern of a text with an expression in it."""


def _quantity(value: Any) -> Any:
    if isinstance(value, bool) or not re.fullmatch(QUANTITY, str(value)):
        raise ValueError(f"{preview(value)} is not an amount; write a number, or one such as 4Gi")
    return value


Quantity = Annotated[
    int | float | str, BeforeValidator(_quantity, json_schema_input_type=float | str)
]
InputType = Literal[
    "string",
    "text",
    "integer",
    "number",
    "boolean",
    "enum",
    "list",
    "map",
    "date",
    "file",
    "secret",
]
MediaKind = Literal["image", "video", "audio"]
Caching = Literal["off", "run", "spec"]


class SpecModel(BaseModel):
    """Rejects unknown keys, so a typo in a file is an error and not a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def is_later(value: Any, info: ValidationInfo | None = None) -> bool:
    """Whether a value is not known yet: an expression, or the `Unknown` of a plan."""
    if isinstance(value, Unknown):
        return True
    evaluated = info is not None and info.context  # see EVALUATED
    return not evaluated and isinstance(value, str) and "${{" in value


EVALUATED = {"evaluated": True}
"""Context of a validation of evaluated arguments: `${{` in them is text."""


@dataclass(frozen=True)
class Computable:
    """Marks a field that also takes an expression, and is evaluated."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        # Written as it is: an expression is not of the type of the field.
        return core_schema.with_info_wrap_validator_function(
            self.check_value, handler(source), serialization=core_schema.simple_ser_schema("any")
        )

    def check_value(
        self, value: Any, validate: core_schema.ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> Any:
        """The value, checked unless it is not known yet."""
        return value if is_later(value, info) else validate(value)


COMPUTABLE = Computable()


@dataclass(frozen=True)
class Takes:
    """What an argument takes whose type is `Value`.

    Attributes:
        kinds: The kinds of value that fit; empty for any, as are `choices` and `media`.
        is_file: Whether it is a file, or a list of files.
        address: What it takes instead of words, and how that is written; None for a file or a text.
        is_examined: Whether its kind of step examines literals itself.
        hint: How a literal is written.
        instead: What to write instead of a computed value, by its kind; ``VALUE`` is the expression.
    """

    kinds: tuple[Kind, ...] = ()
    choices: tuple[str, ...] = ()
    is_file: bool = False
    media: tuple[str, ...] = ()
    address: tuple[str, str] | None = None
    is_examined: bool = False
    hint: str | None = None
    instead: Mapping[Kind, str] = field(default_factory=dict, hash=False)

    @property
    def is_sent(self) -> bool:
        """Whether a text is sent as written: one that names something was meant as an expression."""
        return not (self.choices or self.is_examined or self.kinds in (("map",), ("boolean",)))


class SpecField(NamedTuple):
    """What a key of a map in a spec holds.

    Attributes:
        takes: What a computed value of it must be; None: the type of the field says it.
        inner: The model of the map in it, or of each map in its list; `by_name`: of each by its name.
    """

    info: FieldInfo
    takes: Takes | None
    inner: type[SpecModel] | None
    by_name: bool

    @property
    def is_evaluated(self) -> bool:
        """Whether its values may have expressions in them; apart from those of the maps inside."""
        marked = any(isinstance(one, Computable) for one in self.info.metadata)
        return marked or self.info.annotation is Any


@cache
def fields_of(model: type[BaseModel]) -> Mapping[str, SpecField]:
    """The keys of a map in a spec, as written; without fields that are no keys."""
    found: dict[str, SpecField] = {}
    for name, info in model.model_fields.items():
        if not any(type(one) is SkipJsonSchema for one in info.metadata):
            takes = next((one for one in info.metadata if isinstance(one, Takes)), None)
            by_name = get_origin(info.annotation) is dict
            held = get_args(info.annotation)[1] if by_name else info.annotation
            inner = _model_in(held, _AROUND if by_name else (*_AROUND, tuple))
            found[info.alias or name] = SpecField(info, takes, inner, by_name)
    return found


def keys_of(model: type[BaseModel]) -> tuple[str, ...]:
    """The keys of a map in a spec, as written."""
    return tuple(fields_of(model))


def _model_in(annotation: Any, around: tuple[Any, ...]) -> type[SpecModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        return None if annotation is SpecModel else annotation
    inside = get_args(annotation) if get_origin(annotation) in around else ()
    return next((found for one in inside if (found := _model_in(one, around))), None)


_AROUND = (Annotated, Union, UnionType)
"""What stands around the model of a map."""
