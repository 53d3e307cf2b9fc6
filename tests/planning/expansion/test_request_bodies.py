"""Names in the bodies of paid requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rivya_flows.planning.expansion.request_bodies import chat_body, generation_body
from rivya_flows.steps.request import ItemRequest

GENERATION = ItemRequest("generate", {"prompt": "a lamp"}, "z-image")
CHAT = ItemRequest("chat", {"message": "Hello"}, "gpt-5-2-chat")


def bodies(trace: str) -> list[dict[str, Any]]:
    chat = chat_body(CHAT, [], trace, session=None, message=None)
    return [json.loads(generation_body(GENERATION, [], trace)), json.loads(chat)]


@pytest.mark.parametrize("length", [127, 128, 129])
def test_the_name_of_a_job_has_at_most_128_characters(length: int) -> None:
    assert [len(body["client_request_id"]) for body in bodies("x" * length)] == [
        min(length, 128)
    ] * 2
