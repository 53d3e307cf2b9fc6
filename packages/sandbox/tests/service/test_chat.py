"""Chats: sessions, turns in the background, streams, rehearsed answers."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from rivya_sandbox.service import admin, catalogue, chat, idempotency, turns
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.errors import SandboxError
from rivya_sandbox.service.options import FRIENDLY
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from rivya_sandbox.service.turns import in_pieces
from support.sandbox_calls import PATIENCE, calling, code, credits, customer, png, until, upload

URL = "/api/v1/chat/completions"
STREAM = f"{URL}/stream"
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


WRONG: list[tuple[dict[str, Any], int, str]] = [
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
]


def test_wrong_requests_are_refused_and_cost_nothing(client: httpx.Client) -> None:
    for change, status, said in WRONG:
        answer = say(client, **change)
        assert (answer.status_code, code(answer)) == (status, said), change
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


def test_equal_requests_at_once_make_one_turn_and_one_charge(sandbox: Sandbox) -> None:
    with customer(sandbox) as (client, name):
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: say(client, key="k"), range(10)))
        running_still = [answer for answer in answers if answer.status_code == 409]
        assert all(code(answer) == "idempotency_conflict" for answer in running_still)
        assert all(answer.headers["Retry-After"] for answer in running_still)
        assert len({answer.text for answer in answers if answer.status_code == 200}) == 1
        assert say(client, key="k").headers["Idempotent-Replayed"] == "true"
        assert code(say(client, key="k", message="Other")) == "idempotency_conflict"
        movements = admin.ledger(sandbox.data, account=name)["movements"]
    assert [movement["kind"] for movement in movements] == ["grant", "reserve", "settle"]
    assert movements[1]["task_id"].startswith("chatcmpl_")


def test_a_turn_of_a_killed_process_is_refunded_and_its_key_is_free(tmp_path: Path) -> None:
    body = {"model": MODEL, "message": "Hello"}
    with running(tmp_path):
        pass
    # What a kill between the charge and the answer leaves behind.
    database = Database(tmp_path)
    account_id = database.rows("SELECT id FROM accounts")[0]["id"]
    asked = chat.check(database, catalogue.packaged_catalogue(), account_id, body)
    claim = idempotency.claim(account_id, chat.ROUTE, "k", body)
    with database.transaction() as transaction:
        chat.begin(
            transaction,
            asked,
            account_id=account_id,
            route=chat.ROUTE,
            claim=claim,
            profile=FRIENDLY,
            now=1.0,
        )
    database.close()
    assert admin.ledger(tmp_path)["balance"] == 997
    with running(tmp_path) as sandbox, calling(sandbox) as client:
        assert credits(client) == 1000
        assert client.get("/api/v1/chat/sessions").json()["data"] == []
        again = say(client, key="k", message="Hello")
        assert again.status_code == 200
        assert "Idempotent-Replayed" not in again.headers
    movements = admin.ledger(tmp_path)["movements"]
    kinds = [movement["kind"] for movement in movements]
    assert kinds == ["grant", "reserve", "refund", "reserve", "settle"]


@pytest.mark.parametrize("text", ["a", "two words", " a\n\n  b ", "word " * 500, '{"a": "b c"}'])
def test_the_pieces_of_a_text_are_the_text(text: str) -> None:
    pieces = in_pieces(text)
    assert "".join(pieces) == text
    assert 1 <= len(pieces) <= 40


def stream(client: httpx.Client, *, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    whole = {"model": MODEL, "message": "A lamp, please", **body}
    return client.post(STREAM, json=whole, headers=headers)


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
    assert "Idempotent-Replayed" not in say(client, key="k").headers  # a key belongs to its route


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
    has_left, write = threading.Event(), turns._write

    def written(*asked: Any) -> str:
        assert has_left.wait(PATIENCE)
        return write(*asked)

    monkeypatch.setattr(turns, "_write", written)
    with running(tmp_path) as sandbox, calling(sandbox) as client:
        headers = {"Idempotency-Key": "k"}
        with client.stream("POST", STREAM, json=body, headers=headers) as answer:
            next(answer.iter_lines())
        assert code(client.post(STREAM, json=body, headers=headers)) == "idempotency_conflict"
        has_left.set()
        until(lambda: client.get("/api/v1/chat/sessions").json()["data"] or None)
        again = client.post(STREAM, json=body, headers=headers)
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
    whole = say(client, message="Hello")
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


SHAPE = '\n\nAnswer with one JSON object and nothing else, of this shape: {"score":"number"}'
REPEAT = "That answer could not be used: it holds no JSON object."


def said(client: httpx.Client, message: str, model: str = MODEL, session: str | None = None) -> str:
    """The text of an answer."""
    body = {"model": model, "message": message, "session_id": session}
    sent = {name: value for name, value in body.items() if value is not None}
    return str(client.post(URL, json=sent).json()["message"]["content"])


def test_the_first_answer_whose_words_the_message_contains_is_given(sandbox: Sandbox) -> None:
    admin.set_answers(
        sandbox.data,
        """
        - {when: Judge the stills, model: gemini-2-5-flash-chat, text: other model}
        - {when: judge the STILLS, json: {scores: [{candidate: 1, score: 42}], label: गरम}}
        - {when: stills, text: second}
        """,
    )
    with calling(sandbox) as client:
        assert json.loads(said(client, "Please judge  the\nstills.")) == {
            "scores": [{"candidate": 1, "score": 42}],
            "label": "गरम",
        }
        assert said(client, "Some stills") == "second"
        assert said(client, "A lamp, please").startswith("[Sandbox answer")
    assert [one["used"] for one in admin.list_answers(sandbox.data)] == [0, 1, 1]


def test_an_answer_is_given_so_many_times_and_also_to_requests_to_repeat(sandbox: Sandbox) -> None:
    admin.set_answers(sandbox.data, "- {when: rate it, text: no idea, times: 2}")
    with calling(sandbox) as client:
        first = client.post(URL, json={"model": MODEL, "message": f"Rate it, a lamp{SHAPE}"}).json()
        session = first["session_id"]
        assert first["message"]["content"] == "no idea"
        assert said(client, REPEAT + SHAPE, session=session) == "no idea"
        written = json.loads(said(client, REPEAT + SHAPE, session=session))
    assert isinstance(written["score"], float)


def test_the_same_answers_set_again_are_given_again(sandbox: Sandbox) -> None:
    for _ in range(2):
        admin.set_answers(sandbox.data, "- {when: rate it, text: no idea, times: 1}")
        assert [one["used"] for one in admin.list_answers(sandbox.data)] == [0]
        with calling(sandbox) as client:
            assert said(client, "Rate it, a lamp") == "no idea"
            assert said(client, "Rate it, a lamp") != "no idea"


def test_an_answer_without_words_is_for_every_message_and_may_be_empty(sandbox: Sandbox) -> None:
    admin.set_answers(sandbox.data, "- {text: ''}")
    with calling(sandbox) as client:
        assert said(client, "Anything") == ""
    admin.set_answers(sandbox.data, "")
    assert admin.list_answers(sandbox.data) == []


def test_counts_survive_a_restart_and_a_start_without_a_file_keeps_the_answers(
    tmp_path: Path,
) -> None:
    given = []
    for text in ("- {text: once, times: 1}\n- {text: then}", None):
        with running(tmp_path, answers=text) as sandbox, calling(sandbox) as client:
            given.append(said(client, "Hello"))
    assert given == ["once", "then"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{when: a, text: b}", "answers: is not a list"),
        ("- {when: a}", "answers: 0: needs either 'json' or 'text'"),
        ("- {text: a, json: {b: 1}}", "needs either 'json' or 'text'"),
        ("- {text: a, whenn: b}", "answers: 0.whenn: Extra inputs"),
        ("- {text: a, when: ' '}", "'when' has no words"),
        ("- {text: a, times: 0}", "answers: 0.times"),
        ("- {json: {day: 2026-11-27}}", "'json' is not JSON"),
        ("- {json: {score: .nan}}", "'json' is not JSON"),
        ("- {json: [1]}", "answers: 0.json"),
        ("- {text: [", "answers:1:"),
        ("- &a {text: a}\n- *a", "answers:2:3: is not YAML: has an alias"),
        ("- {text: a}\n" * 501, "answers: Tuple should have at most 500 items"),
        ("- {text: a}\n#" + "x" * 2**20, "has more than"),
        ("- {json: {a: " + "[" * 500 + "]" * 500 + "}}", "nested too deeply"),
    ],
)
def test_a_wrong_file_says_where_and_leaves_the_earlier_answers(
    sandbox: Sandbox, text: str, problem: str
) -> None:
    admin.set_answers(sandbox.data, "- {text: kept}")
    with pytest.raises(SandboxError) as error:
        admin.set_answers(sandbox.data, text)
    assert problem in str(error.value)
    assert error.value.hint
    assert [one["text"] for one in admin.list_answers(sandbox.data)] == ["kept"]
