"""What every answer has in common: bounds, tolerance, and readable text."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from rivya_client.responses import read_answer
from rivya_client.types import (
    ChatCompletion,
    Credits,
    File,
    Generation,
    SigningSecret,
    WebhookEndpoint,
)
from rivya_client.wire import MAX_EXTRA_FIELDS, MAX_EXTRA_LENGTH, MAX_WORD_LENGTH


def test_a_cost_is_rounded_up_and_a_balance_down() -> None:
    generation = Generation.model_validate({"id": "task_1", "final_credits": 1.2})
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
def test_a_cost_in_another_spelling_is_read_and_an_invalid_one_is_unknown(
    told: Any, cost: int | None
) -> None:
    assert Generation.model_validate({"id": "task_1", "final_credits": told}).final_credits == cost


@pytest.mark.parametrize(("told", "balance"), [("9.90", 9), (2.9999999999, 3), (-3, -3)])
def test_a_balance_in_another_spelling_is_read(told: Any, balance: int) -> None:
    assert Credits.model_validate({"current_credits": told}).current_credits == balance


def test_unknown_fields_are_kept_but_neither_dumped_nor_shown() -> None:
    job = Generation.from_json(
        b'{"id": "task_1", "eta": {"seconds": 5}, "result": {"urls": ["u"], "expires_at": "t"}}'
    )
    assert job.model_extra == {"eta": {"seconds": 5}}
    assert job.result is not None
    assert job.result.model_extra == {"expires_at": "t"}
    assert "eta" not in job.model_dump()
    assert "eta" not in repr(job)
    assert pickle.loads(pickle.dumps(job)).model_extra == job.model_extra


def test_unknown_fields_have_bounds() -> None:
    many = {f"field_{number}": number for number in range(MAX_EXTRA_FIELDS + 1)}
    assert len(Generation.model_validate({"id": "task_1", **many}).model_extra) == MAX_EXTRA_FIELDS
    large = {"large": "x" * MAX_EXTRA_LENGTH, "n" * (MAX_WORD_LENGTH + 1): 1, "odd": {1, 2}}
    assert Generation.model_validate({"id": "task_1", **large}).model_extra == {}


def test_an_alias_of_a_known_field_is_not_an_unknown_one() -> None:
    file = File.model_validate({"file_id": "file_1", "url": "u", "mimeType": "a/b", "new": 1})
    assert (file.id, file.model_extra) == ("file_1", {"new": 1})


def test_an_endpoint_keeps_no_unknown_field_since_it_could_be_a_secret() -> None:
    told = {"id": "whend_1", "secret": "whsec_1"}
    assert WebhookEndpoint.model_validate(told).model_extra == {}
    assert SigningSecret.model_validate({"signing_secret": "s", "new": "t"}).model_extra == {}


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
    answer = read_answer("POST /x", 200, told, ChatCompletion)
    assert answer.message.content == text
