"""Answers of the service as frozen models: other spellings, odd fields, unknown fields, bounds."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from pydantic import ValidationError

from rivya_client.responses import read_answer
from rivya_client.types import (
    ChatCompletion,
    ChatSession,
    Credits,
    File,
    Generation,
    JobResult,
    Listing,
    ModelList,
    SigningSecret,
    WebhookDelivery,
    WebhookEndpoint,
)
from rivya_client.wire import MAX_EXTRA_FIELDS, MAX_EXTRA_LENGTH, MAX_WORD_LENGTH
from support.webhook_objects import ENDPOINT, SECRET


def job(**fields: Any) -> Generation:
    return Generation.model_validate({"id": "task_1", **fields})


def test_a_job_without_fields_has_no_cost_and_no_addresses_and_cannot_be_changed() -> None:
    generation = job(status="QUEUED")
    assert (generation.status, generation.urls) == ("queued", ())
    assert (generation.reserved_credits, generation.final_credits) == (None, None), "not zero"
    with pytest.raises(ValidationError, match="frozen"):
        generation.status = "failed"  # type: ignore[misc]  # that it is refused is the test


@pytest.mark.parametrize(
    ("told", "cost"),
    [
        pytest.param(1.2, 2, id="rounded-up"),
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
def test_a_cost_in_another_spelling_is_read_and_an_invalid_one_is_unknown(
    told: Any, cost: int | None
) -> None:
    assert job(final_credits=told).final_credits == cost


@pytest.mark.parametrize(("told", "balance"), [(9.9, 9), ("9.90", 9), (2.9999999999, 3), (-3, -3)])
def test_a_balance_is_rounded_down(told: Any, balance: int) -> None:
    assert Credits.model_validate({"current_credits": told}).current_credits == balance


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
    assert result.urls == job(result=told).urls == urls
    assert result.primary_url == (urls[0] if urls else None)


def test_the_error_of_a_job_may_be_a_bare_text_or_be_half_readable() -> None:
    bare = job(status="failed", error="too dark").error
    assert bare is not None
    assert (bare.code, bare.message) == ("generation_failed", "too dark")
    odd = job(status="failed", error={"code": 404, "message": None}).error
    assert odd is not None
    assert (odd.code, odd.message) == ("generation_failed", "")


PARTS = [{"type": "text", "text": "Hi"}, {"type": "image"}, " you"]


@pytest.mark.parametrize(
    ("content", "text"), [("Hi", "Hi"), (PARTS, "Hi you"), ({"text": "Hi"}, "Hi"), (None, ""), (7, "")]
)  # fmt: skip
def test_a_message_in_any_form_shows_its_text(content: Any, text: str) -> None:
    session = ChatSession.model_validate({"id": "s", "messages": [{"content": content}]})
    assert session.messages is not None
    assert session.messages[0].content == text
    told = {"id": "c", "message": {"content": content, "role": None}, "credits": {"final": "0.25"}}
    answer = ChatCompletion.model_validate(told)
    assert (answer.message.content, answer.message.role) == (text, "assistant")
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
def test_a_paid_answer_survives_half_a_character(body: bytes, text: str) -> None:
    told = b'{"id": "c", "message": {"content": "%s"}}' % body
    assert read_answer("POST /x", 200, told, ChatCompletion).message.content == text


def test_a_file_accepts_either_spelling() -> None:
    told = {"file_id": "file_1", "url": "u", "mimeType": "a/b", "durationToken": "dt", "new": 1}
    file = File.model_validate(told)
    assert (file.id, file.mime_type, file.duration_token) == ("file_1", "a/b", "dt")
    assert file.model_extra == {"new": 1}, "an alias is no unknown field"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({**ENDPOINT, "signing_secret": SECRET}, id="the-endpoint"),
        pytest.param({"signing_secret": SECRET, "new": "t"}, id="alone"),
        pytest.param({"secret": SECRET}, id="another-name"),
        pytest.param({"endpoint": {**ENDPOINT, "signing_secret": SECRET}}, id="one-deeper"),
    ],
)
def test_a_new_secret_is_found_in_every_known_place_and_nothing_else_is_kept(
    answer: dict[str, Any],
) -> None:
    found = SigningSecret.model_validate(answer)
    assert found.signing_secret.get_secret_value() == SECRET
    assert found.model_extra == {}
    told = {"id": "whend_1", "secret": "whsec_1", "new": 1}
    assert WebhookEndpoint.model_validate(told).model_extra == {}, "one could be a secret"


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
    bare = Listing[WebhookDelivery].model_validate([{"id": "whdel_2"}])
    assert (bare[0].id, bare[0].attempt, bare.has_more) == ("whdel_2", None, None)
    assert not Listing[ChatSession].model_validate([])


def test_the_list_of_models_keeps_the_whole_answer() -> None:
    answer = {"data": [{"id": "z-image", "new": 1}, {"name": "no id"}], "version": 3}
    models = ModelList.model_validate(answer)
    assert [model.id for model in models] == ["z-image"]
    assert models.payload == answer
    assert models[0].model_extra == {"new": 1}
    assert ModelList.model_validate([{"id": "gpt-5.4-codex-chat"}]).payload["object"] == "list"


def test_unknown_fields_are_kept_but_neither_dumped_nor_shown() -> None:
    told = b'{"id": "task_1", "eta": {"seconds": 5}, "result": {"urls": ["u"], "expires_at": "t"}}'
    found = Generation.from_json(told)
    assert found.model_extra == {"eta": {"seconds": 5}}
    assert found.result is not None
    assert found.result.model_extra == {"expires_at": "t"}
    assert "eta" not in found.model_dump()
    assert "eta" not in repr(found)
    assert pickle.loads(pickle.dumps(found)).model_extra == found.model_extra


def test_unknown_fields_have_bounds() -> None:
    many = {f"field_{number}": number for number in range(MAX_EXTRA_FIELDS + 1)}
    assert len(job(**many).model_extra) == MAX_EXTRA_FIELDS
    large = {"large": "x" * MAX_EXTRA_LENGTH, "n" * (MAX_WORD_LENGTH + 1): 1, "odd": {1, 2}}
    assert job(**large).model_extra == {}
