"""Validates a generation request against its model, before it costs anything.

Source: contract, sections 3.4, 4.1 and 4.2, and their suggested conventions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from rivya_sandbox.service.catalogue import ServedCatalogue, ServedModel, ServedParam
from rivya_sandbox.service.errors import invalid

REFERENCES = "referenceMediaItems"
LONGEST_REQUEST_ID = 128  # characters
_FIELDS = {"model", "prompt", "params", "client_request_id"}
_ITEM_TEXTS = ("url", "kind", "name", "mimeType", "durationToken")
WITHOUT_PROMPT = {"elevenlabs-dialogue-v3", "wan-2-2-animate-replace"}
_SHAPES = ("aspect_ratio", "aspectRatio", "imageSize", "image_size", "size")
_LENGTHS = ("duration", "duration_seconds", "n_frames")
_LINE_FIELDS = {"voice", "text"}
# Allowed combinations of files by kind, for models with more than a maximum.
_TOGETHER = {"happyhorse-1-0": ({"image": 9}, {"image": 5, "video": 1})}


@dataclass(frozen=True)
class ValidGenerationRequest:
    """A generation request that is valid for its model.

    Attributes:
        params: Values of selects are option strings; without the references. Shape and length have
            their defaults where they are left out.
        references: The items of ``referenceMediaItems``; their owner is not checked yet.
    """

    model: ServedModel
    prompt: str
    params: Mapping[str, Any]
    references: tuple[Mapping[str, Any], ...]
    client_request_id: str | None


def generation(catalogue: ServedCatalogue, body: Any) -> ValidGenerationRequest:
    """Validate a request.

    Raises:
        Refusal: It is invalid (``validation_failed``).
    """
    fields = an_object(body, "The body")
    if "files" in fields:
        raise invalid(f"'files' is not accepted; put the urls into params.{REFERENCES}.")
    no_others(fields, _FIELDS, "the body")
    model = _model(catalogue, fields.get("model"))
    params = an_object({} if fields.get("params") is None else fields["params"], "'params'")
    references = params.get(REFERENCES)
    own = _params(model, {key: params[key] for key in params if key != REFERENCES})
    items = () if references is None else _references(model, references)
    return ValidGenerationRequest(
        model=model,
        prompt=_prompt(model, fields.get("prompt")),
        # Without references to follow, the picture has the shape that the catalogue says.
        params={**_defaults(model, _LENGTHS if items else (*_SHAPES, *_LENGTHS)), **own},
        references=items,
        client_request_id=request_id(fields.get("client_request_id")),
    )


def an_object(value: Any, what: str) -> Mapping[str, Any]:
    """The value as a JSON object."""
    if not isinstance(value, Mapping):
        raise invalid(f"{what} must be a JSON object.")
    return value


def no_others(fields: Mapping[str, Any], known: set[str], where: str) -> None:
    """Refuse unknown keys."""
    unknown = sorted(fields.keys() - known)
    if unknown:
        raise invalid(f"Unknown field {unknown[0]!r} in {where}.")


def request_id(value: Any) -> str | None:
    """The caller's trace id."""
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > LONGEST_REQUEST_ID:
        raise invalid(
            f"'client_request_id' must be text of at most {LONGEST_REQUEST_ID} characters."
        )
    return value


def _model(catalogue: ServedCatalogue, name: Any) -> ServedModel:
    if not isinstance(name, str) or not name:
        raise invalid("'model' is required.")
    model = catalogue.models.get(name)
    if model is None:
        raise invalid(f"Unknown model {name!r}.")
    if model.category == "chat":
        raise invalid(f"{name!r} is a chat model; use /api/v1/chat/completions.")
    if not model.available:
        raise invalid(f"The model {name!r} is not available in the API.")
    return model


def _prompt(model: ServedModel, prompt: Any) -> str:
    if prompt is None:
        prompt = ""
    if not isinstance(prompt, str):
        raise invalid("'prompt' must be text.")
    if not prompt.strip() and model.id not in WITHOUT_PROMPT:
        raise invalid(f"'prompt' is required by {model.id!r}.")
    if model.max_prompt_length is not None and len(prompt) > model.max_prompt_length:
        raise invalid(
            f"'prompt' has {len(prompt)} characters; "
            f"{model.id!r} takes at most {model.max_prompt_length}."
        )
    return prompt


