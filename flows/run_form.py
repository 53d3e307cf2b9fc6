"""The run form: a workflow's inputs as the signature that Prefect reads.

Prefect reads types, limits and words from annotations and defaults from plain values; a `pydantic.Field`
as default would reach the running flow as a value.
"""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, JsonValue

from rivya_client.printable import one_line
from rivya_flows.flows.credentials import RivyaCredentials
from rivya_flows.flows.prefect_internals import RESERVED_PARAMETERS
from rivya_flows.language.workflow import Input, Inputs, Workflow
from rivya_flows.plans.names import subject_of

CREDENTIALS = "credentials"
"""The last parameter of each flow: the wallet to buy with; None is that of the process's key."""

_WALLET = Annotated[
    RivyaCredentials | None,
    Field(
        json_schema_extra={
            "title": "Wallet",
            "description": "The credentials to buy with; None: the key of the worker.",
            # The server refuses a key itself, which it would store as text; a saved block is a reference.
            "not": {"type": "object", "required": ["api_key"]},
        }
    ),
]

_ADVICE = {
    "file": "An http(s) URL, or the id of an uploaded file.",
    "secret": "A reference such as env:NAME or block:NAME, never the secret itself.",
}

_SCALARS: dict[str, type] = {
    "string": str,
    "text": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "date": date,
    "file": str,
    "secret": str,
}


_BOUNDS = {
    **dict.fromkeys(("string", "text", "list"), ("min_length", "max_length")),
    **dict.fromkeys(("integer", "number"), ("ge", "le")),
}

# More choices make a menu that nobody can read; more files make a pattern that is slow to check.
_MOST_CHOICES = 200
_MOST_FILES = 20

# Without ambiguity: the server's regular expressions backtrack.
_PATTERNS = {
    "string": r"\n*(?:[^\n]+\n*)?",
    "date": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "file": r"[Hh][Tt][Tt][Pp][Ss]?://\S+|file_[A-Za-z0-9_-]{1,200}",
    "secret": r"env:[A-Za-z_][A-Za-z0-9_]*|block:[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)?",
}
"""What the server checks of texts before a worker starts; the run itself checks everything.

Without the `pattern` of a spec: it can take seconds for 26 letters, and Prefect's server answers no
request during that time.
"""


def parameter_names(workflow: Workflow) -> dict[str, str]:
    """The parameter of each input, in the order of the form: the same name, or ``input_NAME`` if it is reserved."""
    names: dict[str, str] = {}
    for name in workflow.inputs:
        parameter = name
        while _is_refused(parameter) or (parameter != name and parameter in workflow.inputs):
            parameter = f"input_{parameter}"
        names[name] = parameter
    return names


def signature_of(workflow: Workflow) -> inspect.Signature:
    """Keyword-only parameters with annotations and plain defaults: the inputs, then `credentials`."""
    names = parameter_names(workflow)
    parameters = {
        names[name]: (_default(given), _annotation(name, given))
        for name, given in workflow.inputs.items()
    }
    parameters[CREDENTIALS] = (None, _WALLET)
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature(
        [
            inspect.Parameter(name, kind, default=default, annotation=annotation)
            for name, (default, annotation) in parameters.items()
        ]
    )


def shown_form(schema: dict[str, Any], workflow: Workflow, page: str | None) -> dict[str, Any]:
    """The schema as a form shows it well: with the page that takes a person's file beside each file
    input, and empty fields for what is optional. Prefect's pages show a default of null as `None`.
    """
    names = parameter_names(workflow)
    for shown in schema["properties"].values():
        if shown.get("default", "") is None:
            del shown["default"]
    for name in _files(workflow) if page else ():
        shown = schema["properties"][names[name]]
        words = f"{shown.get('description', '')} For a file of your own, upload it at {page}"
        shown["description"] = words.strip()
    return schema


def upload_link(workflow: Workflow, page: str | None) -> str | None:
    """A link to that page in Markdown, since the form shows an address as text; None without files."""
    return f"[Upload a file for the form]({page})" if page and _files(workflow) else None


