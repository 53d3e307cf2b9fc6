"""Schemas of answers."""

from __future__ import annotations

from typing import Any

import httpx
from jsonschema import Draft202012Validator

from rivya_sandbox.service import catalogue as models
from rivya_sandbox.service.openapi import document
from rivya_sandbox.service.options import FRIENDLY
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import ended, order, png, upload

DOCUMENT = document(models.shipped(), FRIENDLY, "http://127.0.0.1:1")


def schema(name: str) -> Draft202012Validator:
    """A validator of one component that can refer to the others."""
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", **DOCUMENT})


def test_answers_are_as_documented(sandbox: Sandbox, client: httpx.Client) -> None:
    hook = client.post("/api/v1/webhooks", json={"url": "https://example.com/"}).json()
    job = order(client).json()
    chat = {"model": "gpt-5-2-chat", "message": "Hello"}
    completion = client.post("/api/v1/chat/completions", json=chat).json()
    below = f"/api/v1/webhooks/{hook['id']}"
    answers: list[tuple[str, Any]] = [
        ("Generation", job),
        ("Generation", ended(client, job["id"])),
        ("PublicApiFile", upload(client, png()).json()),
        ("ChatCompletion", completion),
        ("WebhookEndpointWithSecret", hook),
        ("WebhookDelivery", client.post(f"{below}/test").json()),
    ]
    gets: list[tuple[str, str]] = [
        ("ModelList", "/api/v1/models"),
        ("ChatSessionList", "/api/v1/chat/sessions"),
        ("ChatSessionWithMessages", f"/api/v1/chat/sessions/{completion['session_id']}"),
        ("Credits", "/api/v1/credits"),
        ("WebhookEndpointList", "/api/v1/webhooks"),
        ("WebhookEndpoint", below),
        ("WebhookDeliveryList", f"{below}/deliveries"),
        ("WebhookEventList", "/api/v1/webhook-events"),
        ("OpenApiDocument", "/api/v1/openapi.json"),
        ("Error", "/api/v1/files/file_unknown"),
    ]
    for name, body in [*answers, *((name, client.get(path).json()) for name, path in gets)]:
        assert [problem.message for problem in schema(name).iter_errors(body)] == [], name
