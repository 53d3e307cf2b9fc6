"""Events of a streamed answer -> pieces of text and the whole answer; nothing here waits.

Which events there are is not documented, so this takes the convention of the contract, section 6.4,
and the variants that it names.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import ValidationError

from rivya_flows.client.transport.response_parsing import error_of_stream
from rivya_flows.client.wire.api_objects import WireModel
from rivya_flows.client.wire.chat import ChatAnswer, ChatCredits, ChatMessage, ChatUsage
from rivya_flows.client.wire.fields import is_id
from rivya_flows.client.wire.server_sent_events import ServerEvent
from rivya_flows.client.wire.surrogates import whole_characters
from rivya_flows.errors import APIConnectionError

_ENDS = frozenset({"completed", "done", "message.completed"})
# Names of events that carry the answer's text. Others, such as thoughts, have "content" too.
# fmt: off
_TEXTS = frozenset({
    "", "message", "delta", "message.delta", "content", "content.delta", "text", "text.delta",
})
# fmt: on
_FACTS = ("id", "session_id", "model", "created_at")

Part = TypeVar("Part", bound=WireModel)


class Answering:
    """An answer while it comes.

    Attributes:
        ended: An event said that it is whole.
    """

    def __init__(self, asked: str, api_key: str | None = None) -> None:
        self._pieces: list[str] = []
        self.ended = False
        self._asked = asked
        self._api_key = api_key  # is masked where an error quotes it
        self._half = ""  # of a character that was cut between two pieces
        self._facts: dict[str, str] = {}
        self._facts_of_pieces: dict[str, str] = {}
        self._message: dict[str, Any] = {}
        self._usage: ChatUsage | None = None
        self._credits: ChatCredits | None = None

    @property
    def text(self) -> str:
        # Joined when it is asked for: a text that grows letter by letter is copied each time.
        if len(self._pieces) != 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    @property
    def session_id(self) -> str | None:
        """What to go on with, once it was told."""
        return self._fact("session_id")

    def take(self, event: ServerEvent) -> str:
        """The text that an event adds; empty for most.

        Raises:
            StreamFailedError: It is the event of an error.
            APIConnectionError: It should carry text but cannot be read.
        """
        if self.ended:
            return ""
        told = _json(event.data)
        name = _name(event, told)
        if name == "error" or (name in _TEXTS and _is_error(told)):
            raise error_of_stream(event.data, self.text, self._api_key)
        if isinstance(told, dict):
            self._usage = _part(ChatUsage, told.get("usage")) or self._usage
            self._credits = _part(ChatCredits, told.get("credits")) or self._credits
        if name in _ENDS:
            if told is None and event.data.lstrip().startswith("{"):
                raise self._unreadable()
            return self._end(told if isinstance(told, dict) else {})
        if name not in _TEXTS:
            # The id of an event that is not known may be the id of anything.
            self._note(told, self._facts, _FACTS if name == "session" else ("session_id",))
            return ""
        if told is None and event.data:
            raise self._unreadable()
        piece = _text(told)
        self._note(told, self._facts_of_pieces if piece else self._facts)
        piece, self._half = whole_characters(self._half + piece)
        self._pieces.append(piece)
        return piece

    def whole(self) -> ChatAnswer:
        """The answer as far as it was told."""
        message = _part(ChatMessage, {**self._message, "content": self.text})
        return ChatAnswer(
            message=message or ChatMessage(content=self.text),
            usage=self._usage,
            credits=self._credits,
            **{fact: self._fact(fact) for fact in _FACTS},
        )

    def _unreadable(self) -> APIConnectionError:
        return APIConnectionError(f"{self._asked}: an event of the stream is unreadable")

    def _fact(self, name: str) -> str | None:
        # The id of a piece may be the id of its message, so it counts last.
        return self._facts.get(name) or self._facts_of_pieces.get(name)

    def _note(self, told: Any, facts: dict[str, str], names: tuple[str, ...] = _FACTS) -> None:
        if isinstance(told, dict):
            facts |= {name: _whole(told[name]) for name in names if is_id(told.get(name))}

    def _end(self, told: dict[str, Any]) -> str:
        """The text that only the last event has."""
        self.ended = True
        self._note(told, self._facts)
        message = told.get("message")
        inner = message if isinstance(message, dict) else {}
        self._message = {name: _whole(value) for name, value in inner.items()}
        whole = message if _is_text(message) else _text(self._message or told)
        if not whole:
            return ""
        whole = _whole(whole)
        # What came in pieces was handed on already; the last word is the service's.
        piece = whole.removeprefix(self.text) if whole.startswith(self.text) else ""
        self._pieces = [whole]
        return piece


def _name(event: ServerEvent, told: Any) -> str:
    """What kind of event it is: its name, else what its data say."""
    name = event.name.lower()
    if event.data.strip() == "[DONE]":
        return "done"
    if name not in ("", "message") or not isinstance(told, dict):
        return name
    if told.get("object") == "chat.completion":
        return "completed"
    return str(told.get("type") or told.get("event") or name).lower()


def _json(data: str) -> Any:
    """The value of an event's data; None if it has none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _text(told: Any) -> str:
    """The text at one of the places where it may be."""
    if _is_text(told):
        return str(told)
    if not isinstance(told, dict):
        return ""
    delta = told.get("delta")
    inner = delta if isinstance(delta, dict) else {}
    places = (told.get("content"), delta, inner.get("content"), told.get("text"), inner.get("text"))
    return next((str(found) for found in places if _is_text(found)), "")


def _whole(value: Any) -> Any:
    return whole_characters(value)[0] if isinstance(value, str) else value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_error(told: Any) -> bool:
    return isinstance(told, dict) and bool(told.get("error"))


def _part(shape: type[Part], told: Any) -> Part | None:
    """A part of the answer; None if it is of another shape, since the text matters more."""
    if not isinstance(told, dict) or not told:
        return None
    try:
        return shape.model_validate(told)
    except ValidationError:
        return None
