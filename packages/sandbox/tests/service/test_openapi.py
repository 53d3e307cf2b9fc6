"""The OpenAPI document: complete, valid, and what requests and answers keep to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from rivya_sandbox.service import catalogue as models
from rivya_sandbox.service.accounts import SCOPES
from rivya_sandbox.service.errors import STATUSES
from rivya_sandbox.service.openapi import document
from rivya_sandbox.service.operations import OPERATIONS
from rivya_sandbox.service.options import FRIENDLY, HOSTILE
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import ended, fetch, order, png, upload

DOCUMENT = document(models.packaged_catalogue(), FRIENDLY, "http://127.0.0.1:1")


# From the inventory of the contract.
INVENTORY = """
GET /api/v1/models
POST /api/v1/generations generations:create
GET /api/v1/generations/{taskId} generations:read
POST /api/v1/files files:create
GET /api/v1/files/{fileId} files:read
POST /api/v1/chat/completions chat:create
POST /api/v1/chat/completions/stream chat:create
GET /api/v1/chat/sessions chat:read
GET /api/v1/chat/sessions/{sessionId} chat:read
GET /api/v1/credits credits:read
GET /api/v1/webhooks webhooks:manage
POST /api/v1/webhooks webhooks:manage
GET /api/v1/webhooks/{endpointId} webhooks:manage
PATCH /api/v1/webhooks/{endpointId} webhooks:manage
DELETE /api/v1/webhooks/{endpointId} webhooks:manage
POST /api/v1/webhooks/{endpointId}/rotate-secret webhooks:manage
POST /api/v1/webhooks/{endpointId}/test webhooks:manage
GET /api/v1/webhooks/{endpointId}/deliveries webhooks:manage
GET /api/v1/webhook-events webhooks:manage
GET /api/v1/openapi.json
"""


def inside(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value."""
    if isinstance(value, dict):
        yield value
    for below in value.values() if isinstance(value, dict) else value:
        if isinstance(below, dict | list):
            yield from inside(below)


def test_the_document_needs_no_key(sandbox: Sandbox) -> None:
    answer = fetch(f"{sandbox.base_url}/api/v1/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == document(models.packaged_catalogue(), FRIENDLY, sandbox.base_url)


def test_it_has_the_twenty_routes_of_the_contract_with_their_scopes() -> None:
    table = [" ".join(filter(None, (one.method, one.path, one.scope))) for one in OPERATIONS]
    assert sorted(table) == sorted(INVENTORY.split("\n")[1:-1])
    paths = DOCUMENT["paths"]
    documented = [(method, path) for path, item in paths.items() for method in item]
    assert sorted(documented) == sorted((one.method.lower(), one.path) for one in OPERATIONS)
    assert {one.scope for one in OPERATIONS} == {*SCOPES, None} - {"models:read"}


def test_all_references_resolve_and_all_schemas_are_valid() -> None:
    for found in inside(DOCUMENT):
        if isinstance(found.get("$ref"), str):
            where: Any = DOCUMENT
            for part in found["$ref"].removeprefix("#/").split("/"):
                where = where[part]
    for component in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(component)
    ids = [one["operationId"] for one in inside(DOCUMENT["paths"]) if "operationId" in one]
    assert len(ids) == len(set(ids)) == 20


def test_every_error_code_is_documented_with_its_status() -> None:
    for profile in (FRIENDLY, HOSTILE):
        found: dict[str, set[int]] = {}
        for item in document(models.packaged_catalogue(), profile, "http://x")["paths"].values():
            for operation in item.values():
                for status, response in operation["responses"].items():
                    for code in response["description"].strip("`").split("`, `"):
                        found.setdefault(code, set()).add(int(status))
        assert found.keys() - {"Done."} == STATUSES.keys()
        expected = {**STATUSES, "insufficient_credits": profile.no_credits_status}
        assert {code: found[code] for code in STATUSES} == {
            code: {status} for code, status in expected.items()
        }


def schema(name: str) -> Draft202012Validator:
    """A validator of one component that can refer to the others."""
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", **DOCUMENT})


def test_the_requests_of_every_model_are_described() -> None:
    known = DOCUMENT["components"]["schemas"]["GenerationRequest"]["discriminator"]["mapping"]
    catalogue = models.packaged_catalogue().models.values()
    assert set(known) == {model.id for model in catalogue if model.category != "chat"}
    request = schema("GenerationRequest")
    assert request.is_valid({"model": "z-image", "prompt": "x", "params": {"aspect_ratio": "1:1"}})
    assert request.is_valid({"model": "kling-3-0", "prompt": "x", "params": {"duration": 5}})
    for wrong in (
        {"model": "z-image"},
        {"model": "nope", "prompt": "x"},
        {"model": "z-image", "prompt": " "},
        {"model": "z-image", "prompt": "x", "params": {"size": "1:1"}},
        {"model": "z-image", "prompt": "x", "params": {"aspect_ratio": "5:1"}},
        {"model": "z-image", "prompt": "x", "files": []},
    ):
        assert not request.is_valid(wrong)


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
