"""JSON Schema of what the models leave open: inputs, steps, fan-outs, conditions, schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from rivya_flows.language.checks.deploy_block import CRON
from rivya_flows.language.checks.step_arguments import IDLE
from rivya_flows.language.expressions.scope import RESERVED
from rivya_flows.language.includes import NEEDLESS
from rivya_flows.language.inputs import SIZED
from rivya_flows.language.matrix import LOOPS, SPECIAL
from rivya_flows.language.schema.fragments import (
    WHOLE,
    Schema,
    computed,
    given,
    is_,
    or_null,
    or_whole,
)
from rivya_flows.language.schema.step_arguments import EXPECT, Kinds, says
from rivya_flows.language.workflow import InputType

_AXIS = "^[a-z][a-z0-9_]{0,63}$"
_LIST = or_whole("array", minItems=1)
_RULES = or_whole("array", items=or_whole("object", minProperties=1))

_FORMS: Mapping[tuple[str, str], Schema] = {
    ("Step", "id"): {},
    ("Step", "with"): {"type": "object"},
    ("Step", "matrix"): {
        "type": ["object", "null"],
        "minProperties": 1,
        "properties": dict.fromkeys(SPECIAL, _RULES),
        "patternProperties": {f"^(?!({'|'.join(SPECIAL)})$)[a-z][a-z0-9_]{{0,63}}$": _LIST},
        "additionalProperties": False,
    },
    ("Step", "foreach"): or_null(_LIST),
    ("Step", "zip"): {
        "type": ["object", "null"],
        "minProperties": 1,
        "patternProperties": {_AXIS: _LIST},
        "additionalProperties": False,
    },
    ("Step", "key"): {"type": ["string", "number", "boolean", "null"]},
    ("Step", "if"): {"type": ["string", "boolean", "null"], "pattern": WHOLE},
    ("Step", "as"): {"type": "string", "pattern": _AXIS, "not": {"enum": list(RESERVED)}},
    ("Defaults", "with"): {"type": ["object", "null"]},
    ("ChatWith", "expect"): EXPECT,
}
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


def forms_of(kinds: Kinds) -> dict[tuple[str, str], Schema]:
    """Forms of keys that their type in the models leaves open, by class name and spelling."""
    uses = {"enum": list(kinds), "enumDescriptions": [says(one) for one in kinds]}
    return {**_FORMS, ("Step", "uses"): uses}


def step_rules(kinds: Kinds) -> Schema:
    """What a step must be, as keywords of its map."""
    pairs = (LOOPS[:2], LOOPS[1:], (LOOPS[0], LOOPS[2]))
    several = {"anyOf": [given(loop) for loop in LOOPS]}
    fails = {
        "required": ["allow_failures"],
        "properties": {"allow_failures": {"exclusiveMinimum": 0}},
    }
    rules: list[Schema] = [
        {
            "if": is_("uses", uses),
            "then": {"properties": {"with": {"$ref": f"#/$defs/{model.__name__}"}}},
        }
        for uses, model in kinds.items()
    ]
    rules += [
        {"not": {"anyOf": [given(*pair) for pair in pairs]}},
        *(
            {"if": is_("uses", uses), "then": {"properties": dict.fromkeys(keys, False)}}
            for uses, keys in {**IDLE, "include": NEEDLESS}.items()
        ),
        {"if": {"anyOf": [fails, given("key")]}, "then": several},
    ]
    return {
        "required": ["uses"],
        "dependentRequired": {"as": ["foreach"], "max_items": ["foreach"]},
        "allOf": rules,
    }


def schedule_rules() -> Schema:
    """What a schedule must be: one of the ways to say when."""
    kinds = ("cron", "interval", "rrule")
    written = {"pattern": rf"^\s*{CRON.pattern.removesuffix('$')}\s*$"}
    return {
        "oneOf": [given(kind) for kind in kinds],
        "allOf": [{"properties": {"cron": written}}],
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
