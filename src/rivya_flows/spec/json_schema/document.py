"""The JSON Schema of specs, for editors: keys, types, models, and what each model takes; `check` knows more."""

from __future__ import annotations

from typing import Any, get_args

from rivya_client.catalogue.catalogue import Catalogue
from rivya_flows.diagnostics import CODES, REFUSALS
from rivya_flows.language.field_types import COMPUTED
from rivya_flows.language.request_checks import step_of
from rivya_flows.language.step_groups import PARTS
from rivya_flows.language.workflow import Defaults, Workflow
from rivya_flows.spec.json_schema.fragments import NOTES, Schema, by_name, of_models, or_null
from rivya_flows.spec.json_schema.generation_requests import definition, rules
from rivya_flows.spec.json_schema.rules import (
    Kinds,
    argument_forms,
    forms_of,
    needed_arguments,
    step_rules,
)
from rivya_flows.spec.spec_tests import SpecTests, StepEnd

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILE = "rivya-flows.schema.json"
"""Name of the schema beside the specs."""

LINE = f"# yaml-language-server: $schema={FILE}"
"""The first line of a spec that editors take the schema from."""

TESTS_FILE = "rivya-flows-test.schema.json"
"""Name of the schema of tests beside them."""

TESTS_LINE = f"# yaml-language-server: $schema={TESTS_FILE}"

_MAYBE_EMPTY = ("inputs", *PARTS[1:], "outputs", "deploy")
_NEVER_EMPTY = ("budget", "concurrency")  # a cap that is left empty must not pass for none


def json_schema(catalogue: Catalogue, kinds: Kinds) -> Schema:
    """The schema of a spec with these models and kinds of step, as JSON Schema 2020-12."""
    listed = [model for model in catalogue.models.values() if model.api_status == "available"]
    named = {uses: [model for model in listed if step_of(model) == uses] for uses in kinds}
    models = {uses: found for uses, found in named.items() if found}
    instead = {**forms_of(kinds), **argument_forms(kinds, models)}
    built = of_models((Workflow, Defaults, *(one.takes for one in kinds.values())), instead)
    for uses, callables in models.items():
        built[kinds[uses].takes.__name__]["allOf"] = rules(callables)
        if "fallback" not in kinds[uses].idle:
            built["Fallback"]["allOf"] = rules(callables)
    built["Step"] |= step_rules(kinds)
    for kind in kinds.values():
        # What is missing here may be in `defaults`; see `needed_arguments`.
        built[kind.takes.__name__].pop("required", None)
    needed = needed_arguments(kinds, models)
    whole, defaults = built.pop("Workflow"), built.pop("Defaults")
    properties = _with_defaults(whole["properties"], defaults, kinds)
    return _pruned(
        {
            "$schema": DIALECT,
            **whole,
            "title": "rivya-flows spec",
            "properties": properties,
            "allOf": [_unless_defaulted(uses) for uses in needed],
            "$defs": {
                "expression": _EXPRESSION,
                **built,
                **{f"{uses}.needs": rule for uses, rule in needed.items()},
                **{one.id: definition(one) for listed in models.values() for one in listed},
            },
        }
    )


_EXPRESSION: Schema = {
    "title": "Expression",
    "description": "Text with `${{ … }}` in it; an expression alone keeps its type.",
    "type": "string",
    "pattern": COMPUTED,
}
_KEY: Schema = {"type": ["string", "number"]}
_NONE: Schema = {
    "type": "object",
    "properties": {"none": {"type": ["string", "null"], "maxLength": 500}},
    "required": ["none"],
    "additionalProperties": False,
}
_KEYS: Schema = {"type": "array", "items": _KEY, "minItems": 1}
_ROUNDS: Schema = {"type": "array", "items": {"anyOf": [_KEY, _KEYS, _NONE]}, "minItems": 1}
_ANY_NAME = "^[^$]"


def schema_of_tests() -> Schema:
    """The schema of the tests of a spec, whatever that is, as JSON Schema 2020-12."""
    status = {"enum": list(get_args(StepEnd))}
    number = {"type": "integer", "minimum": 0}
    forms = {
        ("Case", "answers"): by_name(_ANY_NAME, {"anyOf": [_KEY, _NONE, _ROUNDS]}),
        ("ExpectedRun", "credits"): {"anyOf": [number, {"$ref": "#/$defs/CreditRange"}]},
        ("ExpectedRun", "steps"): by_name(
            _ANY_NAME, {"anyOf": [status, {"$ref": "#/$defs/ExpectedStep"}]}
        ),
        ("ExpectedRun", "diagnostics"): {
            "type": "array",
            "items": {"enum": [*sorted(CODES), *REFUSALS]},
        },
    }
    built = {"expression": _EXPRESSION, **of_models((SpecTests,), forms)}
    whole = built.pop("SpecTests")
    return _pruned(
        {"$schema": DIALECT, **whole, "title": "rivya-flows tests of a spec", "$defs": built}
    )


def _with_defaults(
    properties: dict[str, Schema], defaults: Schema, kinds: Kinds
) -> dict[str, Schema]:
    """The keys of the whole file, `defaults` among them; those that may be empty say so."""
    defaulted: dict[str, Schema] = {}
    for uses, kind in kinds.items():
        arguments = {**defaults["properties"]["with"], "anyOf": _maybe(kind.takes.__name__)}
        own = {**defaults["properties"], "with": arguments}
        defaulted[uses] = {**defaults, "title": f"Defaults of {uses}", "properties": own}
    shown: dict[str, Schema] = {}
    for key, value in properties.items():
        if key in PARTS[:1]:
            shown["defaults"] = {
                "title": "Defaults",
                "description": "Defaults of all steps of a kind; a step's own values take precedence.",
                "type": ["object", "null"],
                "properties": defaulted,
                "patternProperties": NOTES,
                "additionalProperties": False,
            }
            shown[key] = {**value, "minProperties": 1}
        elif key in _NEVER_EMPTY:
            filled = {name: part for name, part in value.items() if name != "anyOf"}
            shown[key] = {**filled, "$ref": value["anyOf"][0]["$ref"]}
        elif key in _MAYBE_EMPTY:
            shown[key] = or_null(value)
        else:
            shown[key] = value
    return shown


def _pruned(schema: Schema) -> Schema:
    """The schema without definitions that nothing refers to."""
    definitions, used = schema["$defs"], set()
    waiting: list[Any] = [{key: part for key, part in schema.items() if key != "$defs"}]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
            name = str(part.get("$ref", "")).split("/")[2:3]
            if name and name[0] not in used:
                used.add(name[0])
                waiting.append(definitions[name[0]])
    return {**schema, "$defs": {name: one for name, one in definitions.items() if name in used}}


def _maybe(name: str) -> list[Schema]:
    return [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]


def _unless_defaulted(uses: str) -> Schema:
    """Every step of a kind needs its arguments, where `defaults` have none for the kind."""
    defaulted = {
        "required": ["defaults"],
        "properties": {
            "defaults": {"required": [uses], "properties": {uses: {"required": ["with"]}}}
        },
    }
    steps = {"patternProperties": {"^[a-z][a-z0-9_]*$": {"$ref": f"#/$defs/{uses}.needs"}}}
    return {"if": defaulted, "else": {"properties": dict.fromkeys(PARTS, steps)}}
