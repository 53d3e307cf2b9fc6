"""docs/reference/receipt.md and json.md: fields of JSON documents, from their schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from reference_tables import ROOT, in_one_line, table

from rivya_flows.receipt.model import Receipt, SparsePart
from rivya_flows_mcp.server import served
from rivya_flows_mcp.tools import AgentTools

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
_ANCHORS = {
    "Asset": "an-asset",
    "Card": "where-media-came-from",
    "Choice": "a-choice",
    "File": "a-file",
    "Item": "an-item",
    "Purchase": "the-ledger",
    "Step": "a-step",
    "Upload": "an-upload",
    "Wait": "a-wait",
}
"""Where receipt.md describes a shape."""

RECEIPT = ROOT / "src" / "rivya_flows" / "receipt" / "receipt.schema.json"


def receipt_schema() -> str:
    """The schema of the receipt."""
    found = _whole_receipt()
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Receipt of a rivya-flows run",
    }
    return json.dumps(head | found, indent=2, ensure_ascii=False) + "\n"


@cache
def _whole_receipt() -> dict[str, Any]:
    found = Receipt.model_json_schema()
    sparse = {one.__name__ for one in SparsePart.__subclasses__()}
    for name, form in [("Receipt", found), *found["$defs"].items()]:
        form.pop("title", None)
        for field in form["properties"].values():
            field.pop("title", None)
            field.pop("default", None)
        if name not in sparse:
            form["required"] = list(form["properties"])
    return found


def schema(shape: str = "Receipt") -> str:
    """The fields of the receipt, or of one of the shapes in it."""
    whole = _whole_receipt()
    inside = {name: form for name, form in whole["$defs"].items() if name not in _ANCHORS}
    form = whole if shape == "Receipt" else whole["$defs"][shape]
    return table(_HEAD, list(_rows(form, "", inside, optional=True)))


def tools() -> str:
    """Each tool for agents with its arguments; a client gets the schemas of their results."""
    parts = []
    unbound: Any = AgentTools  # only docstrings and types are read
    for name, (tool, *_) in served(unbound).items():
        parts.append(f"### Tool `{name}`\n\n{tool.description}\n")
        given = tool.input_schema
        if given.get("properties"):
            rows = list(_rows(given, "", given.get("$defs", {}), optional=True))
            parts.append(table(("argument", "type", "meaning"), rows))
    return "\n".join(parts)


def _rows(
    form: Form, prefix: str, named: Mapping[str, Form], *, optional: bool = False
) -> Iterator[tuple[str, str, str]]:
    """A row for each field; an object inside another one is written out below it.

    Args:
        form: The schema of the object.
        prefix: Of the path of each field.
        named: Forms by name, written out where they are used; others have a table of their own.
        optional: A field that is not required may be left out; else it is always there.
    """
    required = form.get("required", ())
    for name, given in form.get("properties", {}).items():
        field, path = _resolve(given, named), f"{prefix}{name}"
        meaning = in_one_line(given.get("description") or field.get("description", ""))
        mark = " (optional)" if optional and name not in required else ""
        yield f"`{path}`{mark}", _or(_types(field, named)), meaning
        for below, inner in _below(field, named):
            yield from _rows(below, f"{path}{inner}.", named, optional=optional)


def _below(field: Form, named: Mapping[str, Form]) -> Iterator[tuple[Form, str]]:
    """The objects inside a field, each with how its path continues."""
    for one in field.get("anyOf", [field]):
        found = _resolve(one, named)
        if "properties" in found:
            yield found, ""
        for inside, mark in (("items", "[]"), ("additionalProperties", ".*")):
            if isinstance(form := found.get(inside), Mapping):
                yield from ((below, f"{mark}{inner}") for below, inner in _below(form, named))


def _resolve(form: Form, named: Mapping[str, Form]) -> Form:
    """A form behind its name, where names are written out."""
    return named.get(form.get("$ref", "").rpartition("/")[2], form)


def _types(form: Form, named: Mapping[str, Form]) -> list[str]:
    """The types that a field may have in words, such as `text`, `null`."""
    form = _resolve(form, named)
    if "$ref" in form:
        name = form["$ref"].rpartition("/")[2]
        return [f"[{name.lower()}](#{_ANCHORS[name]})"]
    if "const" in form:
        return [f"`{json.dumps(form['const'])}`"]
    if "enum" in form:
        return [f"`{one}`" if one is not None else "null" for one in form["enum"]]
    if "anyOf" in form:
        return list(dict.fromkeys(word for one in form["anyOf"] for word in _types(one, named)))
    kind = form.get("type")
    rest = form.get("additionalProperties")
    if kind == "array" and "items" in form:
        return [f"list of {_or(_types(form['items'], named))}"]
    if kind == "object" and isinstance(rest, Mapping) and "properties" not in form:
        return [f"map of {_or(_types(rest, named))}"]
    return ["any" if kind is None else _TYPES[kind]]


def _or(text: list[str]) -> str:
    if {"whole number", "number"} <= {*text}:
        text = [one for one in text if one != "whole number"]
    return ", ".join(text[:-1]) + (" or " if len(text) > 1 else "") + text[-1]
