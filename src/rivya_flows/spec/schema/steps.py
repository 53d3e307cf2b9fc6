"""JSON Schema of steps: fan-outs, conditions, and the arguments of each kind of step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rivya_flows.catalogue.models import Model
from rivya_flows.spec.arguments import _EFFORTS, _MODES
from rivya_flows.spec.expect import TYPES
from rivya_flows.spec.load import _CRON
from rivya_flows.spec.matrix import SPECIAL
from rivya_flows.spec.references import _FILES, _FITS
from rivya_flows.spec.schema.fragments import (
    COMPUTED,
    WHOLE,
    Schema,
    chosen,
    given,
    is_,
    or_null,
    or_whole,
)
from rivya_flows.spec.schema.models import model_ids, needs
from rivya_flows.spec.scope import RESERVED
from rivya_flows.spec.workflow import WITH_MODELS

_AXIS = "^[a-z][a-z0-9_]{0,63}$"
_LOOPS = ("matrix", "foreach", "zip")
_LIST = or_whole("array", minItems=1)
_RULES = or_whole("array", items=or_whole("object", minProperties=1))
_FILE: Schema = {"type": "string"}
_SAYS = {
    "upload": "Brings a file of your own to the service.",
    "chat": "Asks a chat model.",
    "generate": "Makes a picture, a film or a sound.",
    "pick": "Chooses one of several items.",
    "compose": "Puts film, pictures and sound together, on your machine; 0 credits.",
    "notify": "Sends a signed callback to an address.",
    "include": "Runs another spec as a part of this one.",
}
_EXPECT: Schema = {
    "type": ["object", "null"],
    "minProperties": 1,
    "additionalProperties": {
        "anyOf": [
            {"enum": list(TYPES)},
            {"type": "array", "minItems": 1, "maxItems": 1, "items": {"enum": list(TYPES)}},
            {"$ref": "#/$defs/ChatWith/properties/expect"},
        ]
    },
}

INSTEAD: Mapping[tuple[str, str], Schema] = {
    ("Step", "id"): {},
    ("Step", "uses"): {
        "enum": list(WITH_MODELS),
        "enumDescriptions": [_SAYS.get(uses, "") for uses in WITH_MODELS],
    },
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
    ("ChatWith", "expect"): _EXPECT,
}
"""Forms of keys that their type in the models leaves open, by class name and spelling."""


def argument_forms(models: Mapping[str, Sequence[Model]]) -> dict[tuple[str, str], Schema]:
    """Forms of the arguments that are evaluated, by class name and spelling.

    Args:
        models: The models that each kind of step may name.
    """
    forms: dict[tuple[str, str], Schema] = {}
    for uses, model in WITH_MODELS.items():
        for name, field in model.model_fields.items():
            key = field.alias or name
            if field.annotation is not Any:
                continue
            form = _argument(uses, key, models)
            forms[model.__name__, key] = form if field.is_required() else or_null(form)
    return {place: form for place, form in forms.items() if form}


def _argument(uses: str, key: str, models: Mapping[str, Sequence[Model]]) -> Schema:
    match uses, key:
        case (("chat" | "generate"), "model"):
            return model_ids(models[uses])
        case "chat", "reasoning_effort":
            return chosen(_EFFORTS)
        case "chat", "web_search":
            return {"type": ["boolean", "string"], "pattern": COMPUTED}
        case "pick", "mode":
            return chosen(_MODES)
        case "pick", "from":
            return {"type": ["array", "string"], "pattern": COMPUTED}
        case "generate", "params":
            return {"type": ["object", "string"], "pattern": COMPUTED}
        case "notify", "url":
            return {"type": "string", "pattern": rf"^(https?://|env:|block:)|{COMPUTED}"}
        case "notify", "secret":
            return {"type": "string", "pattern": rf"^(env|block):|{COMPUTED}"}
    if key in _FILES:
        return {"type": ["array", "string"], "items": _FILE}
    fits = _FITS.get((uses, key), ())
    return {"type": "string"} if "text" in fits else {}


def step_rules() -> Schema:
    """What a step must be, as keywords of its map."""
    pairs = (_LOOPS[:2], _LOOPS[1:], (_LOOPS[0], _LOOPS[2]))
    several = {"anyOf": [given(loop) for loop in _LOOPS]}
    fails = {
        "required": ["allow_failures"],
        "properties": {"allow_failures": {"exclusiveMinimum": 0}},
    }
    rules: list[Schema] = [
        {
            "if": is_("uses", uses),
            "then": {"properties": {"with": {"$ref": f"#/$defs/{model.__name__}"}}},
        }
        for uses, model in WITH_MODELS.items()
    ]
    rules += [
        {"not": {"anyOf": [given(*pair) for pair in pairs]}},
        {"if": {"anyOf": [fails, given("key")]}, "then": several},
    ]
    return {
        "required": ["uses"],
        "dependentRequired": {"as": ["foreach"], "max_items": ["foreach"]},
        "allOf": rules,
    }


def needed_arguments(models: Mapping[str, Sequence[Model]]) -> dict[str, Schema]:
    """What a step of each kind must have in `with`, unless `defaults` give it."""
    needed: dict[str, Schema] = {}
    for uses, model in WITH_MODELS.items():
        arguments: Schema = {}
        required = [
            field.alias or name for name, field in model.model_fields.items() if field.is_required()
        ]
        if required:
            arguments["required"] = required
        if rules := [*needs(models.get(uses, ())), *_OWN_NEEDS.get(uses, ())]:
            arguments["allOf"] = rules
        if arguments:
            then = {"required": ["with"], "properties": {"with": arguments}}
            needed[uses] = {"if": is_("uses", uses), "then": then}
    return needed


_ASKING = ("question", "timeout", "on_timeout")
_OWN_NEEDS: Mapping[str, list[Schema]] = {
    "compose": [{"anyOf": [given("video"), given("images")]}],
    "pick": [
        {
            "if": {
                "not": {"required": ["mode"], "properties": {"mode": {"not": {"const": "first"}}}}
            },
            "then": {"properties": dict.fromkeys(_ASKING, False)},
        }
    ],
}


def schedule_rules() -> Schema:
    """What a schedule must be: one of the ways to say when."""
    kinds = ("cron", "interval", "rrule")
    written = {"pattern": rf"^\s*{_CRON.pattern.removesuffix('$')}\s*$"}
    return {
        "oneOf": [given(kind) for kind in kinds],
        "allOf": [{"properties": {"cron": written}}],
    }
