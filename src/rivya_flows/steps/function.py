"""Python functions as kinds of step: their signature defines `with` and outputs. A check never calls one."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, RootModel, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from rivya_flows.assets import Asset
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.expressions.inference import TEXTS
from rivya_flows.language.expressions.output_types import (
    ANY,
    BOOLEAN,
    NUMBER,
    PROSE,
    TEXT,
    Kind as ShapeKind,
    Shape,
    asset,
    has_unknown,
    list_of,
    map_of,
)
from rivya_flows.language.field_types import SpecModel, Takes, Value
from rivya_flows.language.syntax.media_references import is_url
from rivya_flows.language.wording import preview
from rivya_flows.steps.arguments import (
    Arguments,
    World,
    file_list_problems,
    word_problems,
    written_shape,
    wrong_shape,
)
from rivya_flows.steps.kind import Kind, Names
from rivya_flows.steps.request import ItemRequest

_RESERVED = ("key", "status", "credits")
_EXTRA: Mapping[str, type] = {"folder": Path, "idempotency_key": str}


class LocalAsset(Asset):
    """An asset as argument of a function.

    Attributes:
        path: The file on the machine that calls the function.
    """

    path: Path


class BrokenKindError(Exception):
    """What is registered cannot be a kind of step; the message says why."""


class Function(Kind):
    """A function that is a kind of step.

    Attributes:
        types: The type of each argument.
        shapes: What is known of a value that it takes, by argument.
        result: The model that it returns; a field of type `Path` becomes an asset.
        extra: Which of ``folder``, an empty one for its files, and ``idempotency_key`` it gets too.
        credits: What one call costs; it buys at most once under one idempotency key.
    """

    price_note = "the function's own price"

    def __init__(self, name: str, call: Any) -> None:
        """Reads the signature; raises a `BrokenKindError` if it does not define a kind."""
        if not callable(call):
            raise BrokenKindError(f"{preview(call)} is not a function")
        try:
            hints = typing.get_type_hints(call, include_extras=True)
            parameters = inspect.signature(call).parameters.values()
        except (NameError, TypeError, ValueError) as error:
            raise BrokenKindError(f"its type hints cannot be read: {error}") from error
        gives = hints.get("return")
        if not (inspect.isclass(gives) and issubclass(gives, BaseModel)):
            raise BrokenKindError("its return type is not a pydantic model")
        for field in _RESERVED:
            if field in gives.model_fields:
                raise BrokenKindError(f"its output {field!r} is a reserved name")
        self.uses, self.call, self.result = name, call, gives
        self.says = (call.__doc__ or "").strip().partition("\n")[0]
        self.outputs = tuple(gives.model_fields)
        self.extra = frozenset(name for name, kind in _EXTRA.items() if hints.get(name) is kind)
        self.credits = _credits_of(call, self.extra)
        self.is_for_results = self.credits > 0
        self.types: dict[str, TypeAdapter[Any]] = {}
        self.shapes: dict[str, Shape] = {}
        fields: dict[str, Any] = {}
        for one in parameters:
            if one.name in self.extra:
                continue
            named = one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
            if not named or one.name not in hints:
                raise BrokenKindError(f"its argument {one.name!r} has no type hint or no name")
            try:
                self.types[one.name] = TypeAdapter(hints[one.name])
            except (PydanticSchemaGenerationError, PydanticUserError) as error:
                message = f"its argument {one.name!r} has a type that pydantic does not support"
                raise BrokenKindError(message) from error
            self.shapes[one.name] = _argument_shape(hints[one.name])
            # Every value may be an expression; the type is checked when it is known.
            default = ... if one.default is one.empty else None
            fields[one.name] = (Annotated[Value, Takes()], default)
        try:
            self.takes = create_model(f"{name}_with", __base__=SpecModel, **fields)
        except (NameError, ValueError, PydanticUserError) as error:
            raise BrokenKindError(f"invalid argument name: {error}") from error

    def request(self, given: Arguments, world: World) -> ItemRequest | None:
        for name, value in given.values.items():
            if given.is_written:
                given.report(self._shape_problems(name, value))
            if not has_unknown(value) and (error := self.error_in(name, value)):
                given.problem("wrong-value", error, _HINT.format(repr(self.uses)), name)
        return super().request(given, world)

    def gives(self, arguments: Mapping[str, Any], names: Names) -> Shape:
        fields = shape_of(self.result).fields or {}
        return map_of({**fields, "status": PROSE, "credits": NUMBER})

    def form_of(self, argument: str) -> dict[str, Any] | None:
        form = self.types[argument].json_schema()
        own = {"anyOf": [form, {"$ref": "#/$defs/expression"}]}
        return {} if "$defs" in form else own  # any form if its type contains other models

    def _shape_problems(self, name: str, value: Any) -> Iterator[Diagnostic]:
        """Why an argument does not take a computed value."""
        wanted, shape = self.shapes.get(name, ANY), written_shape(value)
        fits = _TAKEN.get(wanted.kind, ())
        fields = shape.fields if wanted.kind == "asset" and shape.kind == "map" else {}
        lacks = fields is not None and bool(fields) and "sha256" not in fields
        if fits and (lacks or shape.kind not in ("any", *fits)):
            yield wrong_shape((name,), shape, (wanted.kind,))
        elif wanted.kind == "asset":
            yield from word_problems(name, shape, (name,))
        elif wanted.member is not None and wanted.member.kind == "asset":
            yield from file_list_problems(name, value)

    def error_in(self, name: str, value: Any) -> str | None:
        """The error in a value of an argument, or None."""
        error = self._refusal(name, value)
        if error is None or self._refusal(name, _as_if_fetched(value)) is None:
            return None
        first = error.errors(include_url=False)[0]
        place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in first["loc"])
        message = first["msg"]
        return f"{name}{place}: {message[:1].lower()}{message[1:]}"

    def wants_files(self, name: str, value: Any) -> bool:
        """Whether a value fits an argument only when the files that it names are fetched."""
        fetched = _as_if_fetched(value)
        return bool(self._refusal(name, value)) and not self._refusal(name, fetched)

    def _refusal(self, name: str, value: Any) -> ValidationError | None:
        try:
            self.types[name].validate_python(value)
        except ValidationError as error:
            return error
        return None


def remote_file(value: Any) -> dict[str, str] | None:
    """The URL or the id of a file that a value names, as a map, also of an asset of the service; else None."""
    if isinstance(value, str):
        value = {"url": value} if is_url(value) else None
    if not isinstance(value, dict) or value.get("sha256"):
        return None
    if isinstance(value.get("file_id"), str):
        return {"file_id": value["file_id"]}
    return value if set(value) == {"url"} else None


def _as_if_fetched(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_if_fetched(one) for one in value]
    if remote_file(value) is None:
        return value
    return {"kind": "image", "path": "fetched", "sha256": ""}


_TAKEN: Mapping[ShapeKind, tuple[ShapeKind, ...]] = {
    "asset": ("asset", "text", "map"),
    "list": ("list",),
    "map": ("map", "asset"),
    **dict.fromkeys(TEXTS, TEXTS),
}
"""The kinds of value that fit an argument: text may be a URL or a number."""

_HINT = "write a value that the function {} takes, or an expression"


def _argument_shape(annotation: Any) -> Shape:
    """The shape of a value for an argument; a model with validators may take others as well."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return ANY
    if origin in (list, tuple) and inner:
        return list_of(_argument_shape(inner[0]))
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        reads_more = annotation.__pydantic_decorators__.model_validators
        return ANY if reads_more else shape_of(annotation)
    named = inspect.isclass(annotation) and issubclass(annotation, Path)
    return ANY if named else shape_of(annotation)


