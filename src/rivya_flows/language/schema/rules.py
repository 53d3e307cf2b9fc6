"""JSON Schema of what the models leave open: inputs, steps, fan-outs, conditions, schedules."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, get_args

from pydantic import TypeAdapter

from rivya_flows.catalogue.catalogue import Model
from rivya_flows.language import step_functions
from rivya_flows.language.checks.picks import idle_keys
from rivya_flows.language.checks.step_arguments import ANSWER_TYPES, EFFORTS, IDLE, MODES
from rivya_flows.language.checks.type_check import FILE_LISTS, FITS
from rivya_flows.language.cut_terms import FORMATS, Extra
from rivya_flows.language.expressions.resolve import ITEMS
from rivya_flows.language.expressions.scope import RESERVED
from rivya_flows.language.field_types import QUANTITY
from rivya_flows.language.final_cut import MAX_CLIPS, MAX_FORMATS
from rivya_flows.language.includes import NEEDLESS
from rivya_flows.language.inputs import SIZED
from rivya_flows.language.matrix import LOOPS, SPECIAL
from rivya_flows.language.schema.fragments import (
    COMPUTED,
    WHOLE,
    Schema,
    chosen,
    computed,
    given,
    is_,
    or_null,
    or_whole,
)
from rivya_flows.language.schema.generation_requests import model_ids, needs
from rivya_flows.language.step_arguments import WITH_MODELS
from rivya_flows.language.syntax.cron import CRON
from rivya_flows.language.workflow import MAX_FALLBACKS, InputType, Resources, SpecModel

Kinds = Mapping[str, type[SpecModel]]
"""What `with` takes, by kind of step."""

Callables = Mapping[str, Sequence[Model]]
"""The models that `chat` and `generate` steps may name."""

_SAYS: Mapping[str, str] = {
    "upload": "Uploads a file of your own to the service.",
    "chat": "Asks a chat model.",
    "generate": "Generates an image, a video or audio.",
    "pick": "Chooses one of several items.",
    "compose": "Makes a film of videos, images and audio on your machine; 0 credits.",
    "layout": "Finishes an image with texts, logos and formats on your machine; 0 credits.",
    "notify": "Sends a signed callback to a URL.",
    "include": "Runs another spec as part of this one.",
}
_FILE: Schema = {"type": "string"}


def _without(*keys: str) -> Schema:
    return {"properties": dict.fromkeys(keys, False)}


_COMPOSED: list[Schema] = [
    {"anyOf": [given(key) for key in ("clips", "video", "images")]},
    *(
        {"not": given(*pair)}
        for pair in (
            ("clips", "video"),
            ("clips", "images"),
            ("video", "images"),
            ("clips", "fit"),
            ("transition", "video"),
            ("transition", "images"),
        )
    ),
    {
        "if": {"not": given("captions")},
        "then": {
            "properties": {
                "extras": {"not": {"type": "array", "contains": {"enum": ["srt", "clean"]}}}
            }
        },
    },
    {
        "if": {
            "required": ["captions"],
            "properties": {"captions": {"type": "object", **given("text")}},
        },
        "then": {"anyOf": [given("narration"), given("audio")]},
    },
]
_FIRST = {"not": {"required": ["mode"], "properties": {"mode": {"not": {"const": "first"}}}}}
_PICKED: list[Schema] = [
    *(
        {
            "if": _FIRST if mode == "first" else is_("mode", mode),
            "then": {"properties": dict.fromkeys(idle_keys(mode), False)},
        }
        for mode in MODES
    ),
    {"if": is_("mode", "best"), "then": given("by")},
    {
        "if": {
            "anyOf": [
                is_("mode", "judge"),
                is_("on_timeout", "judge"),
                is_("on_none", "regenerate"),
            ]
        },
        "then": given("judge"),
    },
    {
        "if": {
            "allOf": [is_("mode", "human"), {"not": is_("on_timeout", "judge")}],
        },
        "then": _without("on_none"),
    },
    {
        "if": {"anyOf": [given("none"), is_("on_none", "regenerate")]},
        "then": {"properties": {"from": {"type": "string", "pattern": ITEMS}}},
    },
]
_OWN_NEEDS: Mapping[str, list[Schema]] = {"compose": _COMPOSED, "pick": _PICKED}


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
        "anyOf": [
            {"$ref": "#/$defs/Brand"},
            {"type": ["string", "null"], "not": computed()},
        ]
    },
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
        "anyOf": [
            {"type": ["string", "null"], "not": computed()},
            {"$ref": "#/$defs/WorkPool"},
        ]
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

CUT_RULES: Mapping[str, Schema] = {
    "OverlayWith": {"oneOf": [given("image"), given("text")]},
    "CaptionsWith": {"oneOf": [given("text"), given("file")]},
}
"""What the maps inside `compose` and `layout` must be, as keywords of them."""

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
    functions = {uses: ("fallback",) for uses in kinds if uses not in WITH_MODELS}
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
            {"if": is_("uses", uses), "then": _without(*keys)}
            for uses, keys in {**functions, **IDLE, "include": NEEDLESS}.items()
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
    return {"oneOf": [given(kind) for kind in kinds], "allOf": [{"properties": {"cron": written}}]}


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


def says(uses: str) -> str:
    """What a kind of step does, in a sentence; empty where a function has no docstring."""
    if uses in _SAYS:
        return _SAYS[uses]
    function = step_functions.function_of(uses)
    return (function.call.__doc__ or "").strip().partition("\n")[0] if function else ""


def argument_forms(kinds: Kinds, models: Callables) -> dict[tuple[str, str], Schema]:
    """Forms of the arguments that are evaluated, by class name and spelling."""
    forms: dict[tuple[str, str], Schema] = {}
    for uses, model in kinds.items():
        for name, field in model.model_fields.items():
            key = field.alias or name
            if field.annotation is not Any:
                continue
            function = step_functions.function_of(uses)
            form = _typed(function.takes[key]) if function else _argument(uses, key, models)
            forms[model.__name__, key] = form if field.is_required() else or_null(form)
    for key in ("model", "prompt", "params", "references"):
        forms["Fallback", key] = or_null(_argument("generate", key, models))
    forms["JudgeWith", "model"] = model_ids(models["chat"])
    return {place: form for place, form in forms.items() if form}


def _argument(uses: str, key: str, models: Callables) -> Schema:
    match uses, key:
        case (("chat" | "generate"), "model"):
            return model_ids(models[uses])
        case "chat", "reasoning_effort":
            return chosen(EFFORTS)
        case "chat", "web_search":
            return {"type": ["boolean", "string"], "pattern": COMPUTED}
        case "pick", "mode":
            return chosen(MODES)
        case "pick", "by":
            return {"type": "string", "pattern": WHOLE}
        case "pick", "from":
            return {"type": ["array", "string"], "pattern": COMPUTED}
        case "compose", "images":
            return {"type": ["array", "string"], "items": _FILE, "minItems": 1}
        case "generate", "params":
            return {"type": ["object", "string"], "pattern": COMPUTED}
        case "notify", "url":
            return {"type": "string", "pattern": rf"^(https?://[^/?#]|env:|block:)|{COMPUTED}"}
        case "notify", "secret":
            return {"type": "string", "pattern": rf"^(env|block):|{COMPUTED}"}
    if key in FILE_LISTS:
        return {"type": ["array", "string"], "items": _FILE}
    fits = FITS.get((uses, key), ())
    return {"type": "string"} if "text" in fits else {}


def _typed(adapter: TypeAdapter[Any]) -> Schema:
    """The form of an argument of a function; any form if its type contains other models."""
    form = adapter.json_schema()
    return {} if "$defs" in form else {"anyOf": [form, computed()]}


def needed_arguments(kinds: Kinds, models: Callables) -> dict[str, Schema]:
    """What a step of each kind must have in `with`, unless `defaults` give it."""
    needed: dict[str, Schema] = {}
    for uses, model in kinds.items():
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
