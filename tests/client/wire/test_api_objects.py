"""Answers of the service as models: what is needed, what is tolerated, what is never guessed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from rivya_flows.client.transport.response_parsing import read_answer, refusal
from rivya_flows.client.wire.api_objects import Credits, File, Generation, JobResult
from rivya_flows.client.wire.chat import ChatCompletion
from rivya_flows.client.wire.list_page import ModelList
from rivya_flows.errors import APIConnectionError

DONE = {
    "id": "task_1",
    "status": "succeeded",
    "model": "z-image",
    "reserved_credits": 1,
    "final_credits": 1,
    "created_at": "2026-05-11T00:00:00.000Z",
    "updated_at": "2026-05-11T00:00:09.000Z",
    "result": {"primary_url": "https://cdn.example/a.png", "urls": ["https://cdn.example/a.png"]},
    "error": None,
}


def test_generation_reads_the_documented_answer() -> None:
    generation = Generation.model_validate(DONE)
    assert generation.ended
    assert generation.result == JobResult(
        primary_url="https://cdn.example/a.png", urls=("https://cdn.example/a.png",)
    )


def test_generation_ignores_fields_it_does_not_know() -> None:
    assert Generation.model_validate({**DONE, "queue": {"place": 3}}).id == "task_1"


def test_credits_that_were_not_told_are_not_zero() -> None:
    generation = Generation.model_validate({"id": "task_1", "status": "QUEUED"})
    assert (generation.status, generation.reserved_credits, generation.final_credits) == (
        "queued",
        None,
        None,
    )


def test_a_cost_is_rounded_up_and_a_balance_down() -> None:
    generation = Generation.model_validate({**DONE, "final_credits": 1.2})
    assert generation.final_credits == 2
    assert Credits.model_validate({"current_credits": 9.9}).current_credits == 9


@pytest.mark.parametrize(
    ("told", "cost"),
    [
        pytest.param("1.50", 2, id="decimal-text"),
        pytest.param("10", 10, id="text"),
        pytest.param(3.0000000000000004, 3, id="sum-of-fractions"),
        pytest.param(-5, None, id="negative"),
        pytest.param("some", None, id="words"),
        pytest.param({"amount": 1}, None, id="object"),
        pytest.param(True, None, id="truth"),
        pytest.param(1e300, None, id="absurd"),
    ],
)
def test_a_cost_in_another_spelling_is_read_and_what_is_none_was_not_told(
    told: Any, cost: int | None
) -> None:
    assert Generation.model_validate({**DONE, "final_credits": told}).final_credits == cost


@pytest.mark.parametrize(("told", "balance"), [("9.90", 9), (2.9999999999, 3), (-3, -3)])
def test_a_balance_in_another_spelling_is_read(told: Any, balance: int) -> None:
    assert Credits.model_validate({"current_credits": told}).current_credits == balance


@pytest.mark.parametrize(
    "beside",
    [
        {"created_at": 1732600000},
        {"model": {"id": "z-image"}},
        {"error": {"code": 404, "message": None}},
        {"error": ["too dark"]},
        {"result": "nothing"},
        {"reserved_credits": [1]},
    ],
)
def test_a_job_is_not_lost_for_a_strange_field_beside_it(beside: dict[str, Any]) -> None:
    generation = read_answer(
        "GET /x", 200, json.dumps({**DONE, "status": "failed", **beside}).encode(), Generation
    )
    assert (generation.id, generation.ended, generation.final_credits) == ("task_1", True, 1)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        pytest.param({"content": None}, "", id="nothing"),
        pytest.param({"content": [{"type": "text", "text": "Hi"}]}, "Hi", id="parts"),
        pytest.param({"content": "Hi", "role": None}, "Hi", id="no-role"),
    ],
)
def test_a_paid_answer_is_not_lost_for_its_strange_form(message: Any, text: str) -> None:
    told = {"id": "c", "message": message, "usage": 12, "credits": {"final": "0.25"}}
    answer = ChatCompletion.model_validate(told)
    assert (answer.message.content, answer.usage) == (text, None)
    assert answer.credits is not None
    assert answer.credits.final == 1


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(rb"cut \ud83d", "cut �", id="first-half"),
        pytest.param(rb"\ude00 cut", "� cut", id="second-half"),
        pytest.param(rb"\ud83d\ude00 \ud83d", "😀 �", id="whole-and-half"),
        pytest.param(rb"\\ud83d \ud83d", r"\ud83d �", id="a-backslash-is-none"),
        pytest.param(b"caf\xe9", "caf�", id="not-utf-8"),
    ],
)
def test_a_paid_answer_is_not_lost_for_half_a_character(body: bytes, text: str) -> None:
    told = b'{"id": "c", "message": {"content": "%s"}}' % body
    answer = read_answer("POST /x", 200, told, ChatCompletion)
    assert answer.message.content == text


@pytest.mark.parametrize(
    ("told", "urls"),
    [
        pytest.param({"urls": "a"}, ("a",), id="text-for-a-list"),
        pytest.param({"urls": [{"url": "a"}, 7]}, ("a",), id="objects"),
        pytest.param({"primary_url": "a"}, ("a",), id="primary-alone"),
        pytest.param({"urls": ["a", "b"]}, ("a", "b"), id="list-alone"),
        pytest.param({"urls": None, "primary_url": None}, (), id="neither"),
    ],
)
def test_result_fills_one_field_from_the_other(told: dict[str, Any], urls: tuple[str, ...]) -> None:
    result = JobResult.model_validate(told)
    assert result.urls == urls
    assert result.primary_url == (urls[0] if urls else None)


def test_job_error_may_be_a_bare_text() -> None:
    generation = Generation.model_validate({**DONE, "status": "failed", "error": "too dark"})
    assert generation.error is not None
    assert (generation.error.code, generation.error.message) == ("generation_failed", "too dark")


def test_file_takes_either_spelling() -> None:
    told = {"file_id": "file_1", "url": "u", "mimeType": "audio/wav", "durationToken": "dt"}
    file = File.model_validate(told)
    assert (file.id, file.mime_type, file.duration_token) == ("file_1", "audio/wav", "dt")


def test_model_list_keeps_the_whole_payload_and_skips_strange_entries() -> None:
    payload = {"object": "list", "data": [{"id": "z-image", "new": 1}, {"name": "no id"}, 7]}
    models = ModelList.model_validate(payload)
    assert [entry.id for entry in models.data] == ["z-image"]
    assert models.payload == payload


def test_model_list_may_be_a_bare_array() -> None:
    assert ModelList.model_validate([{"id": "gpt-5.4-codex-chat"}]).payload["object"] == "list"


def test_chat_answer_reads_without_usage() -> None:
    answer = ChatCompletion.model_validate({"id": "chatcmpl_1", "message": {"content": "Hi"}})
    assert (answer.message.content, answer.usage, answer.session_id) == ("Hi", None, None)


def test_models_are_frozen() -> None:
    generation = Generation.model_validate(DONE)
    with pytest.raises(ValidationError, match="frozen"):
        generation.status = "failed"  # type: ignore[misc]  # that it is refused is the test


@pytest.mark.parametrize("body", [b"", b'{"id": "task_1"', b"<html>", b"{}", b"[]", b"\xff"])
def test_an_unreadable_answer_is_a_connection_error(body: bytes) -> None:
    with pytest.raises(APIConnectionError, match="POST /x: HTTP 202 with an unreadable"):
        read_answer("POST /x", 202, body, Generation)


def test_the_services_words_stay_on_their_line_and_take_no_hold_of_a_terminal() -> None:
    said = {
        "code": "a\nb",
        "message": "\x1b[2Jgone\r\nfine \ud83d",
        "requestId": "r\x07" + "x" * 999,
    }
    error = refusal(400, {}, json.dumps({"error": said}).encode(), 0)
    assert (error.code, error.detail) == ("a b", "�[2Jgone  fine �")
    assert error.request_id is not None
    assert error.request_id.startswith("r�xx")
    assert len(error.request_id) <= 128


def test_refusal_reads_the_envelope() -> None:
    envelope = {"error": {"code": "rate_limited", "message": "Slow down.", "requestId": "req_7"}}
    error = refusal(429, {"retry-after": "12"}, json.dumps(envelope).encode(), now=0)
    assert (error.code, error.detail, error.request_id) == ("rate_limited", "Slow down.", "req_7")
    assert (error.retry_after_seconds, error.retryable) == (12, True)


@pytest.mark.parametrize(
    ("status", "body", "code", "detail"),
    [
        pytest.param(502, b"<html>bad</html>", "http_502", "Bad Gateway", id="page-of-a-proxy"),
        pytest.param(400, b'{"error": "no"}', "http_400", "no", id="text-for-an-object"),
        pytest.param(418, b'{"error": {"code": 4}}', "http_418", "I'm a Teapot", id="code-no-text"),
        pytest.param(599, b"", "http_599", "no reason given", id="unknown-status"),
        pytest.param(500, b"[" * 100_000, "http_500", "Internal Server Error", id="deep"),
    ],
)
def test_refusal_without_an_envelope_still_says_something(
    status: int, body: bytes, code: str, detail: str
) -> None:
    error = refusal(status, {"x-request-id": "req_h"}, body, now=0)
    assert (error.code, error.detail, error.request_id) == (code, detail, "req_h")
