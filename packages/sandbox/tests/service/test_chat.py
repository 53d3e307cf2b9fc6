"""Chats: sessions, attachments and settlement by tokens."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import code, credits, customer, png, upload

URL = "/api/v1/chat/completions"

MODEL = "gpt-5-2-chat"


def say(client: httpx.Client, *, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(
        URL, json={"model": MODEL, "message": "A lamp, please", **body}, headers=headers
    )


def test_a_session_keeps_its_messages_and_is_settled_by_tokens(client: httpx.Client) -> None:
    first = say(client, client_request_id="c-1", enable_web_search=False, reasoning_effort="low")
    assert first.status_code == 200
    answer = first.json()
    assert answer["object"] == "chat.completion"
    assert answer["message"]["role"] == "assistant"
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert answer["credits"]["reserved"] == 3
    assert 0 < answer["credits"]["final"] <= 3
    second = say(client, session_id=answer["session_id"], message="Shorter").json()
    assert second["session_id"] == answer["session_id"]
    assert second["usage"]["input_tokens"] > usage["input_tokens"]
    session = client.get(f"/api/v1/chat/sessions/{answer['session_id']}").json()
    assert [message["role"] for message in session["messages"]] == ["user", "assistant"] * 2
    assert session["messages"][1]["content"] == answer["message"]["content"]
    assert session["message_count"] == 4
    other = say(client).json()["session_id"]
    listed = client.get("/api/v1/chat/sessions").json()
    assert listed["object"] == "list"
    assert [one["id"] for one in listed["data"]] == [other, answer["session_id"]]


def test_a_requested_schema_is_answered_as_json(client: httpx.Client) -> None:
    shape = '{"visual":"string","tags":["string"],"n":"integer"}'
    instruction = f"\n\nAnswer with one JSON object and nothing else, of this shape: {shape}"
    content = say(client, message="A lamp" + instruction).json()["message"]["content"]
    answer = json.loads(content)
    assert (type(answer["visual"]), type(answer["tags"]), type(answer["n"])) == (str, list, int)


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"message": ""}, 400, "validation_failed"),
        ({"message": "x" * 20001}, 400, "validation_failed"),
        ({"messages": []}, 400, "validation_failed"),
        ({"model": None}, 400, "validation_failed"),
        ({"model": "z-image"}, 400, "chat_model_not_supported"),
        ({"model": "gpt-9"}, 400, "chat_model_not_supported"),
        ({"reasoning_effort": "huge"}, 400, "validation_failed"),
        ({"enable_web_search": "yes"}, 400, "validation_failed"),
        ({"session_id": 7}, 400, "validation_failed"),
        ({"session_id": "session_unknown"}, 404, "not_found"),
        ({"attachments": {}}, 400, "validation_failed"),
        ({"attachments": [{"file_id": "file_x"}] * 11}, 400, "validation_failed"),
        ({"attachments": [{"file_id": "file_x"}]}, 400, "chat_attachment_not_supported"),
        ({"attachments": [{"url": "https://a/b.png"}]}, 400, "chat_attachment_not_supported"),
    ],
)
def test_wrong_requests_are_refused_and_cost_nothing(
    client: httpx.Client, change: dict[str, Any], status: int, said: str
) -> None:
    answer = say(client, **change)
    assert (answer.status_code, code(answer)) == (status, said)
    assert credits(client) == 1000


def test_a_session_belongs_to_its_model_and_its_account(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    session_id = say(client).json()["session_id"]
    conflict = say(client, session_id=session_id, model="gpt-5-codex-chat")
    assert (conflict.status_code, code(conflict)) == (409, "chat_session_conflict")
    with customer(sandbox) as (stranger, _):
        assert code(say(stranger, session_id=session_id)) == "not_found"


def test_images_are_attached_by_file_id_if_the_model_accepts_them(client: httpx.Client) -> None:
    attachments = [{"file_id": upload(client, png()).json()["id"]}]
    assert say(client, attachments=attachments).status_code == 200
    refused = say(client, model="claude-sonnet-4-6-chat", attachments=attachments)
    assert (refused.status_code, code(refused)) == (400, "chat_attachment_not_supported")


def test_an_empty_wallet_buys_no_answer(sandbox: Sandbox) -> None:
    with customer(sandbox, credits=2) as (client, name):
        answer = say(client)
        assert (answer.status_code, code(answer)) == (402, "insufficient_credits")
        assert admin.ledger(sandbox.data, account=name)["balance"] == 2


def test_a_judge_sees_the_pictures_of_its_session(client: httpx.Client) -> None:
    shape = '{"scores":[{"candidate":"integer","score":"number"}]}'
    asked = f"\n\nAnswer with one JSON object and nothing else, of this shape: {shape}"
    files = [{"file_id": upload(client, png(side)).json()["id"]} for side in (4, 5)]

    def scores(**body: Any) -> list[dict[str, Any]]:
        content = say(client, **body).json()["message"]["content"]
        return list(json.loads(content)["scores"])

    first = say(client, message="Score the pictures, 0-10." + asked, attachments=files).json()
    given = json.loads(first["message"]["content"])["scores"]
    assert [one["candidate"] for one in given] == [1, 2]
    session = first["session_id"]
    again = f"That answer could not be used: scores is missing.{asked}"
    assert scores(session_id=session, message=again) == given
    session_shown = client.get(f"/api/v1/chat/sessions/{session}").json()["messages"][0]
    assert set(session_shown) == {"id", "role", "content", "created_at"}
