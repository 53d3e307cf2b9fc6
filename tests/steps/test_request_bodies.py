"""Names in the bodies of paid requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rivya_flows.language.workflow import Fallback
from rivya_flows.steps.generate import GenerateWith
from rivya_flows.steps.registry import BUILT_IN
from rivya_flows.steps.request import ItemRequest

GENERATION = ItemRequest("generate", {"prompt": "a lamp"}, "z-image")
CHAT = ItemRequest("chat", {"message": "Hello"}, "gpt-5-2-chat")


def bodies(trace: str) -> list[dict[str, Any]]:
    return [json.loads(BUILT_IN[one.uses].body(one, [], trace)) for one in (GENERATION, CHAT)]


@pytest.mark.parametrize("length", [127, 128, 129])
def test_the_name_of_a_job_has_at_most_128_characters(length: int) -> None:
    assert [len(body["client_request_id"]) for body in bodies("x" * length)] == [
        min(length, 128)
    ] * 2


def test_a_fallback_may_change_each_argument_of_generate() -> None:
    assert list(Fallback.model_fields) == list(GenerateWith.model_fields)
