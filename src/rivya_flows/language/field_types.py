"""The field types of all models of a spec."""

from __future__ import annotations

import re
from dataclasses import dataclass
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

from rivya_flows.language.expressions.values import Later
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
    """Whether a value is not known yet: an expression, or the `Later` of a plan."""
    if isinstance(value, Later):
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


def is_evaluated(field: FieldInfo) -> bool:
    """Whether the values of a field of `with` may have expressions in them."""
    return field.annotation is Any or any(isinstance(one, Computable) for one in field.metadata)
