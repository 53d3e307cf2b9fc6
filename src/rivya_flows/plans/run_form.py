"""The run form: a workflow's inputs as the signature that Prefect reads.

Prefect reads types, limits and words from annotations and defaults from plain values; a `pydantic.Field`
as default would reach the running flow as a value.
"""

from __future__ import annotations

import inspect
import json
import keyword
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

from pydantic import BaseModel, Field, JsonValue
from typing_extensions import TypedDict  # pydantic takes Python's own from 3.12 on

from rivya_client.printable import one_line
from rivya_flows.language.workflow import Input, Inputs, Workflow, change_files
from rivya_flows.plans.names import subject_of

CREDENTIALS = "credentials"
"""The last parameter of each flow: the wallet to buy with; None is that of the process's key."""

RESERVED = frozenset({CREDENTIALS, "wait_for", "return_state", "self", "cls"})
"""Parameters that no input can have, from Prefect's flows.py: it refuses two, and leaves the last out."""


class _Field(NamedTuple):
    """How the form shows a type of input.

    The server checks the pattern before a worker starts. It has no ambiguity, since the server's regular
    expressions backtrack, and it answers no request during that time; so it does not get those of specs.
    """

    type: type
    limits: tuple[str, ...] = ()  # what `min` and `max` are in the schema
    pattern: str | None = None
    advice: str | None = None


