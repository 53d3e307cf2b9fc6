"""The fields that an answer must have, as `expect` declares them in the words of inputs.

Short forms are `string`, `[string]`, `{name: string}` and `[{name: string}]`; a map with a `type` declares a field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.expressions.output_types import (
    ANY,
    BOOLEAN,
    NUMBER,
    PROSE,
    TEXT,
    Shape,
    map_of,
)
from rivya_flows.language.expressions.values import is_number
from rivya_flows.language.input_values import SIZED, fit_value
from rivya_flows.language.patterns import pattern_error
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import preview
from rivya_flows.language.workflow import Input
from rivya_flows.similar_names import certain, nearest

SHORT = ("string", "text", "integer", "number", "boolean", "date")
"""Types that need nothing more."""

TYPES = (*SHORT, "enum", "list", "map")
KEYS = ("type", "description", "required", "values", "of", "fields", "min", "max", "pattern")
_TEXTS = ("string", "text")
_FORM = (
    "write string, integer, number, boolean or date, [string], {name: string}, or more of it, such as"
    " {type: enum, values: [a, b]}"
)


UNREAD = {"type": "unread"}
"""Stands for the declaration in a file that could not be read, which was reported."""


class AnswerFieldError(ValueError):
    """A value is not as its field declares; the message says where."""


@dataclass(frozen=True)
class AnswerField:
    """One field of an answer.

    Attributes:
        type: One of `TYPES`.
        required: Whether it must be there; if not, it may be null or missing, and is null then.
        values: Of an enum.
        min: Least number, characters or items.
        max: Greatest number, characters or items.
        member: Of a list.
        fields: Of a map.
    """

    type: str
    required: bool = True
    description: str | None = None
    values: tuple[str | int | float | bool, ...] = ()
    min: float | None = None
    max: float | None = None
    pattern: str | None = None
    member: AnswerField | None = None
    fields: Mapping[str, AnswerField] = field(default_factory=dict)

    def shape(self, name: str = "") -> Shape:
        """What an expression sees; a text is words, but for `photo_url`."""
        match self.type:
            case "any":
                return ANY
            case "integer" | "number":
                return NUMBER
            case "boolean":
                return BOOLEAN
            case "enum" if all(isinstance(one, str) for one in self.values):
                return Shape("text", is_prose=True, values=tuple(map(str, self.values)))
            case "enum":
                same = len({type(one) for one in self.values}) == 1
                is_flag = isinstance(self.values[0], bool) if self.values else False
                return (BOOLEAN if is_flag else NUMBER) if same else ANY
            case "list":
                exact = self.min is not None and self.min == self.max
                member = self.member.shape() if self.member else ANY
                return Shape("list", member=member, length=int(self.min or 0) if exact else None)
            case "map":
                return map_of({name: one.shape(name) for name, one in self.fields.items()})
            case _:
                return TEXT if name.endswith("url") else PROSE

    def fit(self, value: Any, place: str = "") -> Any:
        """The value, with null for fields that may be missing and are.

        Raises:
            AnswerFieldError: It does not fit.
        """
        where = place or "the answer"
        if self.type == "map":
            if not isinstance(value, dict):
                raise AnswerFieldError(f"{where} must be an object")
            return {**value, **dict(self._fit_fields(value, place))}
        if self.type == "list":
            if not isinstance(value, list):
                raise AnswerFieldError(f"{where} must be a list")
            self._fit_value(value, where, "list")
            if self.member is None:
                return value
            return [self.member.fit(one, f"{place}[{n}]") for n, one in enumerate(value)]
        if self.type == "any":
            return value
        return self._fit_value(value, where, "text" if self.type == "string" else self.type)

    def _fit_fields(self, value: Mapping[str, Any], place: str) -> Iterator[tuple[str, Any]]:
        for name, one in self.fields.items():
            inner = f"{place}.{name}" if place else name
            if value.get(name) is None and not one.required:
                yield name, None
            elif name not in value:
                raise AnswerFieldError(f"{inner} is missing")
            else:
                yield name, one.fit(value[name], inner)

    def _fit_value(self, value: Any, where: str, kind: Any) -> Any:
        declared = Input(
            type=kind, values=self.values, min=self.min, max=self.max, pattern=self.pattern
        )
        try:
            return fit_value(declared, value, None, False)
        except ValueError as error:
            raise AnswerFieldError(f"{where}: {error}") from error

    def json_schema(self) -> dict[str, Any]:
        """The same as JSON Schema, for a model to read."""
        made: dict[str, Any] = {} if self.description is None else {"description": self.description}
        bounds = {"min": self.min, "max": self.max}
        if self.type == "map":
            required = [name for name, one in self.fields.items() if one.required]
            fields = {name: one.json_schema() for name, one in self.fields.items()}
            made |= {"type": "object", "properties": fields, "required": required}
        elif self.type == "enum":
            made |= {"enum": [*self.values]}
        elif self.type == "list":
            made |= {"type": "array", "items": self.member.json_schema() if self.member else {}}
        elif self.type == "date":
            made |= {"type": "string", "format": "date"}
        else:
            made |= {"type": "string" if self.type in _TEXTS else self.type}
        if self.pattern is not None:
            made["pattern"] = f"^(?:{self.pattern})$"
        names = {"list": "{}Items", "string": "{}Length", "text": "{}Length"}
        named = names.get(self.type, "{}imum")
        given = {named.format(key): one for key, one in bounds.items() if one is not None}
        return made | {key: int(one) if one % 1 == 0 else one for key, one in given.items()}


def is_short(written: Any) -> bool:
    """Whether an `expect` has short forms alone."""
    if isinstance(written, Mapping):
        return not _is_declaration(written) and all(map(is_short, written.values()))
    if isinstance(written, list | tuple):
        return all(map(is_short, written))
    return True


def read_expect(written: Any) -> tuple[AnswerField, tuple[Diagnostic, ...]]:
    """The object that `expect` declares, and what is wrong with it; what is wrong may be anything in an answer."""
    found: list[Diagnostic] = []
    if written == UNREAD or not isinstance(written, Mapping):
        return AnswerField("any"), ()
    is_map = written.get("type") == "map" and "fields" in written
    made = _read(written, (), found) if is_map else _map(written, (), found)
    return made, tuple(found)


def _is_declaration(part: Mapping[str, Any]) -> bool:
    return isinstance(part.get("type"), str)


def _read(part: Any, path: Path, found: list[Diagnostic]) -> AnswerField:
    anything = AnswerField("any")
    if isinstance(part, Mapping):
        if _is_declaration(part):
            return _read_declaration(part, path, found)
        return _map(part, path, found)
    if isinstance(part, list | tuple):
        if len(part) == 1 and isinstance(part[0], str | Mapping):
            return AnswerField("list", member=_read(part[0], (*path, 0), found))
        message = "a list has one type for all its items: [string], or [{name: string}]"
        hint = _FORM
        if part and all(isinstance(one, str | int | float) for one in part):
            message = "these are several values, and a list in `expect` has the type of its items"
            hint = f"for one of them write {{type: enum, values: [{', '.join(map(str, part))}]}}"
        found.append(Diagnostic("bad-expect", message, hint, path=path))
        return anything
    if part in SHORT:
        return AnswerField(part)
    message, sure = f"a field of an answer has a type, and {preview(part)} is none", None
    hint = _FORM
    if part == "enum":
        message, hint = "an enum needs its values", "write {type: enum, values: [a, b]}"
    elif part in ("list", "map"):
        message = f"a {part} needs what is in it"
        hint = "write [string]" if part == "list" else "write {name: string}"
    elif isinstance(part, str):
        sure, near = certain(part, SHORT), nearest(part, SHORT)
        hint = f"did you mean {near!r}? {_FORM}" if near else _FORM
        if part.endswith("?"):
            hint = f"write {{type: {part[:-1]}, required: false}}"
    found.append(Diagnostic("bad-expect", message, hint, path=path, instead=sure))
    return anything


def _map(part: Mapping[str, Any], path: Path, found: list[Diagnostic]) -> AnswerField:
    if not part:
        message = "'expect' is empty" if not path else "a map needs fields"
        found.append(Diagnostic("bad-expect", message, "write {name: string}", path=path))
    for name in part:
        if not name.isidentifier() or len(name) > 64:
            message = f"{preview(name)} is not a valid name for a field"
            hint = "letters, digits and _, starting with a letter"
            found.append(Diagnostic("bad-name", message, hint, path=(*path, name)))
    fields = {name: _read(inner, (*path, name), found) for name, inner in part.items()}
    return AnswerField("map", fields=fields)


def _read_declaration(part: Mapping[str, Any], path: Path, found: list[Diagnostic]) -> AnswerField:
    def wrong(key: str, message: str, hint: str, *, code: str = "bad-expect") -> None:
        at = (*path, key) if key in part else path
        sure = certain(key, KEYS) if code == "unknown-key" else None
        found.append(
            Diagnostic(code, message, hint, path=at, at_key=code == "unknown-key", instead=sure)
        )

    kind = part["type"]
    of = part.get("of") if kind == "list" else kind
    if kind not in TYPES:
        near = nearest(str(kind), TYPES)
        hint = f"did you mean {near!r}?" if near else f"one of {', '.join(TYPES)}"
        wrong("type", f"an answer has no type {preview(kind)}", hint)
        return AnswerField("any")
    for key in part:
        if key not in KEYS:
            hint = f"there are: {', '.join(KEYS)}; a field with the name 'type' needs"
            hint += " {type: map, fields: {type: string}}"
            if key == "default":
                hint = "write `required: false`, and `| default(…)` where you use it"
            wrong(key, f"unknown key {preview(key)} of a field", hint, code="unknown-key")
    for key, needed in (("values", ("enum",)), ("fields", ("map",)), ("pattern", _TEXTS)):
        if key in part and of not in needed:
            message = f"{key!r} belongs to a field of type {needed[0]}"
            wrong(key, message, f"write `type: {needed[0]}`")
    if kind == "list" and of not in TYPES:
        hint = "add `of: string`, or `of: map` with `fields:`"
        wrong("of", "a list needs the type of its items", hint)
    if kind == "list" and of == "list":
        hint = "write `of: map` with a field for each"
        wrong("of", "a list of lists has no name for its parts", hint)
    values = part.get("values", ())
    if of == "enum" and not _are_choices(values):
        wrong("values", "an enum needs a list of values", "write `values: [a, b]`")
        values = ()
    fields = part.get("fields")
    if of == "map" and not (isinstance(fields, Mapping) and fields):
        wrong("fields", "a map needs fields", "write `fields: {name: string}`")
        fields = {}
    pattern = part.get("pattern")
    why = "it is no text" if not isinstance(pattern, str) else pattern_error(pattern)
    if pattern is not None and why and of in _TEXTS:
        wrong("pattern", f"the pattern is not valid: {why}", "mend it")
        pattern = None
    if not isinstance(part.get("required", True), bool):
        wrong("required", "'required' is true or false", "write `required: false`")
    least, most = (_bound(part, key, kind, wrong) for key in ("min", "max"))
    if least is not None and most is not None and least > most:
        wrong("max", f"'max' is less than 'min': {most:g} < {least:g}", "swap them")
    member = None
    if kind == "list" and of in TYPES and of != "list":
        mapped = _map(fields, (*path, "fields"), found).fields if of == "map" and fields else {}
        choices = tuple(values) if of == "enum" else ()
        member = AnswerField(of, values=choices, fields=mapped, pattern=pattern)
    about = part.get("description")
    return AnswerField(
        kind,
        part.get("required") is not False,
        about if isinstance(about, str) else None,
        tuple(values) if kind == "enum" else (),
        least,
        most,
        pattern if kind != "list" else None,
        member,
        _map(fields, (*path, "fields"), found).fields if kind == "map" and fields else {},
    )


def _are_choices(values: Any) -> bool:
    is_list = isinstance(values, list | tuple) and len(values) > 0
    return is_list and all(isinstance(one, str | int | float) for one in values)


def _bound(part: Mapping[str, Any], key: str, kind: str, wrong: Any) -> float | None:
    bound: float | None = part.get(key)
    counts = kind in ("list", *_TEXTS)
    if bound is None:
        return None
    if kind not in SIZED:
        wrong(key, f"{key!r} has no meaning for {kind}", "remove it")
    elif is_number(bound) and not (counts and (bound < 0 or bound % 1)):
        return bound
    else:
        what = "whole number" if counts else "number"
        wrong(key, f"{key!r} must be a {what}, not {preview(bound)}", "write a number")
    return None
