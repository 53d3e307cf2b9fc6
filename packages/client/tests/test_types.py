"""Answers of the service as frozen models."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from rivya_client.responses import read_answer
from rivya_client.types import (
    ChatCompletion,
    ChatSession,
    File,
    Generation,
    JobResult,
    Listing,
    ModelList,
    SigningSecret,
    WebhookEndpoint,
)
from support.api_stage import Stage
from support.webhook_objects import DELIVERY, ENDPOINT, SECRET, listed

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
    assert generation.urls == generation.result.urls
    assert Generation(id="task_1").urls == ()


def test_unknown_credits_are_not_zero() -> None:
    generation = Generation.model_validate({"id": "task_1", "status": "QUEUED"})
    assert (generation.status, generation.reserved_credits, generation.final_credits) == (
        "queued",
        None,
        None,
    )


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
def test_a_job_survives_a_strange_field(beside: dict[str, Any]) -> None:
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
def test_a_paid_answer_survives_a_strange_form(message: Any, text: str) -> None:
    told = {"id": "c", "message": message, "usage": 12, "credits": {"final": "0.25"}}
    answer = ChatCompletion.model_validate(told)
    assert (answer.message.content, answer.usage) == (text, None)
    assert answer.credits is not None
    assert answer.credits.final == 1


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


def test_file_accepts_either_spelling() -> None:
    told = {"file_id": "file_1", "url": "u", "mimeType": "audio/wav", "durationToken": "dt"}
    file = File.model_validate(told)
    assert (file.id, file.mime_type, file.duration_token) == ("file_1", "audio/wav", "dt")


def test_model_list_may_be_a_bare_array() -> None:
    assert ModelList.model_validate([{"id": "gpt-5.4-codex-chat"}]).payload["object"] == "list"


def test_models_are_frozen() -> None:
    generation = Generation.model_validate(DONE)
    with pytest.raises(ValidationError, match="frozen"):
        generation.status = "failed"  # type: ignore[misc]  # that it is refused is the test


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "Hi"}, {"type": "image"}, " you"], "Hi you"),
        ({"text": "Hi"}, "Hi"),
        (None, ""),
        (7, ""),
    ],
)
def test_a_message_in_parts_shows_its_text(content: Any, text: str) -> None:
    session = ChatSession.model_validate({"id": "s", "messages": [{"content": content}]})
    assert session.messages is not None
    assert session.messages[0].content == text


def test_a_list_iterates_over_its_entries_and_has_a_length_and_an_index() -> None:
    listing = Listing[ChatSession].model_validate(
        {"object": "list", "data": [{"id": "a"}, {}, 7, {"id": "b"}], "has_more": True, "next": "c"}
    )
    assert [session.id for session in listing] == ["a", "b"]
    assert (len(listing), listing[0].id, listing[-1].id) == (2, "a", "b")
    assert listing[1] in listing
    assert (listing.has_more, listing.model_extra) == (True, {"object": "list", "next": "c"})
    with pytest.raises(IndexError):
        listing[2]


def test_an_empty_list_is_false() -> None:
    assert not Listing[ChatSession].model_validate([])


def test_the_list_of_models_keeps_the_whole_answer() -> None:
    answer = {"data": [{"id": "z-image", "new": 1}, {"name": "no id"}], "version": 3}
    models = ModelList.model_validate(answer)
    assert [model.id for model in models] == ["z-image"]
    assert models.payload == answer
    assert models[0].model_extra == {"new": 1}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({**ENDPOINT, "signing_secret": SECRET}, id="the-endpoint"),
        pytest.param({"signing_secret": SECRET}, id="alone"),
        pytest.param({"secret": SECRET}, id="another-name"),
        pytest.param({"endpoint": {**ENDPOINT, "signing_secret": SECRET}}, id="one-deeper"),
    ],
)
def test_a_new_secret_is_found_in_every_known_place(answer: dict[str, Any]) -> None:
    assert SigningSecret.model_validate(answer).signing_secret.get_secret_value() == SECRET


async def test_deliveries_read_the_convention_and_less() -> None:
    async with Stage(listed(DELIVERY, {"id": "whdel_2"}, "odd")).client() as client:
        first, second = (await client.webhooks.deliveries("whend_1")).data
    assert first.model_dump() == {k: v for k, v in DELIVERY.items() if k != "object"}
    assert (second.id, second.attempt) == ("whdel_2", None)


async def test_a_delivery_survives_a_strange_field() -> None:
    strange = {**DELIVERY, "error": {"code": "timeout"}, "attempt": "2 of 8", "created_at": 5}
    async with Stage(listed(strange)).client() as client:
        (delivery,) = (await client.webhooks.deliveries("whend_1")).data
    assert (delivery.status, delivery.response_status) == ("failed", 500)
    assert (delivery.error, delivery.attempt, delivery.created_at) == (None, None, None)


async def test_a_secret_survives_a_strange_field() -> None:
    told = {**ENDPOINT, "signing_secret": SECRET, "failure_count": {"row": 0}, "created_at": 5}
    async with Stage(httpx.Response(201, json=told)).client() as client:
        endpoint = await client.webhooks.create("https://example.com/")
    assert endpoint.signing_secret is not None
    assert (endpoint.signing_secret.get_secret_value(), endpoint.failure_count) == (SECRET, None)


def test_an_endpoint_needs_only_its_id() -> None:
    endpoint = WebhookEndpoint.model_validate({"id": "whend_1", "new": 1})
    assert (endpoint.signing_secret, endpoint.failure_count) == (None, None)
