"""JSON Schema of the spec's models, key by key, and the few forms that values have in a spec."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from rivya_cut.durations import DURATION_PATTERN, seconds_of
from rivya_flows.language.field_types import COMPUTED, fields_of, seconds
from rivya_flows.language.final_cut import ComputableText

Schema = dict[str, Any]

NOTES = {"^x-": True}
"""`x-*` keys are the author's own."""

_ATTRIBUTE = re.compile(r"    (\w+(?:, \w+)*): (.*)")


def expression() -> Schema:
    """A text with an expression in it."""
    return {"$ref": "#/$defs/expression"}


def one_of(choices: Collection[Any], **keywords: Any) -> Schema:
    """One of the choices, or a text with an expression in it."""
    return {"anyOf": [{"enum": list(choices), **keywords}, expression()]}


def has_value(key: str, value: str) -> Schema:
    """Matches a map with this value at the key."""
    return {"required": [key], "properties": {key: {"const": value}}}


def by_name(pattern: str, value: Schema) -> Schema:
    """A map of names to such values; notes among them."""
    return {
        "type": "object",
        "patternProperties": {pattern: value, **NOTES},
        "additionalProperties": False,
    }


def of_models(
    models: Collection[type[BaseModel]], instead: Mapping[tuple[str, str], Schema]
) -> dict[str, Schema]:
    """Strict maps for the models and all models inside them, by class name.

    `instead` has the forms of keys, by class name and spelling; an empty one removes the key.
    """
    wanted = [(model, "validation") for model in models]
    _, whole = models_json_schema(wanted, schema_generator=_Generator)  # type: ignore[arg-type]  # the mode is a literal, widened in the list
    classes: dict[str, type[BaseModel]] = {}
    waiting = [*models]
    while waiting:
        one = waiting.pop()
        if one.__name__ not in classes:
            classes[one.__name__] = one
            waiting += [field.inner for field in fields_of(one).values() if field.inner]
    return {
        name: _map_of(classes[name], schema, instead)
        for name, schema in sorted(whole["$defs"].items())
        if name in classes
    }


def _map_of(
    model: type[BaseModel], raw: Schema, instead: Mapping[tuple[str, str], Schema]
) -> Schema:
    texts, name = attribute_texts(model), model.__name__
    properties = {}
    for key, value in raw["properties"].items():
        own = instead.get((name, key))
        if own == {}:
            continue
        form = {"title": value.get("title", key.capitalize())}
        if text := texts.get(key):
            form["description"] = text
        if value.get("default") is not None and "$ref" not in value:
            form["default"] = value["default"]
        properties[key] = {**form, **(own if own is not None else _tidy(value))}
    made: Schema = {"title": name, "type": "object", "properties": properties}
    if model.__doc__:
        made["description"] = first_paragraph(model)
    required = [key for key in raw.get("required", ()) if key in properties]
    if required:
        made["required"] = required
    return {**made, "patternProperties": NOTES, "additionalProperties": False}


def _tidy(value: Schema) -> Schema:
    """A fragment of pydantic's without its titles, and with one word for "or nothing"."""
    rest = {key: part for key, part in value.items() if key not in ("title", "default")}
    if rest.get("type") == "string" and not rest.keys() & {"enum", "pattern", "const"}:
        # A field that is typed as text is never evaluated.
        rest["not"] = expression()
    if isinstance(rest.get("items"), dict):
        rest["items"] = _tidy(rest["items"])
    if "patternProperties" in rest:
        [(pattern, member)] = rest["patternProperties"].items()
        longest = rest.get("propertyNames", {}).get("maxLength")
        made = by_name(pattern, member)
        if longest is not None:
            made["propertyNames"] = {"anyOf": [{"maxLength": longest}, {"pattern": "^x-"}]}
        return made
    options = rest.get("anyOf")
    if options and any(_MARK in _flat([one]) for one in options):
        parts = _flat(options)
        known = [one for one in parts if one not in (_MARK, _NOTHING)]
        return {"anyOf": [*known, expression(), *([_NOTHING] if _NOTHING in parts else [])]}
    if options and options[-1] == {"type": "null"} and len(options) == 2:
        return or_null(_tidy(options[0]))
    return rest


_MARK: Schema = {"type": "string", "pattern": COMPUTED}
"""Stands for an expression in the schema that pydantic makes."""

_NOTHING: Schema = {"type": "null"}


def _flat(options: list[Schema]) -> list[Schema]:
    """The options, those inside an option among them."""
    return [part for one in options for part in (_flat(one["anyOf"]) if "anyOf" in one else [one])]


def or_null(value: Schema) -> Schema:
    """The value, or nothing."""
    if "type" not in value:
        return {"anyOf": [value, _NOTHING]}
    types = value["type"] if isinstance(value["type"], list) else [value["type"]]
    either = {**value, "type": [*types, "null"]}
    return {**either, "enum": [*value["enum"], None]} if "enum" in value else either


class _Generator(GenerateJsonSchema):
    """Adds the text forms that a field parses before validation."""

    def function_before_schema(
        self, schema: core_schema.BeforeValidatorFunctionSchema
    ) -> JsonSchemaValue:
        if schema["function"]["function"] is seconds:
            return {
                "type": ["number", "string"],
                "exclusiveMinimum": 0,
                "pattern": DURATION_PATTERN,
            }
        made = super().function_before_schema(schema)
        if schema["function"]["function"] is seconds_of:
            made |= {"type": ["number", "string"], "pattern": DURATION_PATTERN}
        return made

    def function_wrap_schema(
        self, schema: core_schema.WrapValidatorFunctionSchema
    ) -> JsonSchemaValue:
        made = super().function_wrap_schema(schema)
        check = getattr(schema["function"]["function"], "__self__", None)
        if isinstance(check, ComputableText):
            text = {"type": "string", "pattern": r"\S", "maxLength": check.drawn.limit}
            made = {"anyOf": [text, *(one for one in made.get("anyOf", ()) if one == _NOTHING)]}
        return {"anyOf": [made, _MARK]}


def first_paragraph(documented: object) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join(inspect.cleandoc(documented.__doc__ or "").partition("\n\n")[0].split())


def attribute_texts(model: type[BaseModel]) -> dict[str, str]:
    """What the docstring of a model says of each key of its map."""
    _, _, section = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if match := _ATTRIBUTE.fullmatch(line):
            names = match.group(1).split(", ")
            found |= dict.fromkeys(names, match.group(2))
        elif line.startswith("        "):
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        else:
            break
    written = {name: info.alias for name, info in model.model_fields.items() if info.alias}
    return {written.get(name, name): text for name, text in found.items()}
