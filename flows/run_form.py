"""The typed run form: a workflow's inputs as the signature and docstring that Prefect reads.

Prefect takes types and limits from annotations, defaults from plain values, and descriptions from
a Google docstring alone; a `pydantic.Field` as default would reach the running flow as a value.
"""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from rivya_flows.flows.prefect_internals import RESERVED_PARAMETERS
from rivya_flows.language.workflow import Input, Workflow
from rivya_flows.printable import printable

# A longer literal makes a menu that no one can read, and a slow form.
_SHOWN_IN_NAME = 60

_ADVICE = {
    "file": "An http(s) URL, or the id of an uploaded file.",
    "secret": "A reference such as env:NAME or block:NAME, never the secret itself.",
}

_SCALARS: dict[str, Any] = {
    "string": str,
    "text": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "date": date,
    "file": str,
    "secret": str,
}


# Choices that the server looks through for each value, and the files that a pattern of it names.
_MOST_CHOICES = 200
_MOST_FILES = 20

# The server's engine tries one way after the other: each of these has one way only.
_PATTERNS = {
    "string": r"\n*(?:[^\n]+\n*)?",
    "date": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "file": r"[Hh][Tt][Tt][Pp][Ss]?://\S+|file_[A-Za-z0-9_-]{1,200}",
    "secret": r"env:[A-Za-z_][A-Za-z0-9_]*|block:[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)?",
}
"""What the server can check of texts before a worker starts; the run itself checks all of it.

A `pattern` of the spec is not among them: on Prefect's server, whose engine is Python's, twenty-six
letters can take seconds, and the server answers no request during that time.
"""


def parameter_names(workflow: Workflow) -> dict[str, str]:
    """The parameter of each input, in the order of the form.

    The same name, but for those that Python, Prefect or pydantic keep for themselves: `class`,
    `copy` and `wait_for` become `input_class`, `input_copy` and `input_wait_for`.
    """
    names: dict[str, str] = {}
    for name in workflow.inputs:
        parameter = name
        while _is_refused(parameter) or (parameter != name and parameter in workflow.inputs):
            parameter = f"input_{parameter}"
        names[name] = parameter
    return names


def signature_of(workflow: Workflow) -> inspect.Signature:
    """Keyword-only parameters with annotations and plain defaults, one for each input."""
    names = parameter_names(workflow)
    return inspect.Signature(
        [
            inspect.Parameter(
                names[name],
                inspect.Parameter.KEYWORD_ONLY,
                default=_default(given),
                annotation=_annotation(name, given),
            )
            for name, given in workflow.inputs.items()
        ]
    )


def docstring_of(workflow: Workflow) -> str:
    """A Google docstring: what the campaign is, then a line for each described input."""
    names = parameter_names(workflow)
    lines = [_one_line(workflow.title or workflow.name)]
    described = {names[name]: _told(given) for name, given in workflow.inputs.items()}
    told = [f"    {name}: {words}" for name, words in described.items() if words]
    if told:
        lines += ["", "Args:", *told]
    return "\n".join(lines)


