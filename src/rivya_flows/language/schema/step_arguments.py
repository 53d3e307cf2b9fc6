"""JSON Schema of what each kind of step takes in `with`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from rivya_flows.catalogue.catalogue import Model
from rivya_flows.language import step_functions
from rivya_flows.language.checks.step_arguments import ANSWER_TYPES, ASKING, EFFORTS, MODES
from rivya_flows.language.checks.type_check import FILE_LISTS, FITS
from rivya_flows.language.schema.fragments import (
    COMPUTED,
    Schema,
    chosen,
    computed,
    given,
    is_,
    or_null,
)
from rivya_flows.language.schema.generation_requests import model_ids, needs
from rivya_flows.language.workflow import SpecModel

Kinds = Mapping[str, type[SpecModel]]
"""What `with` takes, by kind of step."""

Callables = Mapping[str, Sequence[Model]]
"""The models that `chat` and `generate` steps may name."""

_SAYS: Mapping[str, str] = {
    "upload": "Uploads a file of your own to the service.",
    "chat": "Asks a chat model.",
    "generate": "Generates an image, a video or audio.",
    "pick": "Chooses one of several items.",
    "compose": "Combines video, images and audio on your machine; 0 credits.",
    "notify": "Sends a signed callback to a URL.",
    "include": "Runs another spec as part of this one.",
}
_FILE: Schema = {"type": "string"}
_OWN_NEEDS: Mapping[str, list[Schema]] = {
    "compose": [{"anyOf": [given("video"), given("images")]}],
    "pick": [
        {
            "if": {
                "not": {"required": ["mode"], "properties": {"mode": {"not": {"const": "first"}}}}
            },
            "then": {"properties": dict.fromkeys(ASKING, False)},
        }
    ],
}


EXPECT: Schema = {
    "type": ["object", "null"],
    "minProperties": 1,
    "additionalProperties": {
        "anyOf": [
            {"enum": list(ANSWER_TYPES)},
            {"type": "array", "minItems": 1, "maxItems": 1, "items": {"enum": list(ANSWER_TYPES)}},
            {"$ref": "#/$defs/ChatWith/properties/expect"},
        ]
    },
}
"""The shape of a chat answer."""


def says(uses: str) -> str:
    """What a kind of step does, in a sentence; empty where a function has no docstring."""
    if uses in _SAYS:
        return _SAYS[uses]
    function = step_functions.function_of(uses)
    return (function.call.__doc__ or "").strip().partition("\n")[0] if function else ""


def argument_forms(kinds: Kinds, models: Callables) -> dict[tuple[str, str], Schema]:
    """Forms of the arguments that are evaluated, by class name and spelling.

    Args:
        kinds: The kinds of step there are.
        models: The models that each may name.
    """
    forms: dict[tuple[str, str], Schema] = {}
    for uses, model in kinds.items():
        for name, field in model.model_fields.items():
            key = field.alias or name
            if field.annotation is not Any:
                continue
            function = step_functions.function_of(uses)
            form = _typed(function.takes[key]) if function else _argument(uses, key, models)
            forms[model.__name__, key] = form if field.is_required() else or_null(form)
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
    """The form of an argument of a function; any, where its type is made of others."""
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
