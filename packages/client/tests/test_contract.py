"""The documented facts of the contract that concern a client: routes, answers, errors."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from rivya_client.client import RivyaClient
from rivya_client.errors import APIStatusError, UsageError
from rivya_client.generations import MAX_PAUSE, SLOWER
from rivya_client.request_types import ChatRequest
from rivya_client.retries import ONCE
from rivya_client.types import (
    ChatCompletion,
    ChatSession,
    File,
    Generation,
    ModelEntry,
    WebhookDelivery,
    WebhookEndpoint,
)
from rivya_client.wire import WireModel
from support.api_stage import BODY, KEY, Call, Stage, balance, buy, job, refused, stream
from support.webhook_objects import DELIVERY, ENDPOINT, listed

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
BEGAN, ENDED = "2026-05-11T00:00:00.000Z", "2026-05-11T00:00:09.000Z"
JOB = {
    "id": "task_1",
    "status": "succeeded",
    "model": "z-image",
    "reserved_credits": 1,
    "final_credits": 1,
    "created_at": BEGAN,
    "updated_at": ENDED,
    "result": {"primary_url": "https://cdn.example/a.png", "urls": ["https://cdn.example/a.png"]},
    "error": None,
}
FAILED = {"code": "generation_failed", "message": "The generation failed."}
FILE = {
    "id": "file_1",
    "url": "https://cdn.example/a.wav",
    "kind": "audio",
    "name": "a.wav",
    "mime_type": "audio/wav",
    "size_bytes": 8044,
    "duration_seconds": 0.5,
    "duration_token": "dur_1",
    "created_at": BEGAN,
}
TURN = {
    "id": "chatcmpl_1",
    "object": "chat.completion",
    "session_id": "session_id",
    "model": "gpt-5-2-chat",
    "created_at": BEGAN,
    "message": {"id": "assistant_message_id", "role": "assistant", "content": "..."},
    "usage": {"input_tokens": 1200, "output_tokens": 320, "total_tokens": 1520},
    "credits": {"reserved": 3, "final": 2},
}
SESSION = {
    "id": "session_1",
    "object": "chat.session",
    "model": "gpt-5-2-chat",
    "title": None,
    "created_at": BEGAN,
    "updated_at": ENDED,
    "message_count": 2,
    "messages": [
        {"id": "m1", "role": "user", "content": "Hi", "created_at": BEGAN},
        {"id": "m2", "role": "assistant", "content": "Ho", "created_at": ENDED},
    ],
}
EVERYTHING: ChatRequest = {
    "model": "gpt-5-2-chat",
    "session_id": "session_1",
    "message": "What is on it?",
    "attachments": [{"file_id": "file_1"}],
    "enable_web_search": True,
    "reasoning_effort": "low",
    "client_request_id": "order-1",
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
    *(("insufficient_credits", status, False) for status in (400, 402, 403, 409)),
    ("internal_error", 500, True),
    ("a_newer_code", 418, False),
    ("a_newer_code", 429, True),
    ("a_newer_code", 502, True),
]
ROUTES: list[tuple[str, str, Call]] = [
    ("GET", "/models", lambda c: c.models.list()),
    ("POST", "/generations", buy),
    ("GET", "/generations/a%2F..%2Fb%3Fc", lambda c: c.generations.retrieve("a/../b?c")),
    ("POST", "/files", lambda c: c.files.upload(b"\x89PNG\r\n\x1a\n", kind="image")),
    ("GET", "/files/a%2Fb", lambda c: c.files.retrieve("a/b")),
    ("POST", "/chat/completions", lambda c: c.chat.complete(BODY, idempotency_key="k")),
    ("POST", "/chat/completions/stream", stream),
    ("GET", "/chat/sessions", lambda c: c.chat.sessions.list()),
    ("GET", "/chat/sessions/a%2Fb", lambda c: c.chat.sessions.retrieve("a/b")),
    ("GET", "/credits", balance),
    ("GET", "/webhooks", lambda c: c.webhooks.list()),
    ("POST", "/webhooks", lambda c: c.webhooks.create("https://example.com/")),
    ("GET", "/webhooks/a%2Fb", lambda c: c.webhooks.retrieve("a/b")),
    ("PATCH", "/webhooks/a%2Fb", lambda c: c.webhooks.update("a/b", name="n")),
    ("DELETE", "/webhooks/a%2Fb", lambda c: c.webhooks.delete("a/b")),
    ("POST", "/webhooks/a%2Fb/rotate-secret", lambda c: c.webhooks.rotate_secret("a/b")),
    ("POST", "/webhooks/a%2Fb/test", lambda c: c.webhooks.test("a/b")),
    ("GET", "/webhooks/a%2Fb/deliveries", lambda c: c.webhooks.deliveries("a/b")),
    ("GET", "/webhook-events", lambda c: c.webhook_events.list()),
    ("GET", "/openapi.json", lambda c: c.openapi()),
]
PUBLIC = ("/models", "/openapi.json")


def test_the_service_is_at_its_documented_address() -> None:
    assert RivyaClient("rvya_sk_k").base_url == "https://rivya.ai"


@pytest.mark.parametrize(("method", "path", "call"), ROUTES)
async def test_each_of_the_twenty_routes_is_asked_with_a_key_unless_it_is_public(
    method: str, path: str, call: Call
) -> None:
    stage = Stage(*[refused(403, "api_scope_denied")] * 2)
    await stage.error(APIStatusError, call, "api_scope_denied")
    (request,) = stage.requests
    assert (request.method, request.url.raw_path.decode()) == (method, "/api/v1" + path)
    is_public = path in PUBLIC
    assert request.headers.get("authorization") == (None if is_public else f"Bearer {KEY}")
    assert request.headers["user-agent"].startswith("rivya-client/")
    await stage.error(APIStatusError if is_public else UsageError, call, api_key=None)
    assert len(stage.requests) == 1 + is_public


@pytest.mark.parametrize(("method", "path", "call"), ROUTES)
async def test_each_error_of_each_route_has_its_code_status_and_advice(
    method: str, path: str, call: Call
) -> None:
    stage = Stage(*[refused(status, code) for code, status, _ in ERRORS])
    async with stage.client(retry=ONCE) as client:
        for code, status, again in ERRORS:
            with pytest.raises(APIStatusError) as caught:
                await call(client)
            error = caught.value
            assert (error.code, error.status, error.retryable) == (code, status, again)
            assert (error.detail, error.request_id) == ("No.", "req_1")


def test_errors_about_keys_and_balances_say_what_to_do_at_any_status() -> None:
    for code, status, _ in ERRORS:
        hint = APIStatusError(status, code, "").hint
        assert hint or not code.startswith("api_")
        assert code != "insufficient_credits" or "credits" in str(hint)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda c: c.models.list(), ONE),
        (lambda c: c.generations.wait("task_1"), JOB),
        (lambda c: c.generations.wait("task_1"), {**JOB, "status": "failed", "error": FAILED}),
        (lambda c: c.files.retrieve("file_1"), FILE),
        (lambda c: c.chat.complete(EVERYTHING, idempotency_key="k1"), TURN),
        (lambda c: c.chat.sessions.retrieve("session_1"), SESSION),
        (lambda c: c.webhooks.retrieve("whend_1"), ENDPOINT),
        (lambda c: c.webhooks.deliveries("whend_1"), DELIVERY),
        (balance, {"current_credits": 123, "new": 1}),
    ],
)
async def test_the_documented_answer_is_read_whole(call: Call, told: dict[str, Any]) -> None:
    is_listed = told in (ONE, DELIVERY)
    stage = Stage(listed(told) if is_listed else httpx.Response(200, json=told))
    answer = await stage.answered(call)
    read = (answer[0] if is_listed else answer).model_dump(mode="json", exclude={"signing_secret"})
    assert read == {name: value for name, value in told.items() if name not in ("object", "new")}
    if told is TURN:
        assert json.loads(stage.requests[0].content) == EVERYTHING


async def test_the_description_of_the_routes_is_unchanged() -> None:
    told = {"openapi": "3.1.0", "paths": {}}
    assert await Stage(httpx.Response(200, json=told)).answered(lambda c: c.openapi()) == told


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (ModelEntry, ONE),
        (Generation, {**JOB, "status": "failed", "error": FAILED}),
        (File, FILE),
        (ChatCompletion, TURN),
        (ChatSession, SESSION),
        (WebhookEndpoint, {**ENDPOINT, "signing_secret": "whsec_1"}),
        (WebhookDelivery, DELIVERY),
    ],
)
def test_an_answer_with_a_strange_or_missing_field_is_still_read(
    model: type[WireModel], told: dict[str, Any]
) -> None:
    def read(answer: dict[str, Any]) -> dict[str, Any]:
        return model.from_json(json.dumps(answer).encode()).model_dump()

    whole = read(told)
    for name, field in model.model_fields.items():
        if field.is_required():
            continue
        rest = {key: value for key, value in told.items() if key != name}
        assert read(rest) == {**whole, name: field.default}
        for odd in (None, 7.5, 1_778_457_600, "text", ["text"], [7], {"a": 1}):
            assert {**read({**rest, name: odd}), name: None} == {**whole, name: None}


async def test_a_model_is_found_by_its_id_or_told_to_be_unknown() -> None:
    answers = [listed({"id": "gpt-5.4-codex-chat"}), listed(ONE)]
    async with Stage(*answers).client() as client:
        assert (await client.models.retrieve("gpt-5.4-codex-chat")).id == "gpt-5.4-codex-chat"
        with pytest.raises(UsageError, match="'z-imag'") as caught:
            await client.models.retrieve("z-imag")
    assert caught.value.hint == "did you mean 'z-image'?"


@pytest.mark.parametrize("status", [200, 201, 202, 299])
async def test_any_2xx_is_a_success(status: int) -> None:
    answer = httpx.Response(status, content=job().content)
    assert (await Stage(answer).answered(buy)).id == "task_1"


def test_polls_follow_the_documented_advice() -> None:
    first = 2.5  # 2 to 3 s; then every 5 to 10 s from 20 s on, slower for films and sounds, ever more seldom
    assert 20 * SLOWER >= 5
    assert MAX_PAUSE["image"] * first == 10
    assert MAX_PAUSE["video"] > MAX_PAUSE["image"] < MAX_PAUSE["audio"]
