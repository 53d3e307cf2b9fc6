"""A chat answer that arrives in pieces.

The events are not documented, so this accepts the convention of the contract, section 6.4, and its
variants.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
    aclosing,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, Self, overload

from rivya_client.calls import Async, Blocking, EventLoopThread, M, RawAsync, RawBlocking, Resource
from rivya_client.errors import (
    APIConnectionError,
    APIError,
    BrokenStreamError,
    StreamFailedError,
    UsageError,
)
from rivya_client.key_masking import body_without_key, possible_key, without_key
from rivya_client.responses import StreamingResponse, error_of_stream, read_answer, within
from rivya_client.types import ChatAnswer, ChatCompletion, ChatCredits, ChatMessage, ChatUsage
from rivya_client.wire import is_id, whole_characters

MAX_LINES = 1_000_000  # an empty line takes as long to read as one of a hundred bytes

P = ParamSpec("P")


class ChatStream(Generic[M]):
    """A streamed answer: iterate over it for pieces of text, then call `complete`.

    Readable once, inside the context of `Chat.stream`. An asynchronous client needs ``async for``
    and ``await``, a synchronous one does not.
    """

    def __init__(self, response: StreamingResponse) -> None:
        self._response = response
        self._answering = Answering(response.asked, response.api_key)
        self._events = _events(response)
        self._thread: EventLoopThread | None = None
        self._first: str | None = None  # until `begin` has returned
        self._over = False
        self._closed = False
        self._failure: APIError | None = None

    @property
    def request_id(self) -> str | None:
        """``req_…`` of the response; quote it when asking for help. None if absent."""
        return self._response.request_id

    @property
    def idempotency_key(self) -> str | None:
        """The key of the purchase."""
        return self._response.idempotency_key

    @property
    def text(self) -> str:
        """The text that has arrived."""
        return self._answering.text

    @property
    def session_id(self) -> str | None:
        """Pass it with the next message to continue the chat; None until the service sends it."""
        return self._answering.session_id

    @property
    def confirmed(self) -> bool:
        """Whether the service said that the answer is whole; a stream may also just end."""
        return self._answering.ended

    def __aiter__(self: ChatStream[Async]) -> ChatStream[Async]:
        return self

    async def __anext__(self: ChatStream[Async]) -> str:
        """The next piece of text, never empty; raises as `complete` does."""
        if piece := await self._piece():
            return piece
        raise StopAsyncIteration

    def __iter__(self: ChatStream[Blocking]) -> Iterator[str]:
        """The pieces of text; raises as `complete` does."""
        assert self._thread is not None
        while piece := self._thread.run(self._piece()):
            yield piece

    @overload
    def complete(self: ChatStream[Async]) -> Coroutine[Any, Any, ChatAnswer]: ...
    @overload
    def complete(self: ChatStream[Blocking]) -> ChatAnswer: ...
    def complete(self) -> Any:
        """The whole answer; reads the rest of it first.

        Raises:
            BrokenStreamError: The stream broke.
            StreamFailedError: The service ended it with an error.
            UsageError: The context of the stream was left.
        """

        async def read_all() -> ChatAnswer:
            while await self._piece():
                pass
            return self._answering.whole()

        return self._thread.run(read_all()) if self._thread else read_all()

    async def begin(self) -> Self:
        """Returns at the first piece of text, or the end. Until then a repetition is safe.

        Raises:
            StreamFailedError: The service ended the stream with an error.
            APIConnectionError: It broke, or ended without an answer.
        """
        try:
            self._first = await self._next()
            if self._first or self.confirmed:
                return self
            asked = self._response.asked
            raise APIConnectionError(f"{asked}: the stream ended before its text began")
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Stops reading; `text` stays."""
        self._closed = True
        await self._events.aclose()

    async def _piece(self) -> str:
        """The next piece for the caller; empty when there is none."""
        piece = self._first or await self._next()
        self._first = ""
        return piece

    async def _next(self) -> str:
        """The next piece of the response; empty when there is none."""
        if self._failure is not None:
            raise self._failure
        if self._over or self.confirmed:
            return ""
        if self._closed:
            raise UsageError("chat stream: its context was left before it was read to its end")
        try:
            async with within(self._response.seconds, self._response.asked):
                piece = await self._read()
        except StreamFailedError as exc:
            self._failure = exc
            raise
        except APIConnectionError as exc:
            if self._first is None:
                raise
            self._failure = self._broken_error(exc.message)
            raise self._failure from exc
        except BaseException:
            # Such as a cancelled read: the rest is lost, and the answer must not look whole.
            self._failure = self._broken_error(f"{self._response.asked}: reading was interrupted")
            raise
        self._over = not piece
        return piece

    async def _read(self) -> str:
        async for event in self._events:
            piece = self._answering.take(event)
            if piece or self.confirmed:
                return piece
        return self._answering.rest()

    def _broken_error(self, message: str) -> BrokenStreamError:
        key = self._response.idempotency_key
        error = BrokenStreamError(message, self.text, self.session_id, key is not None)
        error.idempotency_key = key
        return error


