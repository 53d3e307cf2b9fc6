"""Events of a streamed answer -> pieces of text and the whole answer; nothing here waits.

The events are not documented, so this accepts the convention of the contract, section 6.4, and its
variants.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import ValidationError

from rivya_flows.client.transport.key_masking import possible_key, value_without_key, without_key
from rivya_flows.client.transport.response_parsing import error_of_stream
from rivya_flows.client.wire.chat import ChatAnswer, ChatCredits, ChatMessage, ChatUsage
from rivya_flows.client.wire.fields import is_id
from rivya_flows.client.wire.server_sent_events import ServerEvent
from rivya_flows.client.wire.surrogates import whole_characters
from rivya_flows.client.wire.wire_model import WireModel
from rivya_flows.errors import APIConnectionError

_ENDS = frozenset({"completed", "done", "message.completed"})
# Events with text of the answer. Others, such as thoughts, have "content" too.
# fmt: off
_TEXTS = frozenset({
    "", "message", "delta", "message.delta", "content", "content.delta", "text", "text.delta",
})
# fmt: on
_FACTS = ("id", "session_id", "model", "created_at")

Part = TypeVar("Part", bound=WireModel)


class Answering:
    """An answer that is not whole yet.

    Attributes:
        ended: An event said that it is whole.
    """

    def __init__(self, asked: str, api_key: str | None = None) -> None:
        self._pieces: list[str] = []
        self.ended = False
        self._asked = asked
        self._api_key = api_key  # masked wherever the service quotes it
        self._held = ""  # half of a character, or of the key: the next piece decides
        self._facts: dict[str, str] = {}
        self._facts_of_pieces: dict[str, str] = {}
        self._message: dict[str, Any] = {}
        self._usage: ChatUsage | None = None
        self._credits: ChatCredits | None = None

    @property
    def text(self) -> str:
        # Joined on demand: a string that grows letter by letter is copied each time.
        if len(self._pieces) != 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    @property
    def session_id(self) -> str | None:
        """The id that continues the chat; None if unknown."""
        return self._fact("session_id")

    def take(self, event: ServerEvent) -> str:
        """The text that an event adds; empty for most.

        Raises:
            StreamFailedError: It is an error event.
            APIConnectionError: It should have text but is unreadable.
        """
        if self.ended:
            return ""
        data = _json(event.data, self._api_key)
        name = _name(event, data)
        if name == "error" or (name in _TEXTS and _is_error(data)):
            raise error_of_stream(event.data, self.text, self._api_key)
        if isinstance(data, dict):
            self._usage = _part(ChatUsage, data.get("usage")) or self._usage
            self._credits = _part(ChatCredits, data.get("credits")) or self._credits
        if name in _ENDS:
            if data is None and event.data.lstrip().startswith("{"):
                raise self._unreadable()
            return self._end(data if isinstance(data, dict) else {})
        if name not in _TEXTS:
            # The id of an unknown event may be the id of anything.
            self._note(data, self._facts, _FACTS if name == "session" else ("session_id",))
            return ""
        if data is None and event.data:
            raise self._unreadable()
        piece = _text(data)
        self._note(data, self._facts_of_pieces if piece else self._facts)
        piece, half = whole_characters(without_key(self._held + piece, self._api_key))
        end = possible_key(piece, self._api_key)
        piece, self._held = piece[:end], piece[end:] + half
        self._pieces.append(piece)
        return piece

    def rest(self) -> str:
        """The text that was held back, once nothing follows."""
        piece, self._held = whole_characters(self._held)[0], ""
        self._pieces.append(piece)
        return piece

    def whole(self) -> ChatAnswer:
        """The answer so far."""
        text = without_key(self.text, self._api_key)  # an encoded one may have been in two pieces
        message = _part(ChatMessage, {**self._message, "content": text})
        return ChatAnswer(
            message=message or ChatMessage(content=text),
            usage=self._usage,
            credits=self._credits,
            **{fact: self._fact(fact) for fact in _FACTS},
        )

    def _unreadable(self) -> APIConnectionError:
        return APIConnectionError(f"{self._asked}: an event of the stream is unreadable")

    def _fact(self, name: str) -> str | None:
        # The id of a piece may be that of its message, so it counts last.
        return self._facts.get(name) or self._facts_of_pieces.get(name)

    def _note(self, data: Any, facts: dict[str, str], names: tuple[str, ...] = _FACTS) -> None:
        if isinstance(data, dict):
            facts |= {name: _whole(data[name]) for name in names if is_id(data.get(name))}

    def _end(self, data: dict[str, Any]) -> str:
        """The text that is in the last event only."""
        self.ended = True
        self._note(data, self._facts)
        message = data.get("message")
        inner = message if isinstance(message, dict) else {}
        self._message = {name: _whole(value) for name, value in inner.items()}
        whole = message if _is_text(message) else _text(self._message or data)
        if not whole:
            return self.rest()
        whole = _whole(whole)
        # The caller has the pieces already; the whole text of the service counts.
        piece = whole.removeprefix(self.text) if whole.startswith(self.text) else ""
        self._pieces = [whole]
        return piece


def _name(event: ServerEvent, data: Any) -> str:
    """The kind of an event: its name, else by its data."""
    name = event.name.lower()
    if event.data.strip() == "[DONE]":
        return "done"
    if name not in ("", "message") or not isinstance(data, dict):
        return name
    if data.get("object") == "chat.completion":
        return "completed"
    return str(data.get("type") or data.get("event") or name).lower()


def _json(data: str, api_key: str | None) -> Any:
    """The data of an event without the API key; None if they are not JSON."""
    try:
        return value_without_key(json.loads(data), api_key)
    except (ValueError, RecursionError):
        return None


def _text(data: Any) -> str:
    """The text, in one of the fields where it may be."""
    if _is_text(data):
        return str(data)
    if not isinstance(data, dict):
        return ""
    delta = data.get("delta")
    inner = delta if isinstance(delta, dict) else {}
    places = (data.get("content"), delta, inner.get("content"), data.get("text"), inner.get("text"))
    return next((str(found) for found in places if _is_text(found)), "")


def _whole(value: Any) -> Any:
    return whole_characters(value)[0] if isinstance(value, str) else value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_error(data: Any) -> bool:
    return isinstance(data, dict) and bool(data.get("error"))


def _part(shape: type[Part], data: Any) -> Part | None:
    """A part of the answer; None if it has another shape, since the text matters more."""
    if not isinstance(data, dict) or not data:
        return None
    try:
        return shape.model_validate(data)
    except ValidationError:
        return None
