"""Python functions as kinds of step, registered by the entry-point group ``rivya_flows.steps``.

The signature of a function defines what `with` takes; the model that it returns defines its
outputs. A check imports the function to read them, and never calls it.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from pydantic import BaseModel, RootModel, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from rivya_flows.assets import Asset
from rivya_flows.language.expressions.output_types import (
    ANY,
    BOOLEAN,
    NUMBER,
    TEXT,
    Shape,
    asset,
    list_of,
    map_of,
)
from rivya_flows.language.syntax.media_references import is_url
from rivya_flows.language.wording import shown
from rivya_flows.language.workflow import WITH_MODELS, FunctionWith, SpecModel, Value

GROUP = "rivya_flows.steps"
_RESERVED = ("key", "status", "credits")
_EXTRA: Mapping[str, type] = {"folder": Path, "idempotency_key": str}


class LocalAsset(Asset):
    """An asset as argument of a function.

    Attributes:
        path: The file on the machine that calls the function.
    """

    path: Path


@dataclass(frozen=True)
class Function:
    """A function that is a kind of step.

    Attributes:
        call: The function itself.
        arguments: What `with` takes, every value as written.
        takes: The type of each argument.
        shapes: What is known of a value that it takes, by argument.
        gives: The model that it returns; a field of type `Path` becomes an asset.
        extra: Arguments that it gets beside `takes`: ``folder``, an empty folder for its files,
            and ``idempotency_key``.
        credits: What one call costs; it buys at most once under one idempotency key.
    """

    name: str
    call: Callable[..., Any]
    arguments: type[FunctionWith]
    takes: Mapping[str, TypeAdapter[Any]]
    gives: type[BaseModel]
    extra: frozenset[str]
    credits: int
    shapes: Mapping[str, Shape]

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
            self.takes[name].validate_python(value)
        except ValidationError as error:
            return error
        return None


class BrokenFunctionError(Exception):
    """A registered function cannot be a step; the message says why."""


def names() -> tuple[str, ...]:
    """All kinds of step, the built-in ones first."""
    return (*WITH_MODELS, *(name for name in sorted(_registered()) if name not in WITH_MODELS))


def function_of(uses: Any) -> Function | None:
    """The registered function of that name, or None.

    Raises:
        BrokenFunctionError: It cannot be imported, or cannot be a step.
    """
    # Entry points are read only for kinds that are not built in.
    if not isinstance(uses, str) or uses in WITH_MODELS:
        return None
    entry = _registered().get(uses)
    return None if entry is None else _loaded(uses, entry)


def with_model(uses: Any) -> type[SpecModel] | None:
    """What `with` takes for a kind of step; None for an unknown kind or a broken function."""
    if not isinstance(uses, str):
        return None
    try:
        function = function_of(uses)
    except BrokenFunctionError:
        return None
    return function.arguments if function else WITH_MODELS.get(uses)


def output_model(uses: Any) -> type[BaseModel] | None:
    """The output model of a function; None for other kinds, and for a broken function."""
    try:
        function = function_of(uses)
    except BrokenFunctionError:
        return None
    return None if function is None else function.gives


def remote_file(value: Any) -> dict[str, str] | None:
    """The URL or the id of a file that a value names, as a map; else None.

    An asset that only the service holds has an id too.
    """
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


def _registered() -> Mapping[str, EntryPoint]:
    return _registered_on(tuple(sys.path))


@functools.lru_cache(maxsize=8)
def _registered_on(path: tuple[str, ...]) -> Mapping[str, EntryPoint]:
    """The registered entry points; cached, since reading every distribution takes a while."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


@functools.lru_cache(maxsize=256)
def _loaded(name: str, entry: EntryPoint) -> Function:
    try:
        call = entry.load()
    except Exception as error:  # a foreign module can raise anything
        raise BrokenFunctionError(
            f"{entry.value} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    return as_step(name, call)


def as_step(name: str, call: Any) -> Function:
    """A function as a kind of step.

    Raises:
        BrokenFunctionError: Its signature does not define its arguments and outputs.
    """
    if not callable(call):
        raise BrokenFunctionError(f"{shown(call)} is not a function")
    try:
        hints = typing.get_type_hints(call, include_extras=True)
        parameters = inspect.signature(call).parameters.values()
    except (NameError, TypeError, ValueError) as error:
        raise BrokenFunctionError(f"its type hints cannot be read: {error}") from error
    gives = hints.get("return")
    if not (inspect.isclass(gives) and issubclass(gives, BaseModel)):
        raise BrokenFunctionError("its return type is not a pydantic model")
    for field in _RESERVED:
        if field in gives.model_fields:
            raise BrokenFunctionError(f"its output {field!r} is a reserved name")
    takes: dict[str, TypeAdapter[Any]] = {}
    shapes: dict[str, Shape] = {}
    fields: dict[str, Any] = {}
    extra = frozenset(name for name, kind in _EXTRA.items() if hints.get(name) is kind)
    credits = _credits_of(call, extra)
    for one in parameters:
        if one.name in extra:
            continue
        if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY) or one.name not in hints:
            raise BrokenFunctionError(f"its argument {one.name!r} has no type hint or no name")
        try:
            takes[one.name] = TypeAdapter(hints[one.name])
        except (PydanticSchemaGenerationError, PydanticUserError) as error:
            message = f"its argument {one.name!r} has a type that pydantic does not support"
            raise BrokenFunctionError(message) from error
        shapes[one.name] = _taken(hints[one.name])
        # Every value may be an expression; the type is checked when it is known.
        fields[one.name] = (Value, ... if one.default is one.empty else None)
    try:
        arguments = create_model(f"{name}_with", __base__=FunctionWith, **fields)
    except (NameError, ValueError, PydanticUserError) as error:
        raise BrokenFunctionError(f"invalid argument name: {error}") from error
    return Function(name, call, arguments, takes, gives, extra, credits, shapes)


def _taken(annotation: Any) -> Shape:
    """The shape of a value for an argument; a model with validators may take others as well."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return ANY
    if origin in (list, tuple) and inner:
        return list_of(_taken(inner[0]))
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        reads_more = annotation.__pydantic_decorators__.model_validators
        return ANY if reads_more else shape_of(annotation)
    named = inspect.isclass(annotation) and issubclass(annotation, Path)
    return ANY if named else shape_of(annotation)


def _credits_of(call: Any, extra: frozenset[str]) -> int:
    credits = getattr(call, "credits", 0)
    if not isinstance(credits, int) or isinstance(credits, bool) or credits < 0:
        raise BrokenFunctionError(
            f"its `credits` must be a whole number of at least 0, not {shown(credits)}"
        )
    if credits and "idempotency_key" not in extra:
        # Without one, a crash between the purchase and its answer would buy twice.
        raise BrokenFunctionError("it costs credits, so it needs an `idempotency_key: str`")
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
