"""JSON Schemas of all bodies; those of requests are built here, from the catalogue.

Requests allow no extra fields, since unknown fields are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rivya_sandbox.service import chat, files, validation
from rivya_sandbox.service.answer_schemas import ANSWERS, Schema, or_null, ref
from rivya_sandbox.service.catalogue import ServedCatalogue, ServedModel, ServedParam
from rivya_sandbox.webhooks import endpoints

_TEXT: Schema = {"type": "string"}
_WORDS: Schema = {"type": "string", "minLength": 1, "pattern": r"\S"}
_REQUEST_ID: Schema = {"type": ["string", "null"], "maxLength": validation.LONGEST_REQUEST_ID}


def components(catalogue: ServedCatalogue) -> dict[str, Schema]:
    """All schemas by name."""
    models = [model for model in catalogue.models.values() if model.available]
    jobs = [model for model in models if model.category != "chat"]
    chats = [model for model in models if model.category == "chat"]
    of_jobs = {f"GenerationRequest.{model.id}": _generation_request(model) for model in jobs}
    return {
        **ANSWERS,
        **_webhooks(),
        "GenerationRequest": {
            "oneOf": [ref(name) for name in of_jobs],
            "discriminator": {
                "propertyName": "model",
                "mapping": {name.partition(".")[2]: ref(name)["$ref"] for name in of_jobs},
            },
        },
        **of_jobs,
        "ChatRequest": _chat_request(chats),
        "FileUpload": _closed_object(
            {
                "file": {"type": "string", "format": "binary"},
                "kind": {"enum": list(files.KINDS)},
                "model": {"enum": [model.id for model in models]},
                "client_request_id": {**_TEXT, "maxLength": validation.LONGEST_REQUEST_ID},
            },
            "file",
            "kind",
        ),
    }


def _closed_object(properties: Mapping[str, Schema], *required: str) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _generation_request(model: ServedModel) -> Schema:
    needs_prompt = model.id not in validation.WITHOUT_PROMPT
    prompt: Schema = dict(_WORDS) if needs_prompt else {"type": ["string", "null"]}
    if model.max_prompt_length is not None:
        prompt["maxLength"] = model.max_prompt_length
    params = {param.key: _param(param) for param in model.params.values()}
    if model.file_kinds:
        params[validation.REFERENCES] = _references(model)
    needed = [param.key for param in model.params.values() if param.required]
    whole = _closed_object(params, *needed)
    if not needed:
        whole["type"] = ["object", "null"]
    required = ["model", *(["prompt"] if needs_prompt else []), *(["params"] if needed else [])]
    return _closed_object(
        {
            "model": {"const": model.id},
            "prompt": prompt,
            "params": whole,
            "client_request_id": _REQUEST_ID,
        },
        *required,
    )


def _param(param: ServedParam) -> Schema:
    match param.type:
        case "select":
            schema: Schema = {"enum": [form for one in param.options for form in _forms(one)]}
        case "number":
            schema = {"type": "number"}
            for keyword, limit in (("minimum", param.min), ("maximum", param.max)):
                if limit is not None:
                    schema[keyword] = limit
            if param.step == 1:
                schema["multipleOf"] = 1
        case "array":
            line = _closed_object({"voice": _TEXT, "text": _WORDS}, "text")
            schema = {"type": "array", "minItems": 1, "items": line}
        case _:
            schema = dict(_TEXT)
    return schema if param.default is None else {**schema, "default": param.default}


def _forms(option: str) -> list[Any]:
    """An option as text, and as the boolean or number with the same spelling."""
    if option in ("true", "false"):
        return [option, option == "true"]
    try:
        number = float(option)
    except ValueError:
        return [option]
    return [option, int(number) if number.is_integer() else number]


def _references(model: ServedModel) -> Schema:
    item = _closed_object(
        {
            "url": {**_TEXT, "minLength": 1},
            "kind": {"enum": list(model.file_kinds)},
            "name": or_null(_TEXT),
            "mimeType": or_null(_TEXT),
            "durationSeconds": {"type": ["number", "null"]},
            "durationToken": or_null(_TEXT),
        },
        "url",
        "kind",
    )
    found: Schema = {"type": ["array", "null"], "items": item}
    return found if model.max_files is None else {**found, "maxItems": model.max_files}


def _chat_request(models: list[ServedModel]) -> Schema:
    longest = max(model.max_prompt_length or 0 for model in models)
    return _closed_object(
        {
            "model": {"enum": [model.id for model in models]},
            "session_id": or_null(_TEXT),
            "message": {**_WORDS, "maxLength": longest},
            "attachments": {
                "type": ["array", "null"],
                "maxItems": chat.MOST_ATTACHMENTS,
                "items": _closed_object({"file_id": _TEXT}, "file_id"),
            },
            "enable_web_search": {"type": ["boolean", "null"], "default": False},
            "reasoning_effort": {"enum": [*chat.EFFORTS, None], "default": chat.EFFORTS[0]},
            "client_request_id": _REQUEST_ID,
        },
        "model",
        "message",
    )


def _webhooks() -> dict[str, Schema]:
    types: Schema = {
        "type": ["array", "null"],
        "minItems": 1,
        "items": {"enum": list(endpoints.EVENT_TYPES)},
    }
    name = {"type": ["string", "null"], "minLength": 1, "maxLength": endpoints.LONGEST_NAME}
    url: Schema = {"type": "string", "format": "uri", "maxLength": 2048}
    return {
        "WebhookCreate": _closed_object({"name": name, "url": url, "event_types": types}, "url"),
        "WebhookChange": _closed_object(
            {
                "name": name,
                "url": or_null(url),
                "event_types": types,
                "status": {"enum": ["active", "disabled", None]},
            }
        ),
        "WebhookTest": _closed_object({"event_type": {"enum": [*endpoints.EVENT_TYPES, None]}}),
    }
