"""The table of all twenty routes, from which the server and its OpenAPI document are built.

Source: contract, "Endpoint inventory".
"""

from __future__ import annotations

from dataclasses import dataclass

_PAID = ("idempotency_conflict", "insufficient_credits", "validation_failed")
_CHAT = (
    *_PAID,
    "chat_attachment_not_supported",
    "chat_model_not_supported",
    "chat_session_conflict",
    "not_found",
)


@dataclass(frozen=True)
class Operation:
    """One route.

    Attributes:
        id: Unique; names the handler and the ``operationId``.
        scope: Required scope of the key; None for the two open routes.
        answer: Name of the schema of a success.
        status: Of a success, or the name of the profile's field that has it.
        request: Name of the schema of the body; None for no body.
        needs_body: Whether the body is required.
        request_type: Media type of the body.
        answer_type: Media type of a success.
        codes: Error codes besides those of every route.
        keyed: Whether it supports an ``Idempotency-Key``.
    """

    method: str
    path: str
    id: str
    summary: str
    scope: str | None
    answer: str
    status: int | str = 200
    request: str | None = None
    needs_body: bool = True
    request_type: str = "application/json"
    answer_type: str = "application/json"
    codes: tuple[str, ...] = ()
    keyed: bool = False


def _webhook(
    method: str,
    below: str,
    id: str,  # noqa: A002  # as the field
    summary: str,
    answer: str,
    *,
    status: int | str = 200,
    request: str | None = None,
    needs_body: bool = True,
) -> Operation:
    codes: tuple[str, ...] = ("not_found",) if "{" in below else ()
    if request is not None:
        codes += ("validation_failed",)
    if request in ("WebhookCreate", "WebhookChange"):
        codes += ("webhook_url_rejected",)
    return Operation(
        method,
        f"/api/v1/webhooks{below}",
        id,
        summary,
        "webhooks:manage",
        answer,
        status=status,
        request=request,
        needs_body=needs_body,
        codes=codes,
    )


OPERATIONS = (
    Operation("GET", "/api/v1/models", "listModels", "List all models.", None, "ModelList"),
    Operation(
        "POST",
        "/api/v1/generations",
        "createGeneration",
        "Buy an image, a video or a sound.",
        "generations:create",
        "Generation",
        status="create_status",
        request="GenerationRequest",
        codes=_PAID,
        keyed=True,
    ),
    Operation(
        "GET",
        "/api/v1/generations/{taskId}",
        "retrieveGeneration",
        "Read how a generation stands.",
        "generations:read",
        "Generation",
        codes=("not_found",),
    ),
    Operation(
        "POST",
        "/api/v1/files",
        "uploadFile",
        "Upload a reference file.",
        "files:create",
        "PublicApiFile",
        status="upload_status",
        request="FileUpload",
        request_type="multipart/form-data",
        codes=("validation_failed",),
    ),
    Operation(
        "GET",
        "/api/v1/files/{fileId}",
        "retrieveFile",
        "Read what is known of a file.",
        "files:read",
        "PublicApiFile",
        codes=("not_found",),
    ),
    Operation(
        "POST",
        "/api/v1/chat/completions",
        "completeChat",
        "Take one turn of a chat.",
        "chat:create",
        "ChatCompletion",
        status="chat_status",
        request="ChatRequest",
        codes=_CHAT,
        keyed=True,
    ),
    Operation(
        "POST",
        "/api/v1/chat/completions/stream",
        "streamChat",
        "Take one turn of a chat and read it while it is written.",
        "chat:create",
        "ChatStream",
        status="chat_status",
        request="ChatRequest",
        answer_type="text/event-stream",
        codes=_CHAT,
        keyed=True,
    ),
    Operation(
        "GET",
        "/api/v1/chat/sessions",
        "listChatSessions",
        "List the account's chat sessions.",
        "chat:read",
        "ChatSessionList",
    ),
    Operation(
        "GET",
        "/api/v1/chat/sessions/{sessionId}",
        "retrieveChatSession",
        "Read a chat session with its messages.",
        "chat:read",
        "ChatSessionWithMessages",
        codes=("not_found",),
    ),
    Operation(
        "GET", "/api/v1/credits", "retrieveCredits", "Read the balance.", "credits:read", "Credits"
    ),
    _webhook("GET", "", "listWebhooks", "List the webhook endpoints.", "WebhookEndpointList"),
    _webhook(
        "POST",
        "",
        "createWebhook",
        "Add a webhook endpoint; its secret is in this answer only.",
        "WebhookEndpointWithSecret",
        status="endpoint_status",
        request="WebhookCreate",
    ),
    _webhook(
        "GET", "/{endpointId}", "retrieveWebhook", "Read a webhook endpoint.", "WebhookEndpoint"
    ),
    _webhook(
        "PATCH",
        "/{endpointId}",
        "updateWebhook",
        "Change a webhook endpoint, or make it active again.",
        "WebhookEndpoint",
        request="WebhookChange",
    ),
    _webhook(
        "DELETE", "/{endpointId}", "deleteWebhook", "Remove a webhook endpoint.", "WebhookEndpoint"
    ),
    _webhook(
        "POST",
        "/{endpointId}/rotate-secret",
        "rotateWebhookSecret",
        "Give a webhook endpoint a new secret.",
        "WebhookEndpointWithSecret",
    ),
    _webhook(
        "POST",
        "/{endpointId}/test",
        "testWebhook",
        "Send a test event.",
        "WebhookDelivery",
        status=202,
        request="WebhookTest",
        needs_body=False,
    ),
    _webhook(
        "GET",
        "/{endpointId}/deliveries",
        "listWebhookDeliveries",
        "List the newest deliveries of an endpoint.",
        "WebhookDeliveryList",
    ),
    Operation(
        "GET",
        "/api/v1/webhook-events",
        "listWebhookEvents",
        "List the account's newest events.",
        "webhooks:manage",
        "WebhookEventList",
    ),
    Operation("GET", "/api/v1/openapi.json", "openapi", "This document.", None, "OpenApiDocument"),
)