async def _events(response: StreamingResponse) -> AsyncGenerator[ServerEvent]:
    async with aclosing(response.pieces) as pieces:
        if response.content_type == "application/json":  # this answer is not streamed
            body = b"".join([piece async for piece in pieces])
            masked = body_without_key(body, response.api_key)
            read_answer(response.asked, response.status, masked, ChatCompletion)
            yield ServerEvent("completed", body.decode(errors="replace"))
            return
        decoder = EventDecoder()
        async for piece in pieces:
            for event in decoder.feed(piece):
                yield event
            if decoder.lines > MAX_LINES:
                raise APIConnectionError(f"{response.asked}: more than {MAX_LINES:,} lines")
    for event in decoder.flush():
        yield event


_ENDS = frozenset({"completed", "done", "message.completed"})
# Events with text of the answer. Others, such as thoughts, have "content" too.
# fmt: off
_TEXTS = frozenset({
    "", "message", "delta", "message.delta", "content", "content.delta", "text", "text.delta",
})
# fmt: on
_FACTS = ("id", "session_id", "model", "created_at")


class Answering:
    """An answer that is not whole yet; `ended`: an event said that it is whole."""

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
        text = body_without_key(event.data.encode(errors="replace"), self._api_key).decode()
        try:
            data: Any = json.loads(text)
        except (ValueError, RecursionError):
            data = None
        fields = data if isinstance(data, dict) else {}
        name = _name(event, fields)
        if name == "error" or (name in _TEXTS and fields.get("error")):
            raise error_of_stream(text, self.text)
        self._usage = ChatUsage.readable(fields.get("usage") or None) or self._usage
        self._credits = ChatCredits.readable(fields.get("credits") or None) or self._credits
        if name not in _TEXTS | _ENDS:
            # The id of an unknown event may be the id of anything.
            self._note(fields, self._facts, _FACTS if name == "session" else ("session_id",))
            return ""
        if data is None and (text.lstrip().startswith("{") if name in _ENDS else text):
            raise APIConnectionError(f"{self._asked}: an event of the stream is unreadable")
        if name in _ENDS:
            return self._end(fields)
        piece = _text(data)
        self._note(fields, self._facts_of_pieces if piece else self._facts)
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
        message = ChatMessage.readable({**self._message, "content": text})
        return ChatAnswer(
            message=message or ChatMessage(content=text),
            usage=self._usage,
            credits=self._credits,
            **{fact: self._fact(fact) for fact in _FACTS},
        )

    def _fact(self, name: str) -> str | None:
        # The id of a piece may be that of its message, so it counts last.
        return self._facts.get(name) or self._facts_of_pieces.get(name)

    def _note(
        self, fields: dict[str, Any], facts: dict[str, str], names: tuple[str, ...] = _FACTS
    ) -> None:
        facts |= {name: _whole(fields[name]) for name in names if is_id(fields.get(name))}

    def _end(self, fields: dict[str, Any]) -> str:
        """The text that is in the last event only."""
        self.ended = True
        self._note(fields, self._facts)
        message = fields.get("message")
        inner = message if isinstance(message, dict) else {}
        self._message = {name: _whole(value) for name, value in inner.items()}
        text = message if isinstance(message, str) and message else None
        whole = _whole(text or _text(self._message or fields))
        if not whole:
            return self.rest()
        # The caller has the pieces already; the whole text of the service counts.
        piece = whole.removeprefix(self.text) if whole.startswith(self.text) else ""
        self._pieces = [whole]
        return str(piece)