def _credits_of(call: Any, extra: frozenset[str]) -> int:
    credits = getattr(call, "credits", 0)
    if not isinstance(credits, int) or isinstance(credits, bool) or credits < 0:
        raise BrokenKindError(
            f"its `credits` must be a whole number of at least 0, not {preview(credits)}"
        )
    if credits and "idempotency_key" not in extra:
        # Without one, a crash between the purchase and its answer would buy twice.
        raise BrokenKindError("it costs credits, so it needs an `idempotency_key: str`")
    return credits


def shape_of(annotation: Any) -> Shape:
    """What is known of a value of that type."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return shape_of(inner[0])
    if origin in (typing.Union, types.UnionType):
        some = [one for one in inner if one is not type(None)]
        return shape_of(some[0]) if len(some) == 1 else ANY
    if origin in (list, tuple) and inner:
        return list_of(shape_of(inner[0]))
    if not inspect.isclass(annotation):
        return ANY
    if issubclass(annotation, Path | Asset):
        return asset()
    if issubclass(annotation, RootModel):
        return shape_of(annotation.model_fields["root"].annotation)
    if issubclass(annotation, BaseModel):
        return map_of({n: shape_of(f.annotation) for n, f in annotation.model_fields.items()})
    for kind, shape in ((bool, BOOLEAN), (int, NUMBER), (float, NUMBER), (str, TEXT)):
        if issubclass(annotation, kind):
            return shape
    return ANY
