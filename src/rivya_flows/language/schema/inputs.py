"""JSON Schema of declared inputs: which keys belong to which type, and what a default may be."""

from __future__ import annotations

from typing import get_args

from rivya_flows.language.inputs import SIZED
from rivya_flows.language.schema.fragments import Schema, computed, is_
from rivya_flows.language.workflow import InputType

_TEXT: Schema = {"type": ["string", "null"], "not": computed()}
_DEFAULTS: dict[str, Schema] = {
    "string": _TEXT,
    "text": _TEXT,
    "date": {"type": ["string", "null"]},
    "integer": {"type": ["integer", "null"]},
    "number": {"type": ["number", "null"]},
    "boolean": {"type": ["boolean", "null"]},
    "list": {"type": ["array", "null"]},
    "enum": {"type": ["string", "number", "boolean", "null"]},
    "file": {"type": ["string", "object", "null"], "not": computed()},
    "secret": {"type": ["string", "null"], "pattern": "^(env|block):"},
}


def input_rules() -> Schema:
    """What an input must and may have beside its type, as keywords of its map."""
    types = get_args(InputType)
    choices = {"required": ["values"], "properties": {"values": {"minItems": 1}}}
    rules: list[Schema] = [
        {
            "if": {"anyOf": [is_("type", "enum"), _list_of("enum")]},
            "then": choices,
            "else": _without("values"),
        },
        {"if": {"anyOf": [is_("type", "file"), _list_of("file")]}, "else": _without("kind")},
        {
            "if": is_("type", "list"),
            "then": {"properties": {"of": {"not": {"const": "list"}}}},
            "else": _without("of"),
        },
        {"if": is_("type", *SIZED), "else": _without("min", "max")},
        {"if": is_("type", "string", "text", "list"), "else": _without("pattern")},
    ]
    rules += [
        {"if": is_("type", name), "then": {"properties": {"default": _DEFAULTS[name]}}}
        for name in types
        if name in _DEFAULTS
    ]
    return {"allOf": rules}


def _list_of(member: str) -> Schema:
    return {"allOf": [is_("type", "list"), is_("of", member)]}


def _without(*keys: str) -> Schema:
    return {"properties": dict.fromkeys(keys, False)}
