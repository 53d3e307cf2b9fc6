"""Answers about chats, as frozen models."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from rivya_flows.client.wire.fields import Cost, Count, Id, Word
from rivya_flows.client.wire.wire_model import TolerantModel


def _text(content: Any) -> str:
    """The text of a message, which may be a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return "".join(text for text in texts if isinstance(text, str))


Text = Annotated[str, BeforeValidator(_text)]


class ChatMessage(TolerantModel):
    """The assistant's answer.

    Attributes:
        content: Its text; empty if there is no readable one.
    """

    content: Text
    id: Id | None = None
    role: Word = "assistant"


class ChatUsage(TolerantModel):
    """Tokens of one turn, with the history that the model read; None if unknown."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None


class ChatCredits(TolerantModel):
    """Credits of one turn: reserved first, then settled by tokens; None if unknown."""

    reserved: Cost | None = None
    final: Cost | None = None


class ChatAnswer(TolerantModel):
    """One turn of a chat whose history lives with the service.

    Attributes:
        id: Of the turn; an opaque string. None if a stream did not have it.
        message: The assistant's answer, whole.
        session_id: Pass it with the next message to continue the chat; None if unknown.
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
    """An answer in one piece; it always has an `id`.

    Source: ``POST /api/v1/chat/completions``.
    """

    id: Id


class SessionMessage(TolerantModel):
    """One message of a session.

    Attributes:
        role: ``user`` or ``assistant``, or a newer word.
        content: Its text; empty if there is no readable one.
        created_at: ISO 8601, UTC.
    """

    id: Id | None = None
    role: Word | None = None
    content: Text = ""
    created_at: Word | None = None


class ChatSession(TolerantModel):
    """A chat of this account that the API started; those of Studio are not among them.

    Attributes:
        id: Goes into ``session_id`` of the next message; an opaque string.
        model: The only model that can continue it.
        created_at: ISO 8601, UTC, as `updated_at`.
        message_count: Messages of both sides; None if unknown.
        messages: In the service's order, by convention oldest first; None in a list, or if absent.

    Source: contract, section 6.5. All but `id` is a convention, not documented by Rivya.
    """

    id: Id
    model: Word | None = None
    title: Word | None = None
    created_at: Word | None = None
    updated_at: Word | None = None
    message_count: Count | None = None
    messages: tuple[SessionMessage, ...] | None = None
