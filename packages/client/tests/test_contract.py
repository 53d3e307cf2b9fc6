"""The documented facts of the contract that concern a client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from rivya_client.client import RivyaClient
from rivya_client.errors import APIStatusError, UsageError
from rivya_client.generations import MAX_PAUSE, SLOWER
from rivya_client.retries import RetryPolicy
from rivya_client.types import Generation, ModelEntry, ModelList
from support.api_stage import KEY, Stage, refused

ONE = {
    "id": "z-image",
    "display_name": "Z-Image",
    "category": "image",
    "runtime": "async_task",
    "base_credits": 1,
    "billing_type": "FIXED",
    "supported_modes": ["text-to-image"],
    "max_prompt_length": 1000,
    "reference_media": None,
    "params": [],
    "api_status": "available",
    "api_input_status": "available_text",
    "supported_api_inputs": ["text"],
    "requires_files_api": False,
    "requires_upload_for_modes": [],
    "url_input_supported": False,
    "file_kinds": [],
    "chat_capabilities": None,
    "notices": [],
}

# Code, HTTP status, whether the same request may be sent again: contract, section 2.2.
ERRORS = [
    ("public_api_disabled", 503, True),
    ("api_key_missing", 401, False),
    ("api_key_invalid", 401, False),
    ("api_key_revoked", 401, False),
    ("api_key_expired", 401, False),
    ("api_scope_denied", 403, False),
    ("rate_limited", 429, True),
    ("validation_failed", 400, False),
    ("not_found", 404, False),
    ("webhook_url_rejected", 400, False),
    ("chat_model_not_supported", 400, False),
    ("chat_session_conflict", 409, False),
    ("chat_attachment_not_supported", 400, False),
    ("idempotency_conflict", 409, False),
    ("insufficient_credits", 402, False),
    ("insufficient_credits", 400, False),
    ("insufficient_credits", 403, False),
    ("insufficient_credits", 409, False),
    ("internal_error", 500, True),
    ("a_newer_code", 418, False),
    ("a_newer_code", 429, True),
    ("a_newer_code", 502, True),
]

Call = Callable[[RivyaClient], Awaitable[Any]]
ROUTES: list[tuple[str, str, Call]] = [
    ("GET", "/models", lambda c: c.models.list()),
    ("POST", "/generations", lambda c: c.generations.create(b"{}", idempotency_key="k")),
    ("GET", "/generations/x", lambda c: c.generations.retrieve("x")),
    ("POST", "/files", lambda c: c.files.upload(b"\x89PNG\r\n\x1a\n", kind="image")),
    ("GET", "/files/x", lambda c: c.files.retrieve("x")),
    ("POST", "/chat/completions", lambda c: c.chat.complete(b"{}", idempotency_key="k")),
    ("POST", "/chat/completions/stream", lambda c: streamed(c)),
    ("GET", "/chat/sessions", lambda c: c.chat.sessions.list()),
    ("GET", "/chat/sessions/x", lambda c: c.chat.sessions.retrieve("x")),
    ("GET", "/credits", lambda c: c.credits.retrieve()),
    ("GET", "/webhooks", lambda c: c.webhooks.list()),
    ("POST", "/webhooks", lambda c: c.webhooks.create("https://example.com/")),
    ("GET", "/webhooks/x", lambda c: c.webhooks.retrieve("x")),
    ("PATCH", "/webhooks/x", lambda c: c.webhooks.update("x", name="n")),
    ("DELETE", "/webhooks/x", lambda c: c.webhooks.delete("x")),
    ("POST", "/webhooks/x/rotate-secret", lambda c: c.webhooks.rotate_secret("x")),
    ("POST", "/webhooks/x/test", lambda c: c.webhooks.test("x")),
    ("GET", "/webhooks/x/deliveries", lambda c: c.webhooks.deliveries("x")),
    ("GET", "/webhook-events", lambda c: c.webhook_events.list()),
    ("GET", "/openapi.json", lambda c: c.openapi()),
]
PUBLIC = ("/models", "/openapi.json")


async def streamed(client: RivyaClient) -> None:
    async with client.chat.stream(b"{}", idempotency_key="k") as stream:
        await stream.complete()


def test_the_service_is_at_its_documented_address() -> None:
    assert RivyaClient("rvya_sk_k").base_url == "https://rivya.ai"


@pytest.mark.parametrize(("method", "path", "call"), ROUTES)
async def test_each_of_the_twenty_routes_is_asked_with_the_key_where_it_needs_one(
    method: str, path: str, call: Call
) -> None:
    stage = Stage(refused(403, "api_scope_denied"))
    async with stage.client() as client:
        with pytest.raises(APIStatusError, match="api_scope_denied"):
            await call(client)
    (request,) = stage.requests
    assert (request.method, request.url.path) == (method, "/api/v1" + path)
    key = None if path in PUBLIC else f"Bearer {KEY}"
    assert request.headers.get("authorization") == key
    assert request.headers["user-agent"].startswith("rivya-client/")


@pytest.mark.parametrize(("method", "path", "call"), ROUTES)
async def test_without_a_key_only_the_public_routes_are_asked(
    method: str, path: str, call: Call
) -> None:
    stage = Stage(refused(404, "not_found"))
    async with stage.client(api_key=None) as client:
        with pytest.raises(APIStatusError if path in PUBLIC else UsageError):
            await call(client)
    assert len(stage.requests) == (path in PUBLIC)


@pytest.mark.parametrize(("method", "path", "call"), ROUTES)
async def test_each_error_of_each_route_has_its_code_status_and_advice(
    method: str, path: str, call: Call
) -> None:
    stage = Stage(*[refused(status, code) for code, status, _ in ERRORS])
    async with stage.client(retry=RetryPolicy(attempts=1)) as client:
        for code, status, again in ERRORS:
            with pytest.raises(APIStatusError) as caught:
                await call(client)
            error = caught.value
            assert (error.code, error.status, error.retryable) == (code, status, again)
            assert (error.detail, error.request_id) == ("No.", "req_1")


@pytest.mark.parametrize("code", sorted({code for code, *_ in ERRORS if code.startswith("api_")}))
def test_errors_about_keys_say_what_to_do(code: str) -> None:
    assert APIStatusError(401, code, "").hint


def test_a_balance_that_does_not_suffice_says_what_to_do_at_any_status() -> None:
    for status in (400, 402, 403, 409):
        assert "credits" in str(APIStatusError(status, "insufficient_credits", "").hint)


async def test_the_documented_model_is_read_whole() -> None:
    stage = Stage(httpx.Response(200, json={"object": "list", "data": [ONE]}))
    async with stage.client() as client:
        entry = await client.models.retrieve("z-image")
    assert entry.model_dump(mode="json") == ONE


@pytest.mark.parametrize("field", [name for name in ONE if name != "id"])
def test_a_model_with_a_strange_or_missing_field_is_still_listed(field: str) -> None:
    rest = {key: value for key, value in ONE.items() if key != field}
    strange = [{**ONE, field: odd} for odd in (None, 7.5, "text", ["text"], [7], {"a": 1})]
    models = ModelList.model_validate({"data": [rest, *strange]})
    assert [entry.id for entry in models.data] == ["z-image"] * 7
    assert getattr(models.data[0], field) == ModelEntry.model_fields[field].default


async def test_a_model_id_with_a_dot_is_as_good_as_any() -> None:
    stage = Stage(httpx.Response(200, json={"data": [{"id": "gpt-5.4-codex-chat"}]}))
    async with stage.client() as client:
        assert (await client.models.retrieve("gpt-5.4-codex-chat")).id == "gpt-5.4-codex-chat"


async def test_a_model_that_the_service_does_not_list_is_an_error() -> None:
    async with Stage(httpx.Response(200, json={"data": [ONE]})).client() as client:
        with pytest.raises(UsageError, match="'z-imag'") as caught:
            await client.models.retrieve("z-imag")
    assert caught.value.hint == "did you mean 'z-image'?"


async def test_the_documented_balance_is_read() -> None:
    stage = Stage(httpx.Response(200, json={"current_credits": 123, "new": 1}))
    async with stage.client() as client:
        assert (await client.credits.retrieve()).current_credits == 123


@pytest.mark.parametrize("status", [200, 201, 202, 299])
async def test_any_2xx_is_a_success(status: int) -> None:
    stage = Stage(httpx.Response(status, json={"id": "task_1", "status": "queued"}))
    async with stage.client() as client:
        assert (await client.generations.create(b"{}", idempotency_key="k")).id == "task_1"


def test_a_failed_job_has_the_documented_error() -> None:
    error = {"code": "generation_failed", "message": "The generation failed."}
    job = Generation.model_validate({"id": "task_1", "status": "failed", "error": error})
    assert job.ended
    assert job.error is not None
    assert job.error.model_dump() == error


def test_polls_follow_the_documented_advice() -> None:
    first = 2.5  # 2 to 3 s; then every 5 to 10 s from 20 s on, slower for films and sounds, ever more seldom
    assert 20 * SLOWER >= 5
    assert MAX_PAUSE["image"] * first == 10
    assert MAX_PAUSE["video"] > MAX_PAUSE["image"] < MAX_PAUSE["audio"]


async def test_the_description_of_the_routes_is_unchanged() -> None:
    stage = Stage(httpx.Response(200, json={"openapi": "3.1.0", "paths": {}}))
    async with stage.client() as client:
        assert await client.openapi() == {"openapi": "3.1.0", "paths": {}}
