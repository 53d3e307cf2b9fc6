"""Texts beside a spec: where steps name them, and a JSON Schema as the fields that `expect` declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping as Mapping_
from itertools import chain
from typing import Any

from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.answers import UNREAD, read_expect
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.syntax.tree import Mapping, Mark, Node, Path, Scalar, Sequence, plain
from rivya_flows.language.wording import preview
from rivya_flows.spec.model_names import arguments_in

_PASSED_OVER = ("$schema", "$id", "$comment", "title", "examples", "additionalProperties")
"""Of no use to a check: fields that are not declared are kept in an answer."""
_TYPES = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "array": "list",
    "object": "map",
}
_OF_ITEMS = ("values", "fields", "pattern")
_BOUNDS = {
    "list": ("minItems", "maxItems"),
    "string": ("minLength", "maxLength"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
}


_KEYS_OF: Mapping_[str, tuple[str, ...]] = {
    **{kind: _BOUNDS.get(name, ()) for kind, name in _TYPES.items()},
    "string": ("pattern", "format", "minLength", "maxLength"),
    "array": ("items", "minItems", "maxItems"),
    "object": ("properties", "required"),
    "enum": ("enum",),
}
"""The keys that a schema of each type may have, beside `type` and `description`."""
_USED_KEYS = ("type", "description", *dict.fromkeys(chain.from_iterable(_KEYS_OF.values())))


def texts_beside(tree: Mapping) -> Iterator[tuple[Path, Mapping, str]]:
    """The places that name a text beside the spec: path and map of the arguments, and the key."""
    for path, uses, holder in arguments_in(tree):
        for key in _KEYS.get(str(uses), ()):
            node = holder.get(key)
            is_path = isinstance(node, Scalar) and isinstance(node.value, str)
            if is_path if key == "expect" else _names_file(node):
                yield path, holder, key


_KEYS = {"generate": ("prompt",), "chat": ("message", "expect")}


def _names_file(node: Node | None) -> bool:
    return isinstance(node, Mapping) and [*node.pairs] == ["file"]


def answer_schema(text: str, file: str, named: Scalar) -> tuple[Node, tuple[Diagnostic, ...]]:
    """What a JSON Schema declares, as `expect` writes it, and the mistakes in the file."""
    unread = node_of(UNREAD, named.mark)
    report = DiagnosticCollector(file, text)
    root = report.read_map("bad-expect", "a JSON Schema is a map", 'start with {"type": "object"}')
    if root is None:
        return unread, report.diagnostics
    declared = _read_schema(plain(root), (), report)
    if declared.get("type") != "map" and not report.diagnostics:
        message, hint = "an answer is one object", 'write "type": "object" and "properties"'
        report.add((), "bad-expect", message, hint)
    if not report.diagnostics:
        for one in read_expect(declared)[1]:
            report.add(_place_of(one.path, plain(root)), one.code, one.message, one.hint)
    if report.diagnostics:
        return unread, report.diagnostics
    return node_of(declared, named.mark), ()


def _place_of(path: Path, schema: Any) -> Path:
    """The place in a JSON Schema of a place in what it declares."""
    at: list[str | int] = []
    for key in path:
        if at[-1:] != ["properties"]:  # else it is the name of a field
            if "items" in schema and key in _OF_ITEMS:
                at.append("items")
                schema = schema["items"]
            bounds = _BOUNDS.get(_TYPES.get(str(_kind_of(schema)[0]), ""), ())
            renamed = dict(zip(("min", "max"), bounds, strict=False))
            key = {"fields": "properties", "values": "enum", **renamed}.get(str(key), key)
        at.append(key)
        schema = schema.get(key, {}) if isinstance(schema, dict) else {}
    return tuple(at)


def _kind_of(schema: Any) -> tuple[Any, bool]:
    """The type in a schema, and whether null is another one."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    if not isinstance(kind, list):
        return kind if isinstance(kind, str) else None, False
    rest = [one for one in kind if one != "null"]
    return rest[0] if len(rest) == 1 else kind, "null" in kind


