"""JSON Schema of what the models leave open, and of what each kind of step takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, get_args

from rivya_client.catalogue.catalogue import Model
from rivya_cut.composition import MAX_CLIPS, MAX_FORMATS
from rivya_cut.terms import FORMATS, Extra
from rivya_flows.language.field_types import COMPUTED, QUANTITY, WHOLE, Takes, fields_of
from rivya_flows.language.matrix import SPECIAL
from rivya_flows.language.workflow import MAX_FALLBACKS, Fallback, Resources
from rivya_flows.spec.json_schema.fragments import Schema, chosen, computed, is_, or_null, or_whole
from rivya_flows.spec.json_schema.generation_requests import model_ids, needs
from rivya_flows.spec.names import RESERVED
from rivya_flows.steps.chat import ANSWER_TYPES
from rivya_flows.steps.kind import Kind

Kinds = Mapping[str, Kind]
"""The kinds of step by name."""

Callables = Mapping[str, Sequence[Model]]
"""The models that `chat` and `generate` steps may name."""

_FILE: Schema = {"type": "string"}


def _without(*keys: str) -> Schema:
    return {"properties": dict.fromkeys(keys, False)}


_ANSWERED = [{"enum": list(ANSWER_TYPES)}, {"$ref": "#/$defs/ChatWith/properties/expect"}]
_LISTED = {"type": "array", "minItems": 1, "maxItems": 1, "items": {"anyOf": _ANSWERED}}
EXPECT: Schema = {
    "type": ["object", "null"],
    "minProperties": 1,
    "additionalProperties": {"anyOf": [*_ANSWERED, _LISTED]},
}
"""The shape of a chat answer."""


def _several(choices: Collection[str], least: int, most: int) -> Schema:
    """A list of different choices, or one expression that gives it."""
    listed = {"type": "array", "items": chosen(choices), "minItems": least, "maxItems": most}
    return {"anyOf": [{**listed, "uniqueItems": True}, computed(), {"type": "null"}]}


_AXIS = "^[a-z][a-z0-9_]{0,63}$"
_LIST = or_whole("array", minItems=1)
_RULES = or_whole("array", items=or_whole("object", minProperties=1))

_FORMS: Mapping[tuple[str, str], Schema] = {
    ("Workflow", "brand"): {
        "anyOf": [{"$ref": "#/$defs/Brand"}, {"type": ["string", "null"], "not": computed()}]
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
    **{
        ("Resources", name): {
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": QUANTITY},
                {"type": "null"},
            ]
        }
        for name in Resources.model_fields
    },
    ("Deploy", "work_pool"): {
        "anyOf": [{"type": ["string", "null"], "not": computed()}, {"$ref": "#/$defs/WorkPool"}]
    },
    ("ChatWith", "expect"): EXPECT,
    ("Step", "fallback"): {
        "type": "array",
        "items": {"$ref": "#/$defs/Fallback", "minProperties": 1},
        "maxItems": MAX_FALLBACKS,
    },
    ("ComposeWith", "clips"): {
        "anyOf": [
            {
                "type": "array",
                "items": {"anyOf": [{"$ref": "#/$defs/ClipWith"}, _FILE]},
                "minItems": 1,
                "maxItems": MAX_CLIPS,
            },
            computed(),
            {"type": "null"},
        ]
    },
    ("ComposeWith", "end_card"): {
        "anyOf": [{"$ref": "#/$defs/EndCardWith"}, {"const": True}, computed(), {"type": "null"}]
    },
    **{
        (name, "formats"): _several(FORMATS, 1, MAX_FORMATS)
        for name in ("ComposeWith", "LayoutWith")
    },
    ("ComposeWith", "extras"): _several(get_args(Extra), 0, len(get_args(Extra))),
    ("ClipWith", "media"): _FILE,
    ("MusicWith", "audio"): _FILE,
    **{(name, "image"): or_null(_FILE) for name in ("OverlayWith", "EndCardWith")},
}
"""Forms of keys; they may be nothing where a model allows it."""


def forms_of(kinds: Kinds) -> dict[tuple[str, str], Schema]:
    """Forms of keys that their type in the models leaves open, by class name and spelling."""
    uses = {"enum": list(kinds), "enumDescriptions": [kind.says for kind in kinds.values()]}
    return {**_FORMS, ("Step", "uses"): uses}


def step_rules(kinds: Kinds) -> Schema:
    """What a step must be, as keywords of its map."""
    rules: list[Schema] = [
        {
            "if": is_("uses", uses),
            "then": {"properties": {"with": {"$ref": f"#/$defs/{kind.takes.__name__}"}}},
        }
        for uses, kind in kinds.items()
    ]
    rules += [
        {"if": is_("uses", uses), "then": _without(*kind.idle)}
        for uses, kind in kinds.items()
        if kind.idle
    ]
    return {"required": ["uses"], "allOf": rules}


def argument_forms(kinds: Kinds, models: Callables) -> dict[tuple[str, str], Schema]:
    """Forms of the arguments that are evaluated, by class name and spelling."""
    forms: dict[tuple[str, str], Schema] = {}
    for uses, kind in kinds.items():
        for key, field in fields_of(kind.takes).items():
            if field.info.annotation is not Any:
                continue
            form = kind.form_of(key) or _argument(field.takes or Takes())
            if key == "model" and uses in models:
                form = model_ids(models[uses])
            required = field.info.is_required()
            forms[kind.takes.__name__, key] = form if required else or_null(form)
            if "fallback" not in kind.idle and key in fields_of(Fallback):
                forms["Fallback", key] = or_null(form)
    forms["JudgeWith", "model"] = model_ids(models["chat"])
    return {place: form for place, form in forms.items() if form}


def _argument(takes: Takes) -> Schema:
    if takes.schema is not None:
        return dict(takes.schema)
    if takes.choices:
        return chosen(takes.choices)
    if takes.is_file and "list" in takes.kinds:
        return {"type": ["array", "string"], "items": _FILE}
    if takes.kinds == ("map",):
        return {"type": ["object", "string"], "pattern": COMPUTED}
    return {"type": "string"} if "text" in takes.kinds else {}


def needed_arguments(kinds: Kinds, models: Callables) -> dict[str, Schema]:
    """What a step of each kind must have in `with`, unless `defaults` give it."""
    needed: dict[str, Schema] = {}
    for uses, kind in kinds.items():
        arguments: Schema = {}
        fields = fields_of(kind.takes).items()
        required = [key for key, field in fields if field.info.is_required()]
        if required:
            arguments["required"] = required
        if rules := needs(models.get(uses, ())):
            arguments["allOf"] = rules
        if arguments:
            then = {"required": ["with"], "properties": {"with": arguments}}
            needed[uses] = {"if": is_("uses", uses), "then": then}
    return needed
