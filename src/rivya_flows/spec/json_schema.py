"""The JSON Schema of specs, for editors: keys, types, models, and what each model takes; `check` knows more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, get_args

from rivya_client.catalogue.catalogue import Catalogue, Model, Param, option_text
from rivya_client.catalogue.common import COMMON, common_params
from rivya_client.catalogue.prices import price
from rivya_cut.composition import MAX_CLIPS
from rivya_cut.durations import DURATION_PATTERN
from rivya_cut.terms import TransitionKind
from rivya_flows.diagnostics import CODES, REFUSALS
from rivya_flows.language.answers import KEYS, SHORT, TYPES
from rivya_flows.language.common_params import MODELS_OWN
from rivya_flows.language.field_types import COMPUTED, QUANTITY, WHOLE, Takes, fields_of
from rivya_flows.language.matrix import SPECIAL
from rivya_flows.language.outputs import FILE_NAME
from rivya_flows.language.request_checks import step_of
from rivya_flows.language.syntax.source import read_scalar
from rivya_flows.language.workflow import (
    MAX_FALLBACKS,
    PARTS,
    Defaults,
    Fallback,
    Resources,
    Workflow,
)
from rivya_flows.spec.build_models import MEDIA, TOP_KEYS
from rivya_flows.spec.names import RESERVED
from rivya_flows.spec.schema_fragments import (
    NOTES,
    Schema,
    by_name,
    expression,
    has_value,
    of_models,
    one_of,
    or_null,
    or_whole,
)
from rivya_flows.spec.spec_tests import SpecTests, StepEnd
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
_NEVER_EMPTY = ("budget", "concurrency")  # a cap that is left empty must not pass for none


def json_schema(catalogue: Catalogue, kinds: Kinds) -> Schema:
    """The schema of a spec with these models and kinds of step, as JSON Schema 2020-12."""
    listed = [model for model in catalogue.models.values() if model.api_status == "available"]
    named = {uses: [model for model in listed if step_of(model) == uses] for uses in kinds}
    models = {uses: found for uses, found in named.items() if found}
    uses_form = {"enum": list(kinds), "enumDescriptions": [kind.says for kind in kinds.values()]}
    instead = {**_argument_forms(kinds, models), **_FORMS, ("Step", "uses"): uses_form}
    built = of_models((Workflow, Defaults, *(one.takes for one in kinds.values())), instead)
    for uses, callables in models.items():
        built[kinds[uses].takes.__name__]["allOf"] = rules(callables)
        if "fallback" not in kinds[uses].idle:
            built["Fallback"]["allOf"] = rules(callables)
    built["Step"] |= _step_rules(kinds)
    for kind in kinds.values():
        # What is missing here may be in `defaults`; see `_needed_arguments`.
        built[kind.takes.__name__].pop("required", None)
    needed = _needed_arguments(kinds, models)
    whole, defaults = built.pop("Workflow"), built.pop("Defaults")
    return {
        "$schema": DIALECT,
        **whole,
        "title": "rivya-flows spec",
        "properties": _top(whole["properties"], defaults, kinds),
        "allOf": [
            {
                "if": _has("defaults", uses, "with"),
                "else": {"properties": {part: {"$ref": f"#/$defs/{uses}.needs"} for part in PARTS}},
            }
            for uses in needed
        ],
        "$defs": {
            "expression": _EXPRESSION,
            "nothing": _NOTHING,
            "answer": _ANSWER_FIELD,
            **built,
            **{f"{uses}.needs": rule for uses, rule in needed.items()},
            **{one.id: definition(one) for listed in models.values() for one in listed},
        },
    }


_FILE: Schema = {"type": "string"}


_ANSWER: Schema = {"$ref": "#/$defs/answer"}
_ANSWERS: Schema = {"type": "object", "minProperties": 1, "additionalProperties": _ANSWER}
_DECLARED: Mapping[str, Schema] = {
    **{key: {} for key in KEYS},
    "type": {"enum": list(TYPES)},
    "description": {"type": "string"},
    "required": {"type": "boolean"},
    "values": {"type": "array", "minItems": 1, "items": {"type": ["string", "number", "boolean"]}},
    "of": {"enum": [one for one in TYPES if one != "list"]},
    "fields": _ANSWERS,
    "min": {"type": "number"},
    "max": {"type": "number"},
    "pattern": {"type": "string"},
}
_ANSWER_MAP: Schema = {
    "type": "object",
    "if": {"required": ["type", "fields"], "properties": {"type": {"const": "map"}}},
    "then": {"properties": _DECLARED, "additionalProperties": False},
    "else": _ANSWERS,
}
_ANSWER_FIELD: Schema = {
    "title": "Field of an answer",
    "description": "A type, [type], a map of fields, or a map with `type` that says more.",
    "anyOf": [
        {"enum": list(SHORT)},
        {"type": "array", "minItems": 1, "maxItems": 1, "items": _ANSWER},
        {
            "type": "object",
            "if": {"required": ["type"], "properties": {"type": {"type": "string"}}},
            "then": {"properties": _DECLARED, "additionalProperties": False},
            "else": _ANSWERS,
        },
    ],
}
_BESIDE: Schema = {
    "type": "object",
    "properties": {"file": {"type": "string", "not": expression()}},
    "required": ["file"],
    "additionalProperties": False,
}
"""A text in a file beside the spec."""

_AXIS = "^[a-z][a-z0-9_]{0,63}$"
_LIST = or_whole("array", minItems=1)
_RULES = or_whole("array", items=or_whole("object", minProperties=1))


def _part(name: str, *alone: Schema) -> Schema:
    """A part of a film: a map, or what may stand alone for it."""
    return {"anyOf": [*alone, {"$ref": f"#/$defs/{name}With"}, {"type": "null"}]}


# Any value, but one with both keys names a file.
_OUTPUT: Schema = {
    "properties": {
        "value": {"description": "The output, where it is a file too."},
        "file": {"description": "Name of the file in the folder of the run, such as `letter.md`."},
    },
    "if": {"type": "object", "required": ["value", "file"]},
    "then": {"properties": {"file": {"type": "string", "pattern": FILE_NAME}}, "maxProperties": 2},
}

_FORMS: Mapping[tuple[str, str], Schema] = {
    ("Workflow", "outputs"): {
        "type": "object",
        "patternProperties": {"^[a-z][a-z0-9_]*$": _OUTPUT, "^x-": True},
        "additionalProperties": False,
        "propertyNames": {"anyOf": [{"maxLength": 64}, {"pattern": "^x-"}]},
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
            "type": ["number", "string", "null"],
            "minimum": 0,
            "pattern": QUANTITY,
        }
        for name in fields_of(Resources)
    },
    ("Deploy", "work_pool"): {
        "anyOf": [{"type": ["string", "null"], "not": expression()}, {"$ref": "#/$defs/WorkPool"}]
    },
    ("ChatWith", "expect"): {
        "anyOf": [_ANSWER_MAP, {"type": "string", "not": expression()}, {"type": "null"}]
    },
    ("ChatWith", "message"): {"anyOf": [{"type": "string"}, _BESIDE]},
    **{
        (holder, "prompt"): {"anyOf": [{"type": ["string", "null"]}, _BESIDE]}
        for holder in ("GenerateWith", "Fallback")
    },
    ("Step", "fallback"): {
        "type": "array",
        "items": {"$ref": "#/$defs/Fallback", "minProperties": 1},
        "maxItems": MAX_FALLBACKS,
    },
    ("ComposeWith", "clips"): _part(
        "Clip",
        {
            "type": "array",
            "items": {"anyOf": [{"$ref": "#/$defs/ClipWith"}, _FILE]},
            "minItems": 1,
            "maxItems": MAX_CLIPS,
        },
        _FILE,
    ),
    ("ComposeWith", "transition"): _part(
        "Transition", {"enum": [*get_args(TransitionKind)]}, expression()
    ),
    ("ComposeWith", "music"): _part("Music", _FILE),
    ("ComposeWith", "captions"): _part("Captions", {"type": "string", "pattern": r"\S"}),
    ("ComposeWith", "end_card"): _part("EndCard", {"const": True}, expression()),
    ("ClipWith", "media"): _FILE,
    ("MusicWith", "audio"): _FILE,
    **{(name, "image"): or_null(_FILE) for name in ("OverlayWith", "EndCardWith")},
}
"""Forms of keys; they may be nothing where a model allows it."""


def _step_rules(kinds: Kinds) -> Schema:
    """What a step must be, as keywords of its map."""
    rules: list[Schema] = []
    for uses, kind in kinds.items():
        takes: Schema = {"with": {"$ref": f"#/$defs/{kind.takes.__name__}"}}
        then = {"properties": {**takes, **dict.fromkeys(kind.idle, False)}}
        rules.append({"if": has_value("uses", uses), "then": then})
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


def _argument(takes: Takes) -> Schema:
    if takes.schema is not None:
        return dict(takes.schema)
    if takes.choices:
        return one_of(takes.choices)
    if takes.is_file and "list" in takes.kinds:
        return {"type": ["array", "string"], "items": _FILE}
    if takes.kinds == ("map",):
        return {"type": ["object", "string"], "pattern": COMPUTED}
    return {"type": "string"} if "text" in takes.kinds else {}


def _needed_arguments(kinds: Kinds, models: Callables) -> dict[str, Schema]:
    """What the steps of each kind must have in `with`, unless `defaults` give it."""
    found: dict[str, Schema] = {}
    for uses, kind in kinds.items():
        arguments: Schema = {}
        fields = fields_of(kind.takes).items()
        if required := [key for key, field in fields if field.info.is_required()]:
            arguments["required"] = required
        if by_model := needs(models.get(uses, ())):
            arguments["allOf"] = by_model
        if arguments:
            then = {"required": ["with"], "properties": {"with": arguments}}
            step = {"if": has_value("uses", uses), "then": then}
            found[uses] = {"patternProperties": {"^[a-z][a-z0-9_]*$": step}}
    return found


def _has(key: str, *inside: str) -> Schema:
    return {"required": [key], "properties": {key: _has(*inside) if inside else True}}


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
    for key in _NEVER_EMPTY:
        filled, *_ = top[key]["anyOf"]
        top[key] = {**{name: part for name, part in top[key].items() if name != "anyOf"}, **filled}
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
_NOTHING: Schema = {
    "title": "Nothing",
    "description": "The model has no such parameter.",
    "enum": [None, MODELS_OWN],
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
    return {"$schema": DIALECT, **whole, "title": "rivya-flows tests of a spec", "$defs": built}


_NUMERIC = rf"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$|{COMPUTED}"


def model_ids(models: Iterable[Model]) -> Schema:
    """The id of one of the models, each with its price beside it."""
    listed = list(models)
    text = [f"{model.display_name}: {_price_text(model)}" for model in listed]
    # The second keyword is known to editors and passed over by validators.
    ids = one_of([model.id for model in listed], enumDescriptions=text)
    return {"anyOf": [*ids["anyOf"], {"type": "string", "pattern": _AXIS}]}  # a name in `models`


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
    if model.makes is None:
        return {"properties": properties | _prompt(model, "message") | _abilities(model)}
    properties |= _prompt(model, "prompt")
    properties |= {name: _common(model, name) for name in COMMON}
    properties["params"] = _params(model)
    properties["references"] = _references(model)
    return {"properties": properties}


def needs(models: Iterable[Model]) -> list[Schema]:
    """What the arguments must have, beside the keys that every model needs."""
    rules: list[Schema] = []
    for model in models:
        needed: Schema = {"required": ["prompt"] if model.prompt_required and model.makes else []}
        if required := [param.key for param in model.params if param.required]:
            needed["required"].append("params")
            needed["properties"] = {"params": {"required": required}}
        if needed["required"]:
            rules.append({"if": has_value("model", model.id), "then": needed})
    return rules


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


def _prompt(model: Model, key: str) -> dict[str, Schema]:
    if model.max_prompt_length is None:
        return {}
    # Of a computed text only the length at run time counts.
    return {key: {"anyOf": [{"maxLength": model.max_prompt_length}, expression()]}}


def _abilities(model: Model) -> dict[str, Schema]:
    can = model.chat
    able = {
        "attachments": can is None or can.image_attachments,
        "web_search": can is None or can.web_search,
        "reasoning_effort": can is None or can.reasoning_effort,
    }
    without: Schema = {
        "description": "This model has no such ability.",
        "enum": [None, False, "default", []],
    }
    return {key: without for key, known in able.items() if not known}


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


def _common(model: Model, name: str) -> Schema:
    takes = common_params(model).get(name)
    if takes is None:
        return {"$ref": "#/$defs/nothing"}
    form = _param(takes.common)
    about: Schema = {key: form.pop(key) for key in ("description", "default") if key in form}
    forms = [*form.get("anyOf", [form]), {"enum": [None, MODELS_OWN]}]
    options = "|".join(takes.common.options)
    if name == "seconds":
        number = rf"^({options})(\.0+)?$" if options else r"^\d+(\.\d+)?$"
        forms += [{"type": "string", "pattern": one} for one in (DURATION_PATTERN, number)]
    elif name == "resolution" and options:
        letters = options.replace("p", "[pP]").replace("K", "[kK]")
        forms.append({"type": "string", "pattern": f"^({letters})$"})
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


def _references(model: Model) -> Schema:
    rule = model.references
    if rule is None:
        text = f"{model.display_name} takes no reference files."
        return {"description": text, "type": ["array", "null"], "maxItems": 0}
    text = rule.rule or f"Takes {', '.join(rule.kinds)}."
    if rule.max_files is None:
        return {"description": text}
    return {"description": text, "maxItems": rule.max_files}
