"""Answers about chats: what is tolerated."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_flows.client.types import ChatCompletion, ChatSession


def test_chat_answer_reads_without_usage() -> None:
    answer = ChatCompletion.model_validate({"id": "chatcmpl_1", "message": {"content": "Hi"}})
    assert (answer.message.content, answer.usage, answer.session_id) == ("Hi", None, None)


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