_LENGTH, _RANGE = ("min_length", "max_length"), ("ge", "le")
_FIELDS = {
    "string": _Field(str, _LENGTH, r"\n*(?:[^\n]+\n*)?"),
    "text": _Field(str, _LENGTH),
    "integer": _Field(int, _RANGE),
    "number": _Field(float, _RANGE),
    "boolean": _Field(bool),
    "date": _Field(date, (), r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "file": _Field(
        str,
        (),
        r"[Hh][Tt][Tt][Pp][Ss]?://\S+|file_[A-Za-z0-9_-]{1,200}",
        "An http(s) URL, or the id of an uploaded file.",
    ),
    "secret": _Field(
        str,
        (),
        r"env:[A-Za-z_][A-Za-z0-9_]*|block:[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)?",
        "A reference such as env:NAME or block:NAME, never the secret itself.",
    ),
    "list": _Field(list, _LENGTH),
    "map": _Field(dict),
    "enum": _Field(str),
}

# More choices make a menu that is too long to read; more files make a pattern that is slow to check.
_MOST_CHOICES = 200
_MOST_FILES = 20
_MOST_SHOWN = 200_000  # characters of a list


def parameter_names(workflow: Workflow) -> dict[str, str]:
    """The parameter of each input, in the order of the form: the same name, or ``input_NAME`` if it is reserved."""
    names: dict[str, str] = {}
    for name in workflow.inputs:
        parameter = name
        while (
            keyword.iskeyword(parameter)
            or parameter in RESERVED
            or parameter.startswith(("v__", "model_"))
            or hasattr(BaseModel, parameter)
            or (parameter != name and parameter in workflow.inputs)
        ):
            parameter = f"input_{parameter}"
        names[name] = parameter
    return names


def signature_of(workflow: Workflow, wallet: Any) -> inspect.Signature:
    """Keyword-only parameters with annotations and plain defaults: the inputs, then `credentials`."""
    kind, empty = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty
    parameters = []
    for name, parameter in parameter_names(workflow).items():
        given = workflow.inputs[name]
        default: Any = empty if given.required and given.default is None else given.default
        if given.type == "date" and given.default is not None:
            default = date.fromisoformat(str(given.default))
        elif given.is_table:
            default = empty if given.required and given.default is None else None
        elif given.type == "list" and given.default is not None:
            default = [*given.default]
        made = inspect.Parameter(
            parameter, kind, default=default, annotation=_annotation(name, given)
        )
        parameters.append(made)
    last = inspect.Parameter(CREDENTIALS, kind, default=None, annotation=wallet)
    return inspect.Signature([*parameters, last])


def shown_form(schema: dict[str, Any], workflow: Workflow, page: str | None) -> dict[str, Any]:
    """The schema with the page that takes a person's file beside each file input, and without defaults of
    null, which Prefect's pages show as `None`.
    """
    names = parameter_names(workflow)
    for field in schema["properties"].values():
        if field.get("default", "") is None:
            del field["default"]
    for name in _files(workflow) if page else ():
        field = schema["properties"][names[name]]
        description = f"{field.get('description', '')} For a file of your own, upload it at {page}"
        field["description"] = description.strip()
    return schema


def upload_link(workflow: Workflow, page: str | None) -> str | None:
    """A link to that page in Markdown, since the form shows an address as text; None without files."""
    return f"[Upload a file for the form]({page})" if page and _files(workflow) else None


def _files(workflow: Workflow) -> list[str]:
    return [name for name, given in workflow.inputs.items() if given.has_files]


def inputs_from(workflow: Workflow, parameters: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The given values by the inputs' own names, as JSON values; without files that are still their default,
    since the form has no folder for its path.
    """
    given: dict[str, JsonValue] = {}
    for name, parameter in parameter_names(workflow).items():
        value, described = _as_json(parameters.get(parameter)), workflow.inputs[name]
        is_default = described.type == "file" and value == described.default
        if value is not None and not is_default:
            given[name] = value
    return given


def _as_json(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: _as_json(one) for name, one in value.items()}
    return [*map(_as_json, value)] if isinstance(value, list | tuple) else value


def shown_parameters(workflow: Workflow, inputs: Inputs) -> dict[str, JsonValue]:
    """The inputs of a run as its form would show them: a file by its URL, id or hash."""
    names = parameter_names(workflow)
    return {
        names[name]: change_files(
            workflow.inputs[name], _first(workflow.inputs[name], value), _form_value
        )
        for name, value in inputs.items()
        if value is not None and name in names
    }


def _first(declared: Input, value: Any) -> Any:
    """Of a long list so many items that the server takes them, and no fewer than it must have."""
    least = int(declared.min or 0)
    while isinstance(value, list) and len(value) > least and len(json.dumps(value)) > _MOST_SHOWN:
        value = value[: max(least, len(value) // 2)]
    return value


def _form_value(_: Input, value: Any) -> Any:
    if isinstance(value, dict):
        return value.get("file_id") or value.get("url") or f"sha256:{value.get('sha256')}"
    return value


def run_name(
    workflow: Workflow, inputs: Inputs, due: datetime | None = None, wallet: str | None = None
) -> str:
    """The name of a run: the spec's name, what the run is about, its wallet, and the time of its schedule."""
    named = ": ".join(filter(None, [workflow.name, subject_of(workflow, inputs)]))
    at = None if due is None else f"{due:%Y-%m-%d %H:%M} UTC"
    return ", ".join([named, *filter(None, [wallet and one_line(wallet), at])])


def _annotation(name: str, given: Input, *, inside: bool = False) -> Any:
    """The annotation of an input, or of a field inside one: its type, limits, title and description."""
    bare, schema = _type_of(name, given, given.type)
    schema |= {"title": given.title or name.replace("_", " ").capitalize()}
    description = " ".join((given.description or "").split())
    advice = _FIELDS[given.type].advice
    if given.is_table and given.default is not None:
        advice = "Without a value, that of the spec."
    if given.pattern:
        advice = f"Must match the pattern {' '.join(given.pattern.split())}"
    if description and advice and description[-1] not in ".?!:…।":
        description += "."
    if text := " ".join(filter(None, [description, advice])):
        schema["description"] = text
    if given.default is None:
        may_be_empty = not given.required
    else:
        may_be_empty = inside or given.is_table
        if inside:
            schema["default"] = given.default
    if may_be_empty:
        bare = bare | None
    bounds: dict[str, Any] = {
        limit: int(bound) if given.type != "number" and bound == int(bound) else bound
        for limit, bound in zip(_FIELDS[given.type].limits, (given.min, given.max), strict=False)
        if bound is not None
    }
    return Annotated[bare, Field(**bounds, json_schema_extra=schema)]


def _type_of(name: str, given: Input, kind: str) -> tuple[Any, dict[str, JsonValue]]:
    """The type of an input, or of the members of a list, and what the schema has beside it."""
    if kind == "map":
        return _map(name, given), {}
    if kind == "list":
        of, beside = _type_of(name, given, given.of or "string")
        return list[Annotated[of, Field(json_schema_extra=beside)]], {}  # type: ignore[valid-type]  # known at run time only
    if kind != "enum":
        pattern = _pattern(kind, given.default)
        return _FIELDS[kind].type, {"pattern": pattern} if pattern else {}
    if len(given.values) > _MOST_CHOICES:
        kinds = {type(value) for value in given.values}
        return (kinds.pop() if len(kinds) == 1 else Any), {}
    # A Literal cannot contain floats.
    if any(isinstance(value, float) for value in given.values):
        return float, {"enum": [*given.values]}
    return Literal[given.values], {}


def _map(name: str, given: Input) -> Any:
    """A map of the fields of an input, as its form has it."""
    fields = {
        field: _annotation(field, one, inside=True)
        if one.required and one.default is None
        else NotRequired[_annotation(field, one, inside=True)]
        for field, one in given.fields.items()
    }
    make: Any = TypedDict  # its name and fields are known at run time only
    made = make(name.replace("_", " ").title().replace(" ", ""), fields)
    made.__pydantic_config__ = {"extra": "forbid"}
    return made


def _pattern(kind: str, default: object) -> str | None:
    """The pattern that the server checks."""
    pattern = _FIELDS[kind].pattern
    # The form also sends defaults: for a file, a path in the spec's folder.
    defaults = default if isinstance(default, list | tuple) else [default]
    files = [one for one in defaults if kind == "file" and isinstance(one, str)]
    if pattern is None or len(files) > _MOST_FILES:
        return None
    # Exactly these texts; browsers refuse some escapes of `re.escape`.
    also = "".join("|" + re.sub(r"[\\^$.|?*+()\[\]{}]", r"\\\g<0>", one) for one in files)
    return f"^(?:{pattern}{also})$"
