"""One value against the declaration of an input: as its type, or why it does not fit."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from rivya_flows.assets import Asset
from rivya_flows.language.diagnostic_report import suggest
from rivya_flows.language.expressions.values import is_number
from rivya_flows.language.patterns import MAX_PATTERN_WORK, matches, parts_of
from rivya_flows.language.secret_names import is_secret_name, refusal
from rivya_flows.language.syntax import source, tree
from rivya_flows.language.syntax.media_references import resolve
from rivya_flows.language.tables import NOTE
from rivya_flows.language.wording import an, preview
from rivya_flows.language.workflow import Input
from rivya_flows.similar_names import nearest

_TEXTUAL = ("string", "text", "enum", "date", "file", "secret")
_SHOWN_FIELDS = 4
SIZED = ("string", "text", "integer", "number", "list")


def fit_value(declared: Input, value: Any, root: Path | None, inside: bool) -> Any:
    fitted = convert(declared, value, root, inside)
    _check_bounds(declared, fitted)
    return fitted


_EXPECTED = {
    "string": "text",
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "list": "a list",
    "map": "a map",
    "date": "a date such as 2026-11-08",
}


def convert(declared: Input, value: Any, root: Path | None, inside: bool) -> Any:
    match declared.type, value:
        case "string" | "text", str():
            if declared.type == "string" and "\n" in value.strip("\n"):
                raise ValueError("expected one line; an input of type text takes several")
            return value
        case "boolean", bool():
            return value
        case "number", int() | float() if is_number(value) and abs(value) < math.inf:
            return value
        case "integer", int() | float() if is_number(value) and value % 1 == 0:
            return int(value)
        case "list", list() | tuple():
            return _members(declared, value, root, inside)
        case "map", Mapping():
            return _fields(declared, value, root, inside)
        case "date", datetime.date() if not isinstance(value, datetime.datetime):
            return value.isoformat()
        case "date", str():
            with suppress(ValueError):
                return datetime.date.fromisoformat(value).isoformat()
        case "enum", _:
            for choice in declared.values:
                if choice == value and isinstance(choice, bool) is isinstance(value, bool):
                    return choice
            raise ValueError(
                f"{preview(value)} is not one of {', '.join(map(str, declared.values))}"
            )
        case "secret", _:
            # The value may be the secret itself, so it is not shown.
            unnamed = "name the secret instead of writing its value: env:NAME or block:NAME"
            if reason := refusal(value) if is_secret_name(value) else unnamed:
                raise ValueError(reason)
            return value
        case "file", Asset():  # stored before, for another run
            return value.as_json()
        case "file", _:
            return resolve(value, kind=declared.kind, root=root, inside=inside)
    raise ValueError(f"expected {_EXPECTED[declared.type]}, not {preview(value)}")


def _members(declared: Input, value: Sequence[Any], root: Path | None, inside: bool) -> list[Any]:
    if declared.of is None:
        plain: list[Any] = to_jsonable_python(list(value))  # of Python, also tuples and dates
        return plain
    member, fitted = declared.member, []
    for index, part in enumerate(value):
        try:
            fitted.append(convert(member, part, root, inside))
        except ValueError as error:
            raise MisfitError(f"item {index + 1}", error, index, member, part) from error
    return fitted


def _fields(
    declared: Input, value: Mapping[str, Any], root: Path | None, inside: bool
) -> dict[str, Any]:
    """A map with each field that it may have; null are those that were left out."""
    fields = declared.fields
    for name in value:
        if name not in fields and not str(name).startswith(NOTE):
            hint = suggest(str(name), fields)
            raise MisfitError(
                "", ValueError(f"unknown field {preview(name)}"), str(name), hint=hint
            )
    fitted = dict[str, Any]()
    for name, field in fields.items():
        part = field.default if value.get(name) is None else value[name]
        if part is None:
            if field.required:
                raise MisfitError("", ValueError(f"the field {name!r} is missing"), name, field)
            fitted[name] = None
            continue
        try:
            fitted[name] = fit_value(field, part, root, inside)
        except ValueError as error:
            raise MisfitError(name, error, name, field, part) from error
    return fitted


class MisfitError(ValueError):
    """A part of a value does not fit; `at` is its place, and `hint` says what to write there."""

    def __init__(
        self,
        where: str,
        error: ValueError,
        at: str | int,
        declared: Input | None = None,
        value: Any = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(f"{where}: {error}" if where else str(error))
        self.at: tuple[str | int, ...] = (at, *place_of(error))
        self.hint = hint or (None if declared is None else hint_of(error, declared, value))


def place_of(error: ValueError) -> tuple[str | int, ...]:
    """Where in a value the part is that does not fit."""
    return error.at if isinstance(error, MisfitError) else ()


def hint_of(error: ValueError, declared: Input, value: Any = None, *, paths: bool = True) -> str:
    """A hint about the value, or the part of it, that does not fit."""
    own = error.hint if isinstance(error, MisfitError) else None
    return own or hint_for(declared, value, paths=paths)


def _check_bounds(declared: Input, value: Any) -> None:
    if declared.type not in SIZED:
        return
    measured = value if isinstance(value, int | float) else len(value)
    what = {"list": "items", "integer": "", "number": ""}.get(declared.type, "characters")
    measure = f"{measured:,} {what.removesuffix('s') if measured == 1 else what}".strip()
    if declared.min is not None and measured < declared.min:
        raise ValueError(f"{measure} is less than {declared.min:g}")
    if declared.max is not None and measured > declared.max:
        raise ValueError(f"{measure} is more than {declared.max:g}")
    if declared.pattern is None:
        return
    texts = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
    most = MAX_PATTERN_WORK // max(1, parts_of(declared.pattern))
    if (size := sum(map(len, texts))) > most:
        raise ValueError(f"{size:,} characters are more than {most:,}, which its pattern allows")
    for text in texts:
        if not matches(declared.pattern, text):
            raise ValueError(
                f"{preview(text)} does not match the pattern {preview(declared.pattern)}"
            )


def hint_for(declared: Input, value: object = None, *, paths: bool = True) -> str:
    """A hint for an input, about the value that does not fit; with `paths` a file may be a path."""
    bounds = _bounds(declared)
    match declared.type:
        case "string" | "text":
            of = f" of {bounds} characters" if bounds else ""
            if declared.pattern is not None:
                of += f" that matches {declared.pattern:.60}"
            return f"write text{of}" if of else "write text, in quotes"
        case "enum":
            choices = [str(one) for one in declared.values]
            near = None if value is None else nearest(str(value), choices)
            of = f"did you mean {near!r}? one of" if near else "one of"
            return f"{of}: {', '.join(choices)}"
        case "integer" | "number":
            what = "a whole number" if declared.type == "integer" else "a number"
            return f"write {what}{bounds and f' of {bounds}'}, without quotes"
        case "list" if declared.is_table:
            return f"write [{_example(declared)}], or the path of a CSV, JSON or YAML file"
        case "list":
            return f"write [first, second]{bounds and f', {bounds} items'}"
        case "map":
            return f"write {_example(declared)}, or the path of a JSON or YAML file"
        case "boolean":
            return "write true or false"
        case "date":
            return "write it as YYYY-MM-DD"
        case "file":
            where = "path or URL" if paths else "URL"
            media = an(f"{declared.kind or 'media'} file")
            return f"give the {where} of {media}, or the id of an upload"
        case "secret":
            return "write env:NAME for an environment variable, or block:NAME"


def _example(declared: Input) -> str:
    names = [f"{name}: …" for name in declared.fields]
    return f"{{{', '.join(names[:_SHOWN_FIELDS])}{', …' if len(names) > _SHOWN_FIELDS else ''}}}"


def _bounds(declared: Input) -> str:
    least, most = declared.min, declared.max
    if declared.type not in SIZED or (least is None and most is None):
        return ""
    if least is None or most is None:
        return f"at most {most:g}" if least is None else f"at least {least:g}"
    return f"{least:g} to {most:g}"


def parse_text(declared: Input, text: str) -> Any:
    if declared.type in ("string", "text", "file", "secret", "date"):
        quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
        return _yaml(text, ()) if quoted else text
    if declared.is_table and text.lstrip()[:1] not in "[{":
        return text  # the path of a file
    value = _yaml(text, (declared.of,) if declared.type == "list" else ())
    if declared.type == "enum" and value not in declared.values:
        return text
    if declared.type == "list" and isinstance(value, str):
        raise ValueError(f"expected a list, not {preview(text)}")
    return value


def _yaml(text: str, members: tuple[str | None, ...]) -> Any:
    node, mistakes = source.read(text)
    if mistakes:
        raise ValueError(f"{preview(text)} is not YAML: {mistakes[0].message}")
    if node is None:
        return ""
    if isinstance(node, tree.Sequence) and members and members[0] in (None, *_TEXTUAL):
        return [
            text[member.mark.index : member.end].strip()
            if isinstance(member, tree.Scalar) and not isinstance(member.value, str)
            else tree.plain(member)
            for member in node.members
        ]
    return tree.plain(node)