def inputs_from(workflow: Workflow, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What was given for the inputs, under their own names and as JSON values.

    An optional input left empty is left out, and so is a file left at its default: the default's
    path belongs to the spec's folder, while a path from a form would belong to nowhere.
    """
    given: dict[str, Any] = {}
    for name, parameter in parameter_names(workflow).items():
        if parameter not in parameters:
            continue
        value = _plain(parameters[parameter])
        described = workflow.inputs[name]
        untouched = value is None or (described.type == "file" and value == described.default)
        if not untouched:
            given[name] = value
    return given


def run_name(workflow: Workflow, inputs: Mapping[str, Any]) -> str:
    """A name to find the run by: the spec's, and what its first text input says."""
    for name, described in workflow.inputs.items():
        if described.type in ("string", "text", "enum"):
            said = _one_line(printable(str(inputs.get(name, described.default) or "")))
            if said:
                short = said if len(said) <= _SHOWN_IN_NAME else said[: _SHOWN_IN_NAME - 1] + "…"
                return f"{workflow.name}: {short}"
    return workflow.name


def _told(given: Input) -> str:
    """What the form says under an input: its description, and how such values are written."""
    words, advice = _one_line(given.description or ""), _ADVICE.get(given.type)
    if given.pattern:
        advice = f"Must match the pattern {_one_line(given.pattern)}"
    if words and advice and words[-1] not in ".?!:…।":
        words += "."
    return " ".join(filter(None, [words, advice]))


def _is_refused(name: str) -> bool:
    return (
        keyword.iskeyword(name)
        or name in RESERVED_PARAMETERS
        or name.startswith(("v__", "model_"))
        or hasattr(BaseModel, name)
    )


def _default(given: Input) -> Any:
    if given.default is None:
        return inspect.Parameter.empty if given.required else None
    if given.type == "date":
        return date.fromisoformat(str(given.default))
    return list(given.default) if given.type == "list" else given.default


def _annotation(name: str, given: Input) -> Any:
    bare: Any
    limits: dict[str, Any] = {}
    shown: dict[str, Any] = {"title": given.title or name.replace("_", " ").capitalize()}
    if given.type == "list":
        bare = list[_member(given)]  # type: ignore[misc]  # a type that only the spec knows
        limits = _limits(given, "min_length", "max_length", whole=True)
    elif given.type == "enum":
        bare, more = _choice(given)
        shown |= more
    else:
        bare = _SCALARS[given.type]
        if given.type in ("string", "text"):
            limits = _limits(given, "min_length", "max_length", whole=True)
        elif given.type in ("integer", "number"):
            limits = _limits(given, "ge", "le", whole=given.type == "integer")
        shown |= _pattern(given.type, given.default)
    if not given.required and given.default is None:
        bare = bare | None
    return Annotated[bare, Field(**limits, json_schema_extra=shown)]


def _member(given: Input) -> Any:
    """The type of the members of a list."""
    of = given.of or "string"
    bare, shown = _choice(given) if of == "enum" else (_SCALARS[of], _pattern(of, given.default))
    return Annotated[bare, Field(json_schema_extra=shown)] if shown else bare


def _pattern(kind: str, default: Any) -> dict[str, Any]:
    """What the server checks of a text."""
    pattern = _PATTERNS.get(kind)
    if pattern is None:
        return {}
    # The form sends a default along: a path in the folder of the spec, for a file.
    defaults = default if isinstance(default, list | tuple) else [default]
    files = [one for one in defaults if kind == "file" and isinstance(one, str)]
    if len(files) > _MOST_FILES:
        return {}
    also = "".join(f"|{_as_pattern(one)}" for one in files)
    return {"pattern": f"^(?:{pattern}{also})$"}


def _as_pattern(text: str) -> str:
    """A pattern for this text alone; fewer escapes than Python's own, which browsers refuse."""
    return re.sub(r"[\\^$.|?*+()\[\]{}]", r"\\\g<0>", text)


def _choice(given: Input) -> tuple[Any, dict[str, Any]]:
    """Its type, and its values where a menu can hold them; the run itself checks all of them."""
    if len(given.values) > _MOST_CHOICES:
        kinds = {type(value) for value in given.values}
        return (kinds.pop() if len(kinds) == 1 else Any), {}
    # pydantic's literals hold no fractions.
    if any(isinstance(value, float) for value in given.values):
        return float, {"enum": list(given.values)}
    return Literal[given.values], {}


def _limits(given: Input, least: str, most: str, *, whole: bool) -> dict[str, float]:
    bounds = {least: given.min, most: given.max}
    return {
        word: int(bound) if whole and bound == int(bound) else bound
        for word, bound in bounds.items()
        if bound is not None
    }


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _one_line(text: str) -> str:
    return " ".join(text.split())