def _files(workflow: Workflow) -> list[str]:
    return [name for name, given in workflow.inputs.items() if "file" in (given.type, given.of)]


def inputs_from(workflow: Workflow, parameters: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The given values by the inputs' own names, as JSON values.

    Without empty optional inputs, and files that are still their default: the form has no folder for its path.
    """
    given: dict[str, JsonValue] = {}
    for name, parameter in parameter_names(workflow).items():
        if parameter not in parameters:
            continue
        value = _plain(parameters[parameter])
        described = workflow.inputs[name]
        untouched = value is None or (described.type == "file" and value == described.default)
        if not untouched:
            given[name] = value
    return given


def run_name(
    workflow: Workflow, inputs: Inputs, due: datetime | None = None, wallet: str | None = None
) -> str:
    """The name of a run: the spec's name, what the run is about, and the UTC time when its schedule made it."""
    at = "" if wallet is None else f", {one_line(wallet)}"
    at += "" if due is None else f", {due:%Y-%m-%d %H:%M} UTC"
    return ": ".join(filter(None, [workflow.name, subject_of(workflow, inputs)])) + at


def _description(given: Input) -> str:
    """The text under an input: its description, and how to write its value."""
    words, advice = _one_line(given.description or ""), _ADVICE.get(given.type)
    if given.pattern:
        advice = f"Must match the pattern {_one_line(given.pattern)}"
    if words and advice and words[-1] not in ".?!:…।":
        words += "."
    return " ".join(filter(None, [words, advice]))


def _is_refused(name: str) -> bool:
    return (
        keyword.iskeyword(name)
        or name in (CREDENTIALS, *RESERVED_PARAMETERS)
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
    bare, shown = _typed(given, given.type)
    shown |= {"title": given.title or name.replace("_", " ").capitalize()}
    if words := _description(given):
        shown["description"] = words
    if not given.required and given.default is None:
        bare = bare | None
    return Annotated[bare, Field(**_limits(given), json_schema_extra=shown)]


def _typed(given: Input, kind: str) -> tuple[Any, dict[str, JsonValue]]:
    """The type of an input, or of the members of a list, and what the schema has beside it."""
    if kind == "list":
        of, beside = _typed(given, given.of or "string")
        return list[Annotated[of, Field(json_schema_extra=beside)]], {}  # type: ignore[valid-type]  # known at run time only
    if kind != "enum":
        pattern = _pattern(kind, given.default)
        return _SCALARS[kind], {"pattern": pattern} if pattern else {}
    if len(given.values) > _MOST_CHOICES:
        kinds = {type(value) for value in given.values}
        return (kinds.pop() if len(kinds) == 1 else Any), {}
    # A Literal cannot contain floats.
    if any(isinstance(value, float) for value in given.values):
        return float, {"enum": [*given.values]}
    return Literal[given.values], {}


def _pattern(kind: str, default: object) -> str | None:
    """The pattern that the server checks."""
    pattern = _PATTERNS.get(kind)
    # The form also sends defaults: for a file, a path in the spec's folder.
    defaults = default if isinstance(default, list | tuple) else [default]
    files = [one for one in defaults if kind == "file" and isinstance(one, str)]
    if pattern is None or len(files) > _MOST_FILES:
        return None
    # Exactly these texts; browsers refuse some escapes of `re.escape`.
    also = "".join("|" + re.sub(r"[\\^$.|?*+()\[\]{}]", r"\\\g<0>", one) for one in files)
    return f"^(?:{pattern}{also})$"


def _limits(given: Input) -> dict[str, Any]:
    bounds = zip(_BOUNDS.get(given.type, ()), (given.min, given.max), strict=False)
    return {
        word: int(bound) if given.type != "number" and bound == int(bound) else bound
        for word, bound in bounds
        if bound is not None
    }


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _one_line(text: str) -> str:
    return " ".join(text.split())