def _params(model: ServedModel, given: Mapping[str, Any]) -> dict[str, Any]:
    checked = {}
    for key, value in given.items():
        param = model.params.get(key)
        if param is None:
            raise invalid(f"{model.id!r} has no parameter {key!r}.")
        checked[key] = _value(model, param, value)
    for param in model.params.values():
        if param.required and param.key not in checked:
            raise invalid(f"The parameter {param.key!r} is required by {model.id!r}.")
    return checked


def _defaults(model: ServedModel, keys: Collection[str]) -> dict[str, Any]:
    """Those of the parameters that have a default, with it."""
    return {
        param.key: param.default
        for param in model.params.values()
        if param.key in keys and param.default is not None
    }


def _value(model: ServedModel, param: ServedParam, value: Any) -> Any:
    match param.type:
        case "select":
            return _option(param, value)
        case "number":
            return _number(param, value)
        case "array":
            return _lines(model, param, value)
    if not isinstance(value, str):
        raise invalid(f"The parameter {param.key!r} must be text.")
    return value


def _option(param: ServedParam, value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()
    spelled = str(value).lower() if isinstance(value, bool) else str(int(value) if whole else value)
    # The catalogue lists no options if only a default of true or false is documented.
    options = param.options or (("true", "false") if param.default in ("true", "false") else ())
    if not isinstance(value, str | bool | int | float) or (options and spelled not in options):
        raise invalid(f"The parameter {param.key!r} must be one of {', '.join(options)}.")
    return spelled


def _number(param: ServedParam, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise invalid(f"The parameter {param.key!r} must be a number.")
    if (param.min is not None and value < param.min) or (
        param.max is not None and value > param.max
    ):
        low = "…" if param.min is None else param.min
        high = "…" if param.max is None else param.max
        raise invalid(f"The parameter {param.key!r} must be from {low} to {high}.")
    # A fractional step is the resolution of a slider, not a rule; a step of 1 means whole numbers.
    if param.step == 1 and value != int(value):
        raise invalid(f"The parameter {param.key!r} must be a whole number.")
    return value


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer larger than any float
        return False


def _lines(model: ServedModel, param: ServedParam, value: Any) -> list[Any]:
    """The lines of a dialogue, each with a voice or the default one."""
    if not isinstance(value, list) or not value:
        raise invalid(f"The parameter {param.key!r} must be an array with at least one member.")
    for line in value:
        fields = an_object(line, f"Each member of {param.key!r}")
        no_others(fields, _LINE_FIELDS, f"a member of {param.key!r}")
        text, voice = fields.get("text"), fields.get("voice", "")
        if not isinstance(text, str) or not text.strip() or not isinstance(voice, str):
            raise invalid(f"Each member of {param.key!r} must be {{voice, text}}, both text.")
    length = sum(len(line["text"]) for line in value)
    if model.max_prompt_length is not None and length > model.max_prompt_length:
        raise invalid(
            f"The texts of {param.key!r} have {length} characters; "
            f"{model.id!r} takes at most {model.max_prompt_length}."
        )
    return value


def _references(model: ServedModel, items: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(items, list):
        raise invalid(f"{REFERENCES!r} must be an array.")
    if items and not model.file_kinds:
        raise invalid(f"{model.id!r} takes no reference media.")
    if model.max_files is not None and len(items) > model.max_files:
        raise invalid(f"{model.id!r} takes at most {model.max_files} reference files.")
    for index, item in enumerate(items):
        where = f"{REFERENCES}[{index}]"
        fields = an_object(item, where)
        no_others(fields, {*_ITEM_TEXTS, "durationSeconds"}, where)
        for key in _ITEM_TEXTS:
            if key in fields and not isinstance(fields[key], str | None):
                raise invalid(f"{where}.{key} must be text.")
        seconds = fields.get("durationSeconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float | None):
            raise invalid(f"{where}.durationSeconds must be a number.")
        if not fields.get("url") or not fields.get("kind"):
            raise invalid(f"{where} needs 'url' and 'kind'.")
        if fields["kind"] not in model.file_kinds:
            raise invalid(f"{model.id!r} takes no reference of kind {fields['kind']!r}.")
    kinds = Counter(item["kind"] for item in items)
    together = _TOGETHER.get(model.id, (kinds,))
    if not any(all(kinds[kind] <= most.get(kind, 0) for kind in kinds) for most in together):
        raise invalid(f"{model.id!r} does not take these reference files together.")
    return tuple(items)
