"""A paid answer survives half a character."""

from __future__ import annotations

import pytest

from rivya_flows.client.responses import read_answer
from rivya_flows.client.types import ChatCompletion


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
