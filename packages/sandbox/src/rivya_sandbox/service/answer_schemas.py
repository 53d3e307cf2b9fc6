"""JSON Schemas of all answers; extra fields are allowed, since answers may grow."""

from __future__ import annotations

from typing import Any

from rivya_sandbox.service import files
from rivya_sandbox.service.errors import STATUSES
from rivya_sandbox.webhooks import endpoints

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_MOMENT: Schema = {"type": "string", "format": "date-time"}


def ref(name: str) -> Schema:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema: Schema) -> Schema:
    """The schema, or null."""
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def _open(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list_of(name: str) -> Schema:
    return _open(object={"const": "list"}, data={"type": "array", "items": ref(name)})


_ENDPOINT = _open(
    id=_TEXT,
    object={"const": "webhook_endpoint"},
    name=_TEXT,
    url=_TEXT,
    event_types={"type": "array", "items": {"enum": list(endpoints.EVENT_TYPES)}},
    status={"enum": ["active", "disabled", "revoked"]},
    secret_preview=_TEXT,
    last_success_at=or_null(_MOMENT),
    last_failure_at=or_null(_MOMENT),
    failure_count=_COUNT,
    created_at=_MOMENT,
    updated_at=_MOMENT,
    disabled_at=or_null(_MOMENT),
    revoked_at=or_null(_MOMENT),
)
_SESSION = _open(
    id=_TEXT,
    object={"const": "chat.session"},
    model=_TEXT,
    title=or_null(_TEXT),
    created_at=_MOMENT,
    updated_at=_MOMENT,
    message_count=_COUNT,
)
_MESSAGE = _open(id=_TEXT, role={"enum": ["user", "assistant"]}, content=_TEXT, created_at=_MOMENT)
_EVENT = _open(
    id=_TEXT, type={"enum": list(endpoints.EVENT_TYPES)}, api_version=_TEXT, created_at=_MOMENT
)
ANSWERS: dict[str, Schema] = {
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
        result=or_null(ref("GenerationResult")),
        error=or_null(ref("GenerationError")),
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
        duration_token=or_null(_TEXT),
        model=or_null(_TEXT),
        client_request_id=or_null(_TEXT),
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
        "allOf": [ref("ChatSession"), _open(messages={"type": "array", "items": _MESSAGE})]
    },
    "ChatSessionList": _list_of("ChatSession"),
    "Credits": _open(current_credits=_COUNT),
    "WebhookEndpoint": _ENDPOINT,
    "WebhookEndpointWithSecret": {
        "allOf": [
            ref("WebhookEndpoint"),
            _open(signing_secret={"type": "string", "pattern": "^whsec_"}),
        ]
    },
    "WebhookEndpointList": _list_of("WebhookEndpoint"),
    "WebhookDelivery": _open(
        id=_TEXT,
        object={"const": "webhook_delivery"},
        endpoint_id=_TEXT,
        event_id=_TEXT,
        event_type={"enum": list(endpoints.EVENT_TYPES)},
        status={"enum": ["pending", "succeeded", "failed"]},
        attempt=_COUNT,
        response_status={"type": ["integer", "null"]},
        error=or_null(_TEXT),
        created_at=_MOMENT,
        next_attempt_at=or_null(_MOMENT),
        delivered_at=or_null(_MOMENT),
    ),
    "WebhookDeliveryList": _list_of("WebhookDelivery"),
    "WebhookPayload": _EVENT,
    "WebhookEvent": {"allOf": [ref("WebhookPayload"), _open(object={"const": "webhook_event"})]},
    "WebhookEventList": _list_of("WebhookEvent"),
    "OpenApiDocument": _open(openapi=_TEXT, info={"type": "object"}, paths={"type": "object"}),
}
