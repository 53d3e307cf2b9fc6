"""Chat streams: events, one charge for each key, disconnecting clients."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from rivya_sandbox.service import admin, turns
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import PATIENCE, calling, code, credits, customer, until

URL = "/api/v1/chat/completions/stream"

MODEL = "gpt-5-2-chat"


def stream(client: httpx.Client, *, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    whole = {"model": MODEL, "message": "A lamp, please", **body}
    return client.post(URL, json=whole, headers=headers)


def events(answer: httpx.Response) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in answer.text.split("\n\n")[:-1]:
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_a_stream_opens_with_its_session_and_ends_with_the_whole_answer(
    client: httpx.Client,
) -> None:
    answer = stream(client)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")
    (first, opening), *deltas, (last, whole) = events(answer)
    assert (first, last) == ("session", "completed")
    assert opening == {key: whole[key] for key in ("id", "session_id", "model", "created_at")}
    assert {name for name, _ in deltas} == {"delta"}
    assert "".join(data["content"] for _, data in deltas) == whole["message"]["content"]
    assert 0 < whole["credits"]["final"] <= whole["credits"]["reserved"] == 3
    assert credits(client) == 1000 - whole["credits"]["final"]
    session = client.get(f"/api/v1/chat/sessions/{whole['session_id']}").json()
    assert session["messages"][1]["content"] == whole["message"]["content"]


def test_a_repeated_stream_is_replayed_and_costs_nothing(client: httpx.Client) -> None:
    first, again = stream(client, key="k"), stream(client, key="k")
    assert again.text == first.text
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert "Idempotent-Replayed" not in first.headers
    assert credits(client) == 1000 - events(first)[-1][1]["credits"]["final"]
    assert code(stream(client, key="k", message="Other")) == "idempotency_conflict"
    whole = client.post(
        "/api/v1/chat/completions",
        json={"model": MODEL, "message": "A lamp, please"},
        headers={"Idempotency-Key": "k"},
    )
    assert "Idempotent-Replayed" not in whole.headers  # a key belongs to its route


def test_an_error_before_the_first_event_is_an_ordinary_refusal(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    refused = stream(client, message="")
    assert (refused.status_code, code(refused)) == (400, "validation_failed")
    with customer(sandbox, credits=0) as (poor, _):
        assert code(stream(poor)) == "insufficient_credits"


def test_a_turn_whose_client_disconnects_is_settled_once_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"model": MODEL, "message": "Hello"}
    has_left, write = threading.Event(), turns._written

    def written(*asked: Any) -> str:
        assert has_left.wait(PATIENCE)
        return write(*asked)

    monkeypatch.setattr(turns, "_written", written)
    with running(tmp_path) as sandbox, calling(sandbox) as client:
        headers = {"Idempotency-Key": "k"}
        with client.stream("POST", URL, json=body, headers=headers) as answer:
            next(answer.iter_lines())
        assert code(client.post(URL, json=body, headers=headers)) == "idempotency_conflict"
        has_left.set()
        until(lambda: client.get("/api/v1/chat/sessions").json()["data"] or None)
        again = client.post(URL, json=body, headers=headers)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert events(again)[-1][0] == "completed"
        movements = admin.ledger(tmp_path)["movements"]
    assert [movement["kind"] for movement in movements] == ["grant", "reserve", "settle"]


def test_a_turn_that_fails_in_the_middle_is_refunded(
    sandbox: Sandbox, client: httpx.Client
) -> None:
    fault = "{on: chat, do: fail, times: 2, model: gpt-5-2-chat}"
    admin.set_faults(sandbox.data, f"faults: [{fault}]")
    answer = stream(client, key="k")
    (name, error), started = events(answer)[-1], events(answer)[:-1]
    assert answer.status_code == 200
    assert {event for event, _ in started} == {"session", "delta"}
    assert (name, error["error"]["code"]) == ("error", "internal_error")
    assert error["error"]["requestId"] == answer.headers["X-Request-Id"]
    whole = client.post("/api/v1/chat/completions", json={"model": MODEL, "message": "Hello"})
    assert (whole.status_code, code(whole)) == (500, "internal_error")
    assert credits(client) == 1000
    assert "Idempotent-Replayed" not in stream(client, key="k").headers


def test_events_of_a_hostile_service_have_no_names(tmp_path: Path) -> None:
    with running(tmp_path, profile="hostile") as sandbox, calling(sandbox) as client:
        text = stream(client).text
    assert "event:" not in text
    assert text.startswith(": ping\n\n")
    blocks = [block.removeprefix("data: ") for block in text.split("\n\n")[1:-1]]
    assert blocks[-1] == "[DONE]"
    assert json.loads(blocks[0])["session_id"]
    assert json.loads(blocks[1])["delta"]["content"]
    assert set(json.loads(blocks[-2])) == {"usage", "credits"}
