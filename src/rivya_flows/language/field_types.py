"""The field types of all models of a spec."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

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
from pydantic_core import core_schema

from rivya_flows.language.expressions.output_types import Kind, Unknown
from rivya_flows.language.syntax.durations import seconds
from rivya_flows.language.wording import shown

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

WHOLE = r"^\s*\$\{\{[\s\S]*\}\}\s*$"
"""Pattern of a text that is one expression; two in a row are left to `check`."""


def _quantity(value: Any) -> Any:
    if isinstance(value, bool) or not re.fullmatch(QUANTITY, str(value)):
        raise ValueError(f"{shown(value)} is not an amount; write a number, or one such as 4Gi")
    return value


Quantity = Annotated[int | float | str, BeforeValidator(_quantity)]
InputType = Literal[
    "string", "text", "integer", "number", "boolean", "enum", "list", "date", "file", "secret"
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
            self.checked, handler(source), serialization=core_schema.simple_ser_schema("any")
        )

    def checked(
        self,
        value: Any,
        validate: core_schema.ValidatorFunctionWrapHandler,
        info: ValidationInfo,
    ) -> Any:
        """The value, checked unless it is not known yet."""
        return value if is_later(value, info) else validate(value)


COMPUTABLE = Computable()


@dataclass(frozen=True)
class Takes:
    """What an argument takes whose type is `Value`.

    Attributes:
        kinds: The kinds of value that fit; empty for any.
        choices: All values, if it is one of a few.
        is_file: Whether it is a file, or a list of files.
        media: The kinds of media that a file may be; empty for any.
        address: What it takes instead of words, and how that is written; None for a file or a text.
        is_examined: Whether its kind of step examines literals itself.
        hint: How a literal is written.
        instead: What to write instead of a computed value of another kind, by that kind; ``VALUE`` is the
            expression.
        schema: Its form in the JSON Schema; None for the one that follows from `kinds`.
    """

    kinds: tuple[Kind, ...] = ()
    choices: tuple[str, ...] = ()
    is_file: bool = False
    media: tuple[str, ...] = ()
    address: tuple[str, str] | None = None
    is_examined: bool = False
    hint: str | None = None
    instead: Mapping[Kind, str] = field(default_factory=dict, hash=False)
    schema: Mapping[str, Any] | None = field(default=None, hash=False)

    @property
    def is_sent(self) -> bool:
        """Whether a text is sent as it is written: one that names something was probably meant as an
        expression.
        """
        return not (self.choices or self.is_examined or self.kinds in (("map",), ("boolean",)))


def is_evaluated(field: FieldInfo) -> bool:
    """Whether the values of a field of `with` may have expressions in them."""
    return field.annotation is Any or any(isinstance(one, Computable) for one in field.metadata)
