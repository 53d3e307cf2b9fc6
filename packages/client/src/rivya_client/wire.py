"""The base of all answers: frozen, tolerant models with bounds, and the types of their fields.

Only what a caller cannot do without is required; the contract promises that fields may be added,
and shows samples without some of them. An unknown number of credits is None, never 0. A field of
another shape has its default, so that one wrong field does not lose what was paid for.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from rivya_client.catalogue.catalogue import MAX_CREDITS, MAX_ID_LENGTH

MAX_WORD_LENGTH = 1_000  # characters of a name, a date or another short string
MAX_SENTENCE_LENGTH = 2_000  # characters of a message of the service; longer ones are cut
MAX_URL_LENGTH = 8_192  # characters of an address of a file
MAX_EXTRA_FIELDS = 64  # unknown fields of one object that are kept
MAX_EXTRA_LENGTH = 16_384  # characters of one unknown field, as JSON
_EXACT = 2**53  # JSON does not distinguish larger whole numbers
_MAX_DIGITS = 309  # of a whole number that is finite as a float


def is_id(value: Any) -> bool:
    """Whether a value is a valid id: 1 to `MAX_ID_LENGTH` printable characters.

    ``.`` and ``..`` are not: in an address they mean another path, however they are quoted.
    """
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_ID_LENGTH
        and value.isprintable()
        and value not in (".", "..")
    )


def _check_id(value: str) -> str:
    if not is_id(value):
        raise ValueError(f"is not an id of 1 to {MAX_ID_LENGTH} printable characters")
    return value


def _cut(text: str) -> str:
    # No database accepts NUL in a string.
    return text[:MAX_SENTENCE_LENGTH].replace("\0", "\ufffd")


def _whole(rounded: Callable[[Decimal], int]) -> BeforeValidator:
    """Credits as a whole number; decimals are often sent as strings."""

    def read(value: Any) -> Any:
        if isinstance(value, bool):
            return None
        try:
            number = Decimal(value if isinstance(value, str) else repr(value))
            # Rounding errors of binary fractions are not credits.
            return rounded(round(number, 6)) if number.is_finite() else None
        except (InvalidOperation, TypeError, ValueError):
            return value

    return BeforeValidator(read)


Id = Annotated[str, AfterValidator(_check_id)]
Word = Annotated[str, Field(max_length=MAX_WORD_LENGTH)]
Sentence = Annotated[str, AfterValidator(_cut)]
Address = Annotated[str, Field(max_length=MAX_URL_LENGTH)]
Count = Annotated[int, Field(ge=0, le=_EXACT)]
Seconds = Annotated[float, Field(ge=0, le=_EXACT, allow_inf_nan=False)]
Price = Annotated[float, Field(ge=0, le=MAX_CREDITS, allow_inf_nan=False)]
Cost = Annotated[int, _whole(math.ceil), Field(ge=0, le=MAX_CREDITS)]
"""Never shown too small."""

Balance = Annotated[int, _whole(math.floor), Field(ge=-_EXACT, le=_EXACT)]
"""Never shown too large."""


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
            known = _known_names(cls)
            unknown = (pair for pair in answer.items() if pair[0] not in known and _fits(*pair))
            model._extra = dict(itertools.islice(unknown, MAX_EXTRA_FIELDS))
        return model

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """The model of a JSON text.

        Half a character in it becomes U+FFFD, and a whole number with too many digits becomes
        infinite, which no field accepts.
        """
        try:
            return cls.model_validate_json(body)
        except ValidationError:
            # One character or number does not lose what was paid for.
            readable = readable_json(body)
            if readable == body:
                raise
            return cls.model_validate_json(readable)

    @classmethod
    def readable(cls, value: Any) -> Self | None:
        """The model of a JSON value; None if it has another shape."""
        try:
            return cls.model_validate(value)
        except ValidationError:
            return None


@functools.cache
def _known_names(model: type[WireModel]) -> frozenset[str]:
    """Names of the fields of a model, with their aliases."""
    names = set(model.model_fields)
    for field in model.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices):
            names |= set(map(str, field.validation_alias.choices))
    return frozenset(names)


def _fits(name: object, value: object) -> bool:
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


# JavaScript counts in UTF-16 units, so a piece of text may end in the middle of an emoji. JSON can
# spell such a half, a surrogate, as \ud83d; but no file, terminal or database accepts it.
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole character
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\.",
    re.DOTALL,
)


def whole_characters(text: str) -> tuple[str, str]:
    """A text with its halves joined, and a half at its end, which the next piece may complete.

    Any other single half becomes U+FFFD.
    """
    if text.isascii():
        return text, ""
    half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
    units = text.removesuffix(half).encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace"), half


def readable_json(body: bytes) -> bytes:
    """JSON in valid UTF-8 whose escapes spell whole characters; other ones become U+FFFD.

    A whole number of more than 309 digits becomes ``Infinity``, since no reader accepts it.
    """
    valid = body.decode(errors="replace").encode()
    whole = _ESCAPE.sub(lambda found: rb"\ufffd" if found["half"] else found[0], valid)
    if re.search(rb"(?<![0-9])[0-9]{%d}" % (_MAX_DIGITS + 1), whole):
        with contextlib.suppress(ValueError, RecursionError):
            return json.dumps(json.loads(whole, parse_int=_finite)).encode()
    return whole


def _finite(digits: str) -> int | float:
    if len(digits) <= _MAX_DIGITS:
        return int(digits)
    return -math.inf if digits.startswith("-") else math.inf
