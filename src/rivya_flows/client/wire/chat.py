"""What the service answers about chats, as frozen models that ignore what they do not know."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from rivya_flows.client.wire.api_objects import TolerantModel
from rivya_flows.client.wire.fields import Cost, Count, Id, Word


class ChatMessage(TolerantModel):
    """The assistant's answer.

    Attributes:
        content: Its text; empty when there is none that can be read.
    """

    content: str
    id: Id | None = None
    role: Word = "assistant"

    @field_validator("content", mode="before")
    @classmethod
    def _text_alone(cls, content: Any) -> Any:
        return _text(content)


class ChatUsage(TolerantModel):
    """Tokens of one turn, the history that was read included; None when not told."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None


class ChatCredits(TolerantModel):
    """Credits of one turn: reserved first, then settled by tokens; None when not told."""

    reserved: Cost | None = None
    final: Cost | None = None


class ChatAnswer(TolerantModel):
    """One turn of a chat whose history lives with the service.

    Attributes:
        id: Of the turn; an opaque string. None when a stream did not tell it.
        message: The assistant's answer, whole.
        session_id: Pass it with the next message to go on; None when not told.
        model: The chat model that answered. A session keeps its model.
        created_at: ISO 8601, UTC.
        usage: In tokens.
        credits: In credits of the wallet.

    Source: contract, section 6.3.
    """

    id: Id | None = None
    message: ChatMessage
    session_id: Id | None = None
    model: Word | None = None
    created_at: Word | None = None
    usage: ChatUsage | None = None
    credits: ChatCredits | None = None


class ChatCompletion(ChatAnswer):
    """An answer that came in one piece; its `id` is always told.

    Source: ``POST /api/v1/chat/completions``.
    """

    id: Id


class SessionMessage(TolerantModel):
    """One message of a session.

    Attributes:
        role: ``user`` or ``assistant``, or a newer word.
        content: Its text; empty when there is none that can be read.
        created_at: ISO 8601, UTC.
    """

    id: Id | None = None
    role: Word | None = None
    content: str = ""
    created_at: Word | None = None

    @field_validator("content", mode="before")
    @classmethod
    def _text_alone(cls, content: Any) -> Any:
        return _text(content)


def _text(content: Any) -> str:
    """The text of a message, which may be told in parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return "".join(text for text in texts if isinstance(text, str))


class ChatSession(TolerantModel):
    """A chat of this account that the API began; those of Studio are not among them.

    Attributes:
        id: Goes into ``session_id`` of the next message; an opaque string.
        model: The one model that it can go on with.
        created_at: ISO 8601, UTC, as `updated_at`.
        message_count: Messages of both sides; None when not told.
        messages: Oldest first as the service gives them; None in a list, or when not told.

    Source: contract, section 6.5. All but `id` is a convention, not documented by Rivya.
    """

    id: Id
    model: Word | None = None
    title: Word | None = None
    created_at: Word | None = None
    updated_at: Word | None = None
    message_count: Count | None = None
    messages: tuple[SessionMessage, ...] | None = None
