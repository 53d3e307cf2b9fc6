"""JSON Schemas of all bodies; those of requests are built from the catalogue.

Answers may grow, so their schemas are open; requests are closed, since nobody reads what is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rivya_flows.sandbox import chat, files, validation, webhooks
from rivya_flows.sandbox.errors import STATUSES
from rivya_flows.sandbox.models import Catalogue, Model, Param

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_WORDS: Schema = {"type": "string", "minLength": 1, "pattern": r"\S"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
_REQUEST_ID: Schema = {"type": ["string", "null"], "maxLength": validation.LONGEST_REQUEST_ID}


def components(catalogue: Catalogue) -> dict[str, Schema]:
    """All schemas by name."""
    models = [model for model in catalogue.models.values() if model.available]
    jobs = [model for model in models if model.category != "chat"]
    chats = [model for model in models if model.category == "chat"]
    of_jobs = {f"GenerationRequest.{model.id}": _generation_request(model) for model in jobs}
    return {
        **_ANSWERS,
        **_webhooks(),
        "GenerationRequest": {
            "oneOf": [_ref(name) for name in of_jobs],
            "discriminator": {
                "propertyName": "model",
                "mapping": {name.partition(".")[2]: _ref(name)["$ref"] for name in of_jobs},
            },
        },
        **of_jobs,
        "ChatRequest": _chat_request(chats),
        "FileUpload": _closed(
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


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def _closed(properties: Mapping[str, Schema], *required: str) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _open(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list_of(name: str) -> Schema:
    return _open(object={"const": "list"}, data={"type": "array", "items": _ref(name)})


def _generation_request(model: Model) -> Schema:
    needs_prompt = model.id not in validation.WITHOUT_PROMPT
    prompt: Schema = dict(_WORDS) if needs_prompt else {"type": ["string", "null"]}
    if model.max_prompt_length is not None:
        prompt["maxLength"] = model.max_prompt_length
    params = {param.key: _param(param) for param in model.params.values()}
    if model.file_kinds:
        params[validation.REFERENCES] = _references(model)
    needed = [param.key for param in model.params.values() if param.required]
    whole = _closed(params, *needed)
    if not needed:
        whole["type"] = ["object", "null"]
    required = ["model", *(["prompt"] if needs_prompt else []), *(["params"] if needed else [])]
    return _closed(
        {
            "model": {"const": model.id},
            "prompt": prompt,
            "params": whole,
            "client_request_id": _REQUEST_ID,
        },
        *required,
    )


def _param(param: Param) -> Schema:
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
            line = _closed({"voice": _TEXT, "text": _WORDS}, "text")
            schema = {"type": "array", "minItems": 1, "items": line}
        case _:
            schema = dict(_TEXT)
    return schema if param.default is None else {**schema, "default": param.default}


def _forms(option: str) -> list[Any]:
    """An option as text, and as the boolean or number that spells it."""
    if option in ("true", "false"):
        return [option, option == "true"]
    try:
        number = float(option)
    except ValueError:
        return [option]
    return [option, int(number) if number.is_integer() else number]


def _references(model: Model) -> Schema:
    item = _closed(
        {
            "url": {**_TEXT, "minLength": 1},
            "kind": {"enum": list(model.file_kinds)},
            "name": _or_null(_TEXT),
            "mimeType": _or_null(_TEXT),
            "durationSeconds": {"type": ["number", "null"]},
            "durationToken": _or_null(_TEXT),
        },
        "url",
        "kind",
    )
    found: Schema = {"type": ["array", "null"], "items": item}
    return found if model.max_files is None else {**found, "maxItems": model.max_files}


def _chat_request(models: list[Model]) -> Schema:
    longest = max(model.max_prompt_length or 0 for model in models)
    return _closed(
        {
            "model": {"enum": [model.id for model in models]},
            "session_id": _or_null(_TEXT),
            "message": {**_WORDS, "maxLength": longest},
            "attachments": {
                "type": ["array", "null"],
                "maxItems": chat.MOST_ATTACHMENTS,
                "items": _closed({"file_id": _TEXT}, "file_id"),
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
        "items": {"enum": list(webhooks.EVENT_TYPES)},
    }
    name = {"type": ["string", "null"], "minLength": 1, "maxLength": webhooks.LONGEST_NAME}
    url: Schema = {"type": "string", "format": "uri", "maxLength": 2048}
    return {
        "WebhookCreate": _closed({"name": name, "url": url, "event_types": types}, "url"),
        "WebhookChange": _closed(
            {
                "name": name,
                "url": _or_null(url),
                "event_types": types,
                "status": {"enum": ["active", "disabled", None]},
            }
        ),
        "WebhookTest": _closed({"event_type": {"enum": [*webhooks.EVENT_TYPES, None]}}),
    }


_ENDPOINT = _open(
    id=_TEXT,
    object={"const": "webhook_endpoint"},
    name=_TEXT,
    url=_TEXT,
    event_types={"type": "array", "items": {"enum": list(webhooks.EVENT_TYPES)}},
    status={"enum": ["active", "disabled", "revoked"]},
    secret_preview=_TEXT,
    last_success_at=_or_null(_MOMENT),
    last_failure_at=_or_null(_MOMENT),
    failure_count=_COUNT,
    created_at=_MOMENT,
    updated_at=_MOMENT,
    disabled_at=_or_null(_MOMENT),
    revoked_at=_or_null(_MOMENT),
)
_SESSION = _open(
    id=_TEXT,
    object={"const": "chat.session"},
    model=_TEXT,
    title=_or_null(_TEXT),
    created_at=_MOMENT,
    updated_at=_MOMENT,
    message_count=_COUNT,
)
_MESSAGE = _open(id=_TEXT, role={"enum": ["user", "assistant"]}, content=_TEXT, created_at=_MOMENT)
_EVENT = _open(
    id=_TEXT,
    type={"enum": list(webhooks.EVENT_TYPES)},
    api_version=_TEXT,
    created_at=_MOMENT,
)
_ANSWERS: dict[str, Schema] = {
    "Error": _open(
        error=_open(
            code={"enum": list(STATUSES)},
            message=_TEXT,
            requestId={"type": "string", "pattern": "^req_"},
        )
    ),
    "ModelList": _list_of("Model"),
    "Model": _open(
        id=_TEXT,
        display_name=_TEXT,
        category={"enum": ["image", "video", "audio", "chat"]},
        runtime=_TEXT,
        base_credits=_COUNT,
        billing_type=_TEXT,
        supported_modes={"type": "array", "items": _TEXT},
        max_prompt_length={"type": ["integer", "null"]},
        reference_media={"type": ["object", "null"]},
        params={"type": "array", "items": {"type": "object"}},
        api_status={"enum": ["available", "coming_soon", "studio_only"]},
        api_input_status=_TEXT,
        supported_api_inputs={"type": "array", "items": _TEXT},
        requires_files_api={"type": "boolean"},
        requires_upload_for_modes={"type": "array", "items": _TEXT},
        url_input_supported={"type": "boolean"},
        file_kinds={"type": "array", "items": _TEXT},
        chat_capabilities={"type": ["object", "null"]},
        notices={"type": "array"},
    ),
    "Generation": _open(
        id=_TEXT,
        status={"enum": ["queued", "processing", "succeeded", "failed"]},
        model=_TEXT,
        reserved_credits=_COUNT,
        final_credits=_COUNT,
        created_at=_MOMENT,
        updated_at=_MOMENT,
        result=_or_null(_ref("GenerationResult")),
        error=_or_null(_ref("GenerationError")),
    ),
    "GenerationResult": _open(
        primary_url=_TEXT, urls={"type": "array", "minItems": 1, "items": _TEXT}
    ),
    "GenerationError": _open(code=_TEXT, message=_TEXT),
    "PublicApiFile": _open(
        id=_TEXT,
        object={"const": "file"},
        kind={"enum": list(files.KINDS)},
        name=_TEXT,
        mime_type=_TEXT,
        size_bytes=_COUNT,
        url=_TEXT,
        duration_seconds={"type": ["number", "null"]},
        duration_token=_or_null(_TEXT),
        model=_or_null(_TEXT),
        client_request_id=_or_null(_TEXT),
        created_at=_MOMENT,
    ),
    "ChatCompletion": _open(
        id=_TEXT,
        object={"const": "chat.completion"},
        session_id=_TEXT,
        model=_TEXT,
        created_at=_MOMENT,
        message=_open(id=_TEXT, role={"const": "assistant"}, content=_TEXT),
        usage=_open(input_tokens=_COUNT, output_tokens=_COUNT, total_tokens=_COUNT),
        credits=_open(reserved=_COUNT, final=_COUNT),
    ),
    "ChatStream": {
        "type": "object",
        "description": "One event: `session` {id, session_id, model, created_at}, any number of "
        "`delta` {content}, then `completed` with a ChatCompletion or `error` with an Error.",
        "properties": {
            "event": {"enum": ["session", "delta", "completed", "error"]},
            "data": {"type": "string", "contentMediaType": "application/json"},
        },
        "required": ["data"],
    },
    "ChatSession": _SESSION,
    "ChatSessionWithMessages": {
        "allOf": [_ref("ChatSession"), _open(messages={"type": "array", "items": _MESSAGE})]
    },
    "ChatSessionList": _list_of("ChatSession"),
    "Credits": _open(current_credits=_COUNT),
    "WebhookEndpoint": _ENDPOINT,
    "WebhookEndpointWithSecret": {
        "allOf": [
            _ref("WebhookEndpoint"),
            _open(signing_secret={"type": "string", "pattern": "^whsec_"}),
        ]
    },
    "WebhookEndpointList": _list_of("WebhookEndpoint"),
    "WebhookDelivery": _open(
        id=_TEXT,
        object={"const": "webhook_delivery"},
        endpoint_id=_TEXT,
        event_id=_TEXT,
        event_type={"enum": list(webhooks.EVENT_TYPES)},
        status={"enum": ["pending", "succeeded", "failed"]},
        attempt=_COUNT,
        response_status={"type": ["integer", "null"]},
        error=_or_null(_TEXT),
        created_at=_MOMENT,
        next_attempt_at=_or_null(_MOMENT),
        delivered_at=_or_null(_MOMENT),
    ),
    "WebhookDeliveryList": _list_of("WebhookDelivery"),
    "WebhookPayload": _EVENT,
    "WebhookEvent": {"allOf": [_ref("WebhookPayload"), _open(object={"const": "webhook_event"})]},
    "WebhookEventList": _list_of("WebhookEvent"),
    "OpenApiDocument": _open(openapi=_TEXT, info={"type": "object"}, paths={"type": "object"}),
}
