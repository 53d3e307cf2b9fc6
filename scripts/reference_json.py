"""docs/reference/receipt.md and json.md: fields of JSON documents, from their schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from reference_tables import ROOT, in_one_line, table

from rivya_flows.app.agent_tools import AgentTools
from rivya_flows.cli import mcp

Form = Mapping[str, Any]
"""A JSON Schema, or a part of one."""

_HEAD = ("field", "type", "meaning")
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
    "object": "object",
    "array": "list",
}
_ANCHORS = {"asset": "an-asset", "file": "a-file", "card": "where-media-came-from"}
_ANCHORS |= {"step": "a-step", "item": "an-item", "choice": "a-choice", "purchase": "the-ledger"}
_ANCHORS |= {"wait": "a-wait"}
"""Where receipt.md describes a shape."""


def schema(shape: str = "") -> str:
    """The fields of the receipt, or of one of the shapes in it."""
    path = ROOT / "src" / "rivya_flows" / "ledger" / "receipt.schema.json"
    whole = json.loads(path.read_text("utf-8"))
    return table(_HEAD, list(_rows(whole["$defs"][shape] if shape else whole, "")))


def tools() -> str:
    """Each tool for agents with its arguments and the fields of its result."""
    parts = []
    unbound: Any = AgentTools  # only docstrings and types are read
    for name, tool in mcp.served(unbound).items():
        parts.append(f"### Tool `{name}`\n\n{tool.description}\n")
        given = tool.arguments.model_json_schema()
        if given.get("properties"):
            rows = list(_rows(given, "", given.get("$defs", {}), optional=True))
            parts.append(table(("argument", "type", "meaning"), rows))
        made = tool.result.model_json_schema()
        parts.append(table(_HEAD, list(_rows(made, "", made.get("$defs", {})))))
    return "\n".join(parts)


def _rows(
    form: Form, prefix: str, named: Mapping[str, Form] | None = None, *, optional: bool = False
) -> Iterator[tuple[str, str, str]]:
    """A row for each field; an object inside another one is written out below it.

    Args:
        form: The schema of the object.
        prefix: Of the path of each field.
        named: Forms by name, written out where they are used; None: they have a table of their own.
        optional: A field with a default may be left out; else it is always there.
    """
    required = form.get("required", ())
    for name, given in form.get("properties", {}).items():
        field, path = _resolved(given, named), f"{prefix}{name}"
        left_out = name not in required and (optional or named is None)
        meaning = in_one_line(given.get("description") or field.get("description", ""))
        yield (f"`{path}`{' (optional)' * left_out}", _type(field, named), meaning)
        for below, mark in _below(field, named):
            yield from _rows(below, f"{path}{mark}.", named, optional=optional)


def _below(field: Form, named: Mapping[str, Form] | None) -> Iterator[tuple[Form, str]]:
    """The objects inside a field, each with how its path continues."""
    for one in field.get("anyOf", [field]):
        found = _resolved(one, named)
        items, others = found.get("items"), found.get("additionalProperties")
        if "properties" in found:
            yield found, ""
        elif items is not None:
            yield from (
                (below, f"[]{mark}") for below, mark in _below(_resolved(items, named), named)
            )
        elif isinstance(others, Mapping):
            yield from (
                (below, f".*{mark}") for below, mark in _below(_resolved(others, named), named)
            )


def _resolved(form: Form, named: Mapping[str, Form] | None) -> Form:
    """A form behind its name, where names are written out."""
    if named is not None and "$ref" in form:
        return named[form["$ref"].rpartition("/")[2]]
    return form


def _type(form: Form, named: Mapping[str, Form] | None) -> str:
    """The type of a field in words, such as `text or null`."""
    form = _resolved(form, named)
    if "$ref" in form:
        name = form["$ref"].rpartition("/")[2]
        return f"[{name}](#{_ANCHORS[name]})"
    if "const" in form:
        return f"`{json.dumps(form['const'])}`"
    if "enum" in form:
        return _or([f"`{one}`" if one is not None else "null" for one in form["enum"]])
    if "anyOf" in form:
        return _or([_type(one, named) for one in form["anyOf"]])
    kinds = form.get("type")
    if kinds is None:
        return "any"
    return _or(
        [_kind(kind, form, named) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    )


def _kind(kind: str, form: Form, named: Mapping[str, Form] | None) -> str:
    if kind == "array" and "items" in form:
        return f"list of {_type(form['items'], named)}"
    others = form.get("additionalProperties")
    if kind == "object" and isinstance(others, Mapping) and "properties" not in form:
        return f"map of {_type(others, named)}"
    return _TYPES[kind]


def _or(words: list[str]) -> str:
    return ", ".join(words[:-1]) + (" or " if len(words) > 1 else "") + words[-1]