def _name(event: ServerEvent, fields: dict[str, Any]) -> str:
    """The kind of an event: its name, else by its data."""
    name = event.name.lower()
    if event.data.strip() == "[DONE]":
        return "done"
    if name not in ("", "message"):
        return name
    if fields.get("object") == "chat.completion":
        return "completed"
    return str(fields.get("type") or fields.get("event") or name).lower()


def _text(data: Any) -> str:
    """The text, in one of the fields where it may be."""
    if isinstance(data, str):
        return data
    if not isinstance(data, dict):
        return ""
    delta = data.get("delta")
    inner = delta if isinstance(delta, dict) else {}
    places = (data.get("content"), delta, inner.get("content"), data.get("text"), inner.get("text"))
    return next((found for found in places if isinstance(found, str) and found), "")


def _whole(value: Any) -> Any:
    return whole_characters(value)[0] if isinstance(value, str) else value


_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class ServerEvent:
    """One event: its ``event:`` field, or empty, and its ``data:`` lines, joined by line feeds."""

    name: str
    data: str


class EventDecoder:
    """Takes bytes in pieces, cut anywhere, and returns whole server-sent events.

    Lines end with CR, LF or both and with nothing else: JSON may contain U+2028. Source: the HTML
    standard, "Server-sent events", without the parts for browsers. `lines` counts empty ones too.
    """

    def __init__(self) -> None:
        self.lines = 0
        self._line = bytearray()
        self._after_cr = False
        self._first = True
        self._name = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        """The events that end in this piece."""
        if not piece:
            return
        if self._after_cr:
            piece = piece.removeprefix(b"\n")
        self._after_cr = piece.endswith(b"\r")
        *ends, rest = _LINE_END.split(piece)
        self.lines += len(ends)
        for end in ends:
            self._line += end
            yield from self._take_line()
        self._line += rest

    def flush(self) -> Iterator[ServerEvent]:
        """The last event if no empty line closed it; call it after the last byte."""
        if self._line:
            yield from self._take_line()
        yield from self._close()

    def _take_line(self) -> Iterator[ServerEvent]:
        line = bytes(self._line).removeprefix(_BOM if self._first else b"")
        self._line.clear()
        self._first = False
        if not line:
            yield from self._close()
            return
        field, _, value = line.decode(errors="replace").partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value.strip()
        elif field == "data":
            self._data.append(value)
        # An empty field is a comment; `id` and `retry` are for browsers.

    def _close(self) -> Iterator[ServerEvent]:
        if self._name or self._data:
            yield ServerEvent(self._name, "\n".join(self._data))
        self._name = ""
        self._data = []


class stream_call(Generic[P]):  # a decorator
    """`api_call` for a method that streams; raw or not, the stream has the `request_id`."""

    def __init__(
        self, function: Callable[Concatenate[Any, P], AsyncIterator[ChatStream[Async]]]
    ) -> None:
        self._open = asynccontextmanager(function)
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: Any) -> Self: ...
    @overload
    def __get__(
        self, instance: Resource[Async] | Resource[RawAsync], owner: Any
    ) -> Callable[P, AbstractAsyncContextManager[ChatStream[Async]]]: ...
    @overload
    def __get__(
        self, instance: Resource[Blocking] | Resource[RawBlocking], owner: Any
    ) -> Callable[P, AbstractContextManager[ChatStream[Blocking]]]: ...
    def __get__(self, instance: Resource[Any] | None, owner: Any) -> Any:
        if instance is None:
            return self
        thread, opener = instance._context.thread, self._open

        @functools.wraps(opener)
        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            opened = opener(instance, *args, **kwargs)
            return opened if thread is None else _blocking(thread, opened)

        return call


@contextmanager
def _blocking(
    thread: EventLoopThread, opened: AbstractAsyncContextManager[ChatStream[Any]]
) -> Iterator[ChatStream[Blocking]]:
    with ExitStack() as stack:
        stream = thread.run(opened.__aenter__())
        stack.push(lambda *error: thread.run(opened.__aexit__(*error)))
        stream._thread = thread
        yield stream