def _read_schema(schema: Any, path: Path, report: DiagnosticCollector) -> dict[str, Any]:
    if not isinstance(schema, dict):
        report.add(
            path,
            "bad-expect",
            f"this must be a schema, not {preview(schema)}",
            'write {"type": "string"}',
        )
        return {"type": "string"}
    kind, optional = _kind_of(schema)
    takes = _KEYS_OF.get("enum" if "enum" in schema else str(kind), ())
    for key in schema:
        if key not in (*_USED_KEYS, *_PASSED_OVER):
            message, hint = f"{key!r} of JSON Schema is not supported here", ", ".join(_USED_KEYS)
            report.add((*path, key), "bad-expect", message, f"there are: {hint}", key=True)
        elif takes and key not in ("type", "description", *takes, *_PASSED_OVER):
            message = (
                f"{key!r} has no meaning for {'an enum' if 'enum' in takes else f'type {kind}'}"
            )
            report.add((*path, key), "bad-expect", message, "remove it", key=True)
    choices = schema.get("enum")
    if isinstance(choices, list) and None in choices:
        optional, choices = True, [one for one in choices if one is not None]
    made = {key: schema[key] for key in ("description", "pattern") if key in schema}
    made |= {"required": False} if optional else {}
    if "enum" in schema:
        return {**made, "type": "enum", "values": choices}
    if not isinstance(kind, str) or kind not in _TYPES:
        at = (*path, "type") if "type" in schema else path
        message = f"a schema needs one type, not {preview(schema.get('type'))}"
        report.add(at, "bad-expect", message, f"one of {', '.join(_TYPES)}")
        return {**made, "type": "string"}
    made["type"] = _TYPES[kind]
    bounds = _BOUNDS.get(made["type"], ())
    for name, key in zip(("min", "max"), bounds, strict=False):
        if schema.get(key) is not None:
            made[name] = schema[key]
    if schema.get("format") == "date":
        made["type"] = "date"
    elif "format" in schema:
        message = f"the format {preview(schema['format'])} is not supported here"
        report.add((*path, "format"), "bad-expect", message, "write date, or a pattern")
    if isinstance(pattern := schema.get("pattern"), str):
        # There it may match anywhere in the text.
        made["pattern"] = (
            f"(?s:.*)(?:{pattern})(?s:.*)" if not _is_anchored(pattern) else pattern[1:-1]
        )
    if kind == "array":
        made |= _items(schema.get("items"), made, (*path, "items"), report)
    if kind == "object":
        made["fields"] = _fields(schema, path, report)
    return made


def _is_anchored(pattern: str) -> bool:
    return (
        pattern[:1] == "^" and pattern[-1:] == "$" and pattern[-2:-1] != "\\" and "|" not in pattern
    )


def _items(
    schema: Any, holder: dict[str, Any], path: Path, report: DiagnosticCollector
) -> dict[str, Any]:
    """What a list declares of its items; their description follows that of the list."""
    member = _read_schema(schema, path, report)
    if member["type"] == "list":
        message = "a list of lists has no name for its parts"
        report.add(path, "bad-expect", message, "make each item an object")
    for key in ("required", "min", "max"):
        if key in member:
            what = "null" if key == "required" else f"bounded by {key!r}"
            message = f"an item of a list cannot be {what}"
            report.add(path, "bad-expect", message, "make each item an object with a field")
    abouts = [one["description"] for one in (holder, member) if "description" in one]
    about = {"description": "; each: ".join(map(str, abouts))} if abouts else {}
    return {"of": member["type"], **about} | {k: v for k, v in member.items() if k in _OF_ITEMS}


def _fields(schema: dict[str, Any], path: Path, report: DiagnosticCollector) -> dict[str, Any]:
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict) or not properties:
        message, hint = (
            "an object needs properties",
            'write "properties": {"name": {"type": "string"}}',
        )
        report.add(path, "bad-expect", message, hint)
        return {"name": "string"}
    needed = required if isinstance(required, list) else [] if required is None else [required]
    for name in needed:
        if name not in (*properties,) or not isinstance(required, list):
            message = f"'required' names {preview(name)}, which is no property in a list"
            report.add((*path, "required"), "bad-expect", message, "declare it in properties")
    fields = {}
    for name, inner in properties.items():
        declared = _read_schema(inner, (*path, "properties", name), report)
        fields[name] = declared if name in needed else {**declared, "required": False}
    return fields


def node_of(value: Any, mark: Mark) -> Node:
    if isinstance(value, dict):
        return Mapping(mark, {key: (mark, node_of(part, mark)) for key, part in value.items()})
    if isinstance(value, list):
        return Sequence(mark, [node_of(part, mark) for part in value])
    return Scalar(mark, value, mark.index)
