"""The OpenAPI document: complete and valid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

from rivya_sandbox.service import catalogue as models
from rivya_sandbox.service.accounts import SCOPES
from rivya_sandbox.service.errors import STATUSES
from rivya_sandbox.service.openapi import document
from rivya_sandbox.service.operations import OPERATIONS
from rivya_sandbox.service.options import FRIENDLY, HOSTILE
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import fetch

DOCUMENT = document(models.shipped(), FRIENDLY, "http://127.0.0.1:1")

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
    assert answer.json() == document(models.shipped(), FRIENDLY, sandbox.base_url)


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
        for item in document(models.shipped(), profile, "http://x")["paths"].values():
            for operation in item.values():
                for status, response in operation["responses"].items():
                    for code in response["description"].strip("`").split("`, `"):
                        found.setdefault(code, set()).add(int(status))
        assert found.keys() - {"Done."} == STATUSES.keys()
        expected = {**STATUSES, "insufficient_credits": profile.no_credits_status}
        assert {code: found[code] for code in STATUSES} == {
            code: {status} for code, status in expected.items()
        }
