"""Chats: their requests, their answers and their sessions."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from rivya_client.errors import APIConnectionError
from rivya_client.request_types import ChatRequest
from rivya_client.types import SessionMessage
from support.api_stage import Stage

ANSWER = {
    "id": "chatcmpl_1",
    "object": "chat.completion",
    "session_id": "session_id",
    "model": "gpt-5-2-chat",
    "created_at": "2026-05-11T00:00:00.000Z",
    "message": {"id": "assistant_message_id", "role": "assistant", "content": "..."},
    "usage": {"input_tokens": 1200, "output_tokens": 320, "total_tokens": 1520},
    "credits": {"reserved": 3, "final": 2},
}
SESSION = {
    "id": "session_1",
    "object": "chat.session",
    "model": "gpt-5-2-chat",
    "title": None,
    "created_at": "2026-05-11T00:00:00.000Z",
    "updated_at": "2026-05-11T00:00:09.000Z",
    "message_count": 2,
}
MESSAGES = [
    {"id": "m1", "role": "user", "content": "Hi", "created_at": "2026-05-11T00:00:00.000Z"},
    {"id": "m2", "role": "assistant", "content": "Ho", "created_at": "2026-05-11T00:00:09.000Z"},
]
EVERYTHING: ChatRequest = {
    "model": "gpt-5-2-chat",
    "session_id": "session_1",
    "message": "What is on it?",
    "attachments": [{"file_id": "file_1"}],
    "enable_web_search": True,
    "reasoning_effort": "low",
    "client_request_id": "order-1",
}


async def test_every_documented_field_is_sent_and_the_documented_answer_is_read() -> None:
    stage = Stage(httpx.Response(200, json=ANSWER))
    async with stage.client() as client:
        answer = await client.chat.complete(EVERYTHING, idempotency_key="k1")
    assert stage.requests[0].url.path == "/api/v1/chat/completions"
    assert json.loads(stage.requests[0].content) == EVERYTHING
    assert answer.model_dump() == {k: v for k, v in ANSWER.items() if k != "object"}


async def test_an_answer_without_an_id_is_retried() -> None:
    stage = Stage(httpx.Response(200, json={**ANSWER, "id": ""}), httpx.Response(200, json=ANSWER))
    async with stage.client() as client:
        assert (await client.chat.complete(EVERYTHING, idempotency_key="k1")).id == "chatcmpl_1"


async def test_sessions_are_listed_in_the_services_order() -> None:
    older = {"id": "session_0"}
    stage = Stage(httpx.Response(200, json={"object": "list", "data": [SESSION, older, {}]}))
    async with stage.client() as client:
        sessions = (await client.chat.sessions.list()).data
    assert stage.requests[0].url.path == "/api/v1/chat/sessions"
    assert [session.id for session in sessions] == ["session_1", "session_0"]
    assert (sessions[0].message_count, sessions[0].messages) == (2, None)
    assert (sessions[1].message_count, sessions[1].model) == (None, None)


async def test_a_session_survives_a_strange_field() -> None:
    strange = {**SESSION, "created_at": 1_778_457_600, "message_count": "two", "title": {"en": "x"}}
    stage = Stage(httpx.Response(200, json={"data": [strange]}))
    async with stage.client() as client:
        (session,) = (await client.chat.sessions.list()).data
    assert (session.id, session.created_at, session.message_count) == ("session_1", None, None)


async def test_a_session_has_its_messages() -> None:
    stage = Stage(httpx.Response(200, json={**SESSION, "messages": MESSAGES}))
    async with stage.client() as client:
        session = await client.chat.sessions.retrieve("a/b")
    assert stage.requests[0].url.raw_path == b"/api/v1/chat/sessions/a%2Fb"
    assert session.messages == tuple(SessionMessage.model_validate(one) for one in MESSAGES)


@pytest.mark.parametrize("answer", [{}, {"data": None}, "text", {"data": {"a": 1}}])
async def test_an_answer_that_is_not_a_list_is_unreadable(answer: Any) -> None:
    async with Stage(*[httpx.Response(200, json=answer)] * 5).client() as client:
        with pytest.raises(APIConnectionError, match="unreadable"):
            await client.chat.sessions.list()
