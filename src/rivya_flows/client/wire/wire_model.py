"""The base of all answers: frozen, tolerant models with bounds.

Only what a caller cannot do without is required; the contract promises that fields may be added,
and shows samples without some of them. An unknown number of credits is None, never 0. A field of
another shape has its default, so that one wrong field does not lose what was paid for.
"""

from __future__ import annotations

import functools
import itertools
import json
from typing import Any, ClassVar, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from rivya_flows.client.wire.fields import MAX_WORD_LENGTH
from rivya_flows.client.wire.surrogates import readable_json

MAX_EXTRA_FIELDS = 64
"""Unknown fields of one object that are kept."""

MAX_EXTRA_LENGTH = 16_384
"""Characters of one unknown field, as JSON."""


class WireModel(BaseModel):
    """Reads the fields that it knows, and keeps the others in `model_extra`.

    The service may add fields at any time. They are neither dumped nor shown by `repr`.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)
    keeps_extra: ClassVar[bool] = True

    _extra: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def model_extra(self) -> dict[str, Any]:
        """Unknown fields of the answer, unchanged; those beyond the bounds are left out.

        At most `MAX_EXTRA_FIELDS`, each with a name of at most `MAX_WORD_LENGTH` and at most
        `MAX_EXTRA_LENGTH` characters of JSON.
        """
        return self._extra

    @model_validator(mode="wrap")
    @classmethod
    def _keep_extra(cls, answer: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        model = read(answer)
        if cls.keeps_extra and isinstance(answer, dict):
            unknown = (item for item in answer.items() if item[0] not in _known(cls))
            model._extra = dict(itertools.islice(filter(_is_bounded, unknown), MAX_EXTRA_FIELDS))
        return model

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """The model of a JSON text.

        Half a character in it becomes U+FFFD, and a whole number with too many digits becomes
        infinite, which no field accepts.

        Raises:
            ValidationError: It is not JSON, or has another shape.
        """
        try:
            return cls.model_validate_json(body)
        except ValidationError:
            # One character or number does not lose what was paid for.
            readable = readable_json(body)
            if readable == body:
                raise
            return cls.model_validate_json(readable)


@functools.cache
def _known(model: type[WireModel]) -> frozenset[str]:
    """Names of the fields of a model, with their aliases."""
    names = set(model.model_fields)
    for field in model.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices):
            names |= set(map(str, field.validation_alias.choices))
    return frozenset(names)


def _is_bounded(item: tuple[Any, Any]) -> bool:
    name, value = item
    if not isinstance(name, str) or len(name) > MAX_WORD_LENGTH:
        return False
    try:
        return len(json.dumps(value)) <= MAX_EXTRA_LENGTH
    except (TypeError, ValueError, RecursionError):
        return False


class TolerantModel(WireModel):
    """A field that is absent or of another shape than expected has its default, if it has one."""

    @field_validator("*", mode="wrap")
    @classmethod
    def _default_for_another_shape(
        cls, value: Any, read: ValidatorFunctionWrapHandler, about: ValidationInfo
    ) -> Any:
        try:
            return read(value)
        except ValidationError:
            field = cls.model_fields[str(about.field_name)]
            if field.is_required():
                raise
            return field.default
