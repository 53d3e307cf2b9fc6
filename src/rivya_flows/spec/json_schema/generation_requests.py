"""JSON Schema of requests, from the catalogue: the models, and what each takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from rivya_client.catalogue.catalogue import Model, Param, spelled
from rivya_client.catalogue.prices import price
from rivya_flows.language.field_types import COMPUTED
from rivya_flows.language.syntax.source import read_scalar
from rivya_flows.spec.json_schema.fragments import Schema, chosen, computed, is_

_NUMERIC = rf"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$|{COMPUTED}"


def model_ids(models: Iterable[Model]) -> Schema:
    """The id of one of the models, each with its price beside it."""
    listed = list(models)
    text = [f"{model.display_name}: {_priced(model)}" for model in listed]
    # The second keyword is known to editors and passed over by validators.
    return chosen([model.id for model in listed], enumDescriptions=text)


def rules(models: Iterable[Model]) -> list[Schema]:
    """For each model: where it is named, its own definition holds."""
    return [{"if": is_("model", one.id), "then": {"$ref": f"#/$defs/{one.id}"}} for one in models]


def definition(model: Model) -> Schema:
    """What the arguments of a step must be where it names this model."""
    properties: dict[str, Any] = {
        "model": {"title": model.display_name, "description": _told(model)}
    }
    if model.makes is None:
        return {"properties": properties | _prompt(model, "message") | _abilities(model)}
    properties |= _prompt(model, "prompt")
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
            rules.append({"if": is_("model", model.id), "then": needed})
    return rules


def _priced(model: Model) -> str:
    known = price(model, {})
    unit = "credit" if known.min == known.max == 1 else "credits"
    if known.max is None:
        return f"from {known.min} {unit}, {known.assumption}"
    if known.min == known.max:
        return f"{known.min} {unit}"
    return f"{known.min} to {known.max} {unit}, {known.assumption}"


def _told(model: Model) -> str:
    longest, rule = model.max_prompt_length, model.references and model.references.rule
    parts = [
        f"{model.category.capitalize()}, {_priced(model)}.",
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
    return {key: {"anyOf": [{"maxLength": model.max_prompt_length}, computed()]}}


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


def _param(param: Param) -> Schema:
    shown: Schema = {"description": _about(param)}
    if param.default is not None:
        shown["default"] = param.written_default
    match param.type:
        case "select" if param.options:
            names = [one.name for one in param.voices if one.name not in param.options]
            return {**shown, **chosen([*names, *_spellings(param.options)])}
        case "number":
            return {**shown, "type": ["number", "string"], "pattern": _NUMERIC, **_bounds(param)}
        case "array":
            return {**shown, **_members(param)}
        case "select" | "text":
            return {**shown, "type": ["string", "number", "boolean"]}
        case _:
            return shown


def _spellings(options: Sequence[str]) -> list[Any]:
    """Each option as text, and as the number or switch that YAML makes of it without quotes."""
    found: list[Any] = [*options]
    for option in options:
        with suppress(ValueError):
            plain = read_scalar(option)
            found += [plain] if plain != option and spelled(plain) == option else []
    return found


def _bounds(param: Param) -> Schema:
    bounds = {"minimum": param.min, "maximum": param.max}
    # A fraction as step is the grain of a slider; a whole one is counted from the least number.
    if param.step and float(param.step).is_integer() and (param.min or 0) % param.step == 0:
        bounds["multipleOf"] = param.step
    return {key: value for key, value in bounds.items() if value is not None}


def _members(param: Param) -> Schema:
    listed: Schema = {"type": ["array", "string"], "minItems": 1, "pattern": COMPUTED}
    known = (*param.item_required, *param.item_optional)
    if known:
        listed["items"] = {
            "type": ["object", "string"],
            "pattern": COMPUTED,
            "properties": {key: {} for key in known},
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
        f"Default: {spelled(param.written_default)}." if param.default is not None else "",
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
