"""The JSON Schema of specs, for editors: keys, types, models, and what each model takes; `check` knows more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from rivya_client.catalogue.catalogue import Catalogue, Model, Param, option_text
from rivya_client.catalogue.common import COMMON, CommonParam, common_params
from rivya_client.catalogue.prices import price
from rivya_cut.composition import EndCard
from rivya_flows.diagnostics import CODES, REFUSALS
from rivya_flows.language.common_params import MODELS_OWN
from rivya_flows.language.cut_places import CUT, Slot, parts_in
from rivya_flows.language.field_types import COMPUTED, Takes, fields_of
from rivya_flows.language.final_cut import MODEL_OF
from rivya_flows.language.request_checks import step_of
from rivya_flows.language.syntax.source import read_scalar
from rivya_flows.language.workflow import PARTS, Defaults, Fallback, Step, Workflow
from rivya_flows.spec.build_models import MEDIA, TOP_KEYS
from rivya_flows.spec.schema_fragments import (
    NOTES,
    Schema,
    expression,
    has_value,
    of_models,
    one_of,
    or_null,
)
from rivya_flows.spec.spec_tests import SpecTests
from rivya_flows.steps.kind import Kind

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILE = "rivya-flows.schema.json"
"""Name of the schema beside the specs."""

LINE = f"# yaml-language-server: $schema={FILE}"
"""The first line of a spec that editors take the schema from."""

TESTS_FILE = "rivya-flows-test.schema.json"
"""Name of the schema of tests beside them."""

TESTS_LINE = f"# yaml-language-server: $schema={TESTS_FILE}"

Kinds = Mapping[str, Kind]
"""The kinds of step by name."""

Callables = Mapping[str, Sequence[Model]]
"""The models that steps of a kind may name."""

_MAYBE_EMPTY = ("inputs", "models", *PARTS[1:], "outputs", "deploy")


def json_schema(catalogue: Catalogue, kinds: Kinds) -> Schema:
    """The schema of a spec with these models and kinds of step, as JSON Schema 2020-12."""
    listed = [model for model in catalogue.models.values() if model.api_status == "available"]
    named = {uses: [model for model in listed if step_of(model) == uses] for uses in kinds}
    models = {uses: found for uses, found in named.items() if found}
    uses_form = {"enum": list(kinds), "enumDescriptions": [kind.says for kind in kinds.values()]}
    instead = {**_argument_forms(kinds, models), **_FORMS, ("Step", "uses"): uses_form}
    for key, field in fields_of(Step).items():
        if field.takes is not None:
            instead["Step", key] = or_null(_argument(field.takes))
    built = of_models((Workflow, Defaults, *(one.takes for one in kinds.values())), instead)
    for uses, callables in models.items():
        built[kinds[uses].takes.__name__]["allOf"] = rules(callables)
        if "fallback" not in kinds[uses].idle:
            built["Fallback"]["allOf"] = rules(callables)
    built["Step"] |= _step_rules(kinds)
    if "ClipWith" in built:
        built["ClipWith"]["anyOf"] = [{"required": ["media"]}, {"required": ["zip"]}]
    for kind in kinds.values():
        built[kind.takes.__name__].pop("required", None)  # it may be in `defaults`
    whole, defaults = built.pop("Workflow"), built.pop("Defaults")
    return {
        "$schema": DIALECT,
        **whole,
        "title": "rivya-flows spec",
        "properties": _top(whole["properties"], defaults, kinds),
        "$defs": {
            "expression": _EXPRESSION,
            **built,
            **{one.id: definition(one) for listed in models.values() for one in listed},
        },
    }


_FILE: Schema = {"type": "string"}


_BESIDE: Schema = {
    "type": "object",
    "properties": {"file": {"type": "string", "not": expression()}},
    "required": ["file"],
    "additionalProperties": False,
}
"""A text in a file beside the spec."""


def _form_of(slot: Slot) -> Schema:
    """What is written at a place of a cut where a map, a list or a medium belongs."""
    if slot.media:
        return _FILE
    if slot.member is not None:
        listed: Schema = {"type": "array", "items": _form_of(slot.member)}
        listed |= {"minItems": 1} if slot.alone else {}
        listed |= {"maxItems": slot.most} if slot.most else {}
        alone = _alone(slot.member) if slot.alone else [expression()]
        return {"anyOf": [listed, *alone]}
    return {"anyOf": _alone(slot)}


def _alone(slot: Slot) -> list[Schema]:
    """The forms of one value, or of a member alone for its list."""
    if slot.media:
        return [_FILE]
    alone: list[Schema] = [expression()]
    if slot.model is EndCard:
        alone.append({"const": True})
    elif slot.alone:
        inner = slot.fields[slot.alone]
        text = {"type": "string", **({"pattern": r"\S"} if slot.alone == "text" else {})}
        alone = [{"enum": [*inner.choices]}, *alone] if inner.choices else [text]
    return [*alone, {"$ref": f"#/$defs/{MODEL_OF[slot.model].__name__}"}]


def _cut_forms() -> dict[tuple[str, str], Schema]:
    """Forms of the keys of a cut that hold maps, or media."""
    holders = {"ComposeWith": CUT, "LayoutWith": CUT}
    parts = (slot for slot in parts_in(CUT) if slot.model in MODEL_OF)
    holders |= {MODEL_OF[slot.model].__name__: slot for slot in parts}
    found = {}
    for name, slot in holders.items():
        for key, inner in slot.fields.items():
            held = inner.member or inner
            if held.model in MODEL_OF or (held.media and slot.model):
                form = found[name, key] = _form_of(inner)
                if slot.model is None or not slot.model.model_fields[key].is_required():
                    either = form.get("anyOf", [form])
                    found[name, key] = {"anyOf": [*either, {"type": "null"}]}
    return found


_FORMS: Mapping[tuple[str, str], Schema] = {
    ("Step", "with"): {"type": "object"},
    ("ChatWith", "expect"): {
        "anyOf": [{"type": "object", "minProperties": 1}, {"type": "string"}, {"type": "null"}]
    },
    ("ChatWith", "message"): {"anyOf": [{"type": "string"}, _BESIDE]},
    **{
        (holder, "prompt"): {"anyOf": [{"type": ["string", "null"]}, _BESIDE]}
        for holder in ("GenerateWith", "Fallback")
    },
    **_cut_forms(),
}
"""Forms of keys; they may be nothing where a model allows it."""


def _step_rules(kinds: Kinds) -> Schema:
    """What a step must be, as keywords of its map."""
    rules: list[Schema] = []
    for uses, kind in kinds.items():
        takes = {"with": {"$ref": f"#/$defs/{kind.takes.__name__}"}}
        rules.append({"if": has_value("uses", uses), "then": {"properties": takes}})
    return {"required": ["uses"], "allOf": rules}


def _argument_forms(kinds: Kinds, models: Callables) -> dict[tuple[str, str], Schema]:
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


_JSON_TYPES: Mapping[str, str] = {
    "list": "array",
    "map": "object",
    "boolean": "boolean",
    "number": "number",
}


def _argument(takes: Takes) -> Schema:
    if takes.choices:
        return one_of(takes.choices)
    if takes.is_file and "list" in takes.kinds:
        return {"type": ["array", "string"], "items": _FILE}
    if takes.kinds and (first := _JSON_TYPES.get(takes.kinds[0])):
        computed = {} if "text" in takes.kinds else {"pattern": COMPUTED}
        return {"type": [first, "string"], **computed}
    return {"type": "string"} if "text" in takes.kinds else {}


def _top(properties: dict[str, Schema], defaults: Schema, kinds: Kinds) -> dict[str, Schema]:
    """The keys of the whole file, `defaults` among them; those that may be empty say so."""
    defaulted: dict[str, Schema] = {}
    for uses, kind in kinds.items():
        takes = or_null({"$ref": f"#/$defs/{kind.takes.__name__}"})
        own = {**defaults["properties"], "with": {**defaults["properties"]["with"], **takes}}
        defaulted[uses] = {**defaults, "title": f"Defaults of {uses}", "properties": own}
    for medium in MEDIA if "generate" in defaulted else ():
        defaulted[medium] = {"$ref": "#/properties/defaults/properties/generate"}
    top = {**properties, **{key: or_null(properties[key]) for key in _MAYBE_EMPTY}}
    top["steps"] = {**top["steps"], "minProperties": 1}
    top["defaults"] = {
        "title": "Defaults",
        "description": "Defaults of all steps of a kind, or of a medium; a step's own values take precedence.",
        "type": ["object", "null"],
        "properties": defaulted,
        "patternProperties": NOTES,
        "additionalProperties": False,
    }
    return {key: top[key] for key in TOP_KEYS}


_EXPRESSION: Schema = {
    "title": "Expression",
    "description": "Text with `${{ … }}` in it; an expression alone keeps its type.",
    "type": "string",
    "pattern": COMPUTED,
}


def schema_of_tests() -> Schema:
    """The schema of the tests of a spec, whatever that is, as JSON Schema 2020-12."""
    forms = {
        ("ExpectedRun", "diagnostics"): {
            "type": "array",
            "items": {"enum": [*sorted(CODES), *REFUSALS]},
        }
    }
    built = {"expression": _EXPRESSION, **of_models((SpecTests,), forms)}
    whole = built.pop("SpecTests")
    return {"$schema": DIALECT, **whole, "title": "rivya-flows tests of a spec", "$defs": built}


_NUMERIC = rf"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$|{COMPUTED}"


def model_ids(models: Iterable[Model]) -> Schema:
    """The id of one of the models, each with its price beside it."""
    listed = list(models)
    text = [f"{model.display_name}: {_price_text(model)}" for model in listed]
    # The second keyword is known to editors and passed over by validators.
    ids = one_of([model.id for model in listed], enumDescriptions=text)
    return {
        "anyOf": [*ids["anyOf"], {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,63}$"}]
    }  # of `models`


def rules(models: Iterable[Model]) -> list[Schema]:
    """For each model: where it is named, its own definition holds."""
    return [
        {"if": has_value("model", one.id), "then": {"$ref": f"#/$defs/{one.id}"}} for one in models
    ]


def definition(model: Model) -> Schema:
    """What the arguments of a step must be where it names this model."""
    properties: dict[str, Any] = {
        "model": {"title": model.display_name, "description": _description(model)}
    }
    if model.makes is not None:
        common = common_params(model)
        properties |= {name: _common(name, common[name]) for name in COMMON if name in common}
        properties["params"] = _params(model)
    return {"properties": properties}


def _price_text(model: Model) -> str:
    known = price(model, {})
    unit = "credit" if known.min == known.max == 1 else "credits"
    if known.max is None:
        return f"from {known.min} {unit}, {known.assumption}"
    if known.min == known.max:
        return f"{known.min} {unit}"
    return f"{known.min} to {known.max} {unit}, {known.assumption}"


def _description(model: Model) -> str:
    longest, rule = model.max_prompt_length, model.references and model.references.rule
    parts = [
        f"{model.category.capitalize()}, {_price_text(model)}.",
        f"Modes: {', '.join(model.supported_modes)}." if model.supported_modes else "",
        f"Prompt: at most {longest:,} characters." if longest else "",
        f"References: {rule}" if rule else "",
        *model.notices,
    ]
    return " ".join(part for part in parts if part)


def _params(model: Model) -> Schema:
    text = "Parameters of " + model.display_name
    if any(param.bears_price for param in model.params):
        text += "; some of them change its price"
    return {
        "type": ["object", "string", "null"],
        "description": f"{text}.",
        "pattern": COMPUTED,
        "properties": {param.key: _param(param) for param in model.params},
        "additionalProperties": False,
    }


def _common(name: str, takes: CommonParam) -> Schema:
    form = _param(takes.common)
    about: Schema = {key: form.pop(key) for key in ("description", "default") if key in form}
    forms = [*form.get("anyOf", [form]), {"enum": [None, MODELS_OWN]}]
    if name in ("seconds", "resolution"):  # in other spellings too, such as 8s and 720P
        forms.append({"type": "string"})
    return {**about, "anyOf": forms}


def _param(param: Param) -> Schema:
    form: Schema = {"description": _about(param)}
    if param.default is not None:
        form["default"] = param.written_default
    match param.type:
        case "select" if param.options:
            names = [one.name for one in param.voices if one.name not in param.options]
            choices: list[Any] = [*names, *param.options]
            for option in param.options:
                # As YAML reads it without quotes: a number or a switch.
                with suppress(ValueError):
                    plain = read_scalar(option)
                    if plain != option and option_text(plain) == option:
                        choices.append(plain)
            return {**form, **one_of(choices)}
        case "number":
            bounds = {"minimum": param.min, "maximum": param.max}
            # A fraction as step is the grain of a slider; a whole one is counted from the least number.
            step, least = param.step, param.min or 0
            if step and float(step).is_integer() and least % step == 0:
                bounds["multipleOf"] = step
            known = {key: value for key, value in bounds.items() if value is not None}
            return {**form, "type": ["number", "string"], "pattern": _NUMERIC, **known}
        case "array":
            return {**form, **_members(param)}
        case "select" | "text":
            return {**form, "type": ["string", "number", "boolean"]}
        case _:
            return form


def _members(param: Param) -> Schema:
    listed: Schema = {"type": ["array", "string"], "minItems": 1, "pattern": COMPUTED}
    if param.item_keys:
        listed["items"] = {
            "type": ["object", "string"],
            "pattern": COMPUTED,
            "properties": {key: {} for key in param.item_keys},
            "required": list(param.item_required),
            "additionalProperties": False,
        }
    return listed


def _about(param: Param) -> str:
    low, high = param.min, param.max
    parts = [
        param.description,
        f"From {low} to {high}." if low is not None and high is not None else "",
        f"At least {low}." if low is not None and high is None else "",
        f"At most {high}." if low is None and high is not None else "",
        f"Voices: {', '.join(map(str, param.voices))}." if param.voices else "",
        f"Default: {option_text(param.written_default)}." if param.default is not None else "",
        "Required." if param.required else "",
        "Another value may change the price." if param.bears_price else "",
    ]
    return " ".join(part for part in parts if part) or param.key
