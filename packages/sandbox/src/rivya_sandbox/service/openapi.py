"""The OpenAPI 3.1 document of this server."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from rivya_sandbox.service import schemas
from rivya_sandbox.service.catalogue import ServedCatalogue
from rivya_sandbox.service.errors import STATUSES
from rivya_sandbox.service.operations import OPERATIONS, Operation
from rivya_sandbox.service.options import ServiceProfile
from rivya_sandbox.webhooks.endpoints import EVENT_TYPES
from rivya_sandbox.webhooks.events import API_VERSION

_OF_ALL = ("internal_error", "public_api_disabled")
_OF_KEYS = (
    "api_key_missing",
    "api_key_invalid",
    "api_key_revoked",
    "api_key_expired",
    "api_scope_denied",
    "rate_limited",
)
_ABOUT = (
    "A local server that speaks the Rivya Public API v1. Where Rivya's public pages say nothing, "
    "this document describes the sandbox alone."
)


def document(catalogue: ServedCatalogue, profile: ServiceProfile, base_url: str) -> dict[str, Any]:
    """The document as JSON, for a server with that profile."""
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for operation in OPERATIONS:
        paths[operation.path][operation.method.lower()] = _operation(operation, profile)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rivya sandbox", "version": API_VERSION, "description": _ABOUT},
        "servers": [{"url": base_url}],
        "paths": dict(paths),
        "webhooks": {event_type: {"post": _event(event_type)} for event_type in EVENT_TYPES},
        "components": {
            "schemas": schemas.components(catalogue),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`rvya_sk_…`, with the scope that the operation names.",
                }
            },
            "headers": {
                "RequestId": {
                    "description": "The id of this request.",
                    "schema": {"type": "string", "pattern": "^req_"},
                },
                "RetryAfter": {
                    "description": "Seconds to wait.",
                    "schema": {"type": "integer", "minimum": 1},
                },
                "IdempotentReplayed": {
                    "description": "`true` when this answer was given before.",
                    "schema": {"const": "true"},
                },
            },
        },
    }


def _operation(operation: Operation, profile: ServiceProfile) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": _parameters(operation),
        "responses": {**_success(operation, profile), **_refusals(operation, profile)},
        "security": [] if operation.scope is None else [{"key": []}],
    }
    if operation.scope is not None:
        described["description"] = f"Scope `{operation.scope}`."
    if operation.request is not None:
        described["requestBody"] = {
            "required": operation.needs_body,
            "content": {operation.request_type: {"schema": _ref("schemas", operation.request)}},
        }
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", operation.path)
    ]
    if operation.keyed:
        key = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "Equal requests with the same key are carried out and charged once.",
                "schema": key,
            }
        )
    return found


def _success(operation: Operation, profile: ServiceProfile) -> dict[str, Any]:
    named = operation.status
    status: int = getattr(profile, named) if isinstance(named, str) else named
    headers = {"X-Request-Id": _ref("headers", "RequestId")}
    if operation.keyed:
        headers["Idempotent-Replayed"] = _ref("headers", "IdempotentReplayed")
    content = {operation.answer_type: {"schema": _ref("schemas", operation.answer)}}
    return {str(status): {"description": "Done.", "headers": headers, "content": content}}


def _refusals(operation: Operation, profile: ServiceProfile) -> dict[str, Any]:
    by_status: dict[int, list[str]] = defaultdict(list)
    for code in (*_OF_ALL, *(_OF_KEYS if operation.scope else ()), *operation.codes):
        is_money = code == "insufficient_credits"
        by_status[profile.no_credits_status if is_money else STATUSES[code]].append(code)
    return {str(status): _refusal(status, by_status[status]) for status in sorted(by_status)}


def _refusal(status: int, codes: list[str]) -> dict[str, Any]:
    headers = {"X-Request-Id": _ref("headers", "RequestId")}
    if status in (409, 429, 503):
        headers["Retry-After"] = _ref("headers", "RetryAfter")
    narrowed = {"properties": {"error": {"properties": {"code": {"enum": sorted(codes)}}}}}
    schema = {"allOf": [_ref("schemas", "Error"), narrowed]}
    return {
        "description": ", ".join(f"`{code}`" for code in sorted(codes)),
        "headers": headers,
        "content": {"application/json": {"schema": schema}},
    }


def _event(event_type: str) -> dict[str, Any]:
    return {
        "summary": f"A {event_type.replace('.', ' ')}; signed in `X-Rivya-Signature`.",
        "requestBody": {
            "content": {"application/json": {"schema": _ref("schemas", "WebhookPayload")}}
        },
        "responses": {"2XX": {"description": "It arrived; anything else is tried again."}},
    }


def _ref(kind: str, name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/{kind}/{name}"}
