"""A chat answer that arrives in pieces."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    aclosing,
    asynccontextmanager,
    contextmanager,
)
from typing import Any, Concatenate, Generic, ParamSpec, Self, overload

from rivya_flows.client.event_loop_thread import EventLoopThread
from rivya_flows.client.resources.resource import (
    Async,
    Blocking,
    M,
    RawAsync,
    RawBlocking,
    Resource,
)
from rivya_flows.client.transport.response_body import StreamingResponse, within
from rivya_flows.client.transport.response_parsing import (
    BrokenStreamError,
    StreamFailedError,
    read_answer,
)
from rivya_flows.client.wire.chat import ChatAnswer, ChatCompletion
from rivya_flows.client.wire.chat_events import Answering
from rivya_flows.client.wire.server_sent_events import EventDecoder, ServerEvent
from rivya_flows.errors import APIConnectionError, APIError, UsageError

MAX_LINES = 1_000_000
"""Of one stream; an empty line takes as long to read as one of a hundred bytes."""

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
        self._first: str | None = None
        self._handed_on = False
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
        """The next piece of text, never empty.

        Raises:
            BrokenStreamError: The stream broke.
            StreamFailedError: The service ended it with an error.
            UsageError: The context of the stream was left.
        """
        if piece := await self._piece():
            return piece
        raise StopAsyncIteration

    def __iter__(self: ChatStream[Blocking]) -> Iterator[str]:
        """The pieces of text; raises as `__anext__` does."""
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
        return self._thread.run(self._whole()) if self._thread else self._whole()

    async def begin(self) -> Self:
        """Returns at the first piece of text, or the end. Until then a repetition is safe.

        Raises:
            StreamFailedError: The service ended the stream with an error.
            APIConnectionError: It broke, or ended without an answer.
        """
        try:
            if self._response.content_type == "application/json":
                self._read_at_once(b"".join([piece async for piece in self._response.pieces]))
                return self
            self._first = await self._next()
            if self._first or self.confirmed:
                return self
            raise APIConnectionError(
                f"{self._response.asked}: the stream ended before its text began"
            )
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Stops reading; `text` stays."""
        self._closed = True
        await self._events.aclose()

    async def _whole(self) -> ChatAnswer:
        while await self._piece():
            pass
        return self._answering.whole()

    async def _piece(self) -> str:
        """The next piece for the caller; empty when there is none."""
        if self._first:
            piece, self._first = self._first, None
        else:
            piece = await self._next()
        self._handed_on = self._handed_on or bool(piece)
        return piece

    def _read_at_once(self, body: bytes) -> None:
        """For a service that does not stream this answer."""
        response = self._response
        read_answer(response.asked, response.status, body, ChatCompletion, response.api_key)
        self._first = self._answering.take(ServerEvent("completed", body.decode(errors="replace")))
        self._over = True

    async def _next(self) -> str:
        """The next piece of the response; empty when there is none."""
        if self._failure is not None:
            raise self._failure
        if self._over:
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
            if not self._handed_on:
                self._failure = exc
                raise
            self._failure = self._broken(exc.message)
            raise self._failure from exc
        except BaseException:
            # Such as a cancelled read: the rest is lost, and the answer must not look whole.
            self._failure = self._broken(f"{self._response.asked}: reading was interrupted")
            raise
        self._over = not piece or self.confirmed
        return piece

    async def _read(self) -> str:
        async for event in self._events:
            piece = self._answering.take(event)
            if piece or self.confirmed:
                return piece
        return self._answering.rest()

    def _broken(self, message: str) -> BrokenStreamError:
        key = self._response.idempotency_key
        error = BrokenStreamError(message, self.text, self.session_id, key is not None)
        error.idempotency_key = key
        return error


async def _events(response: StreamingResponse) -> AsyncGenerator[ServerEvent]:
    decoder = EventDecoder()
    async with aclosing(response.pieces) as pieces:
        async for piece in pieces:
            for event in decoder.feed(piece):
                yield event
            if decoder.lines > MAX_LINES:
                raise APIConnectionError(f"{response.asked}: more than {MAX_LINES:,} lines")
    for event in decoder.flush():
        yield event


class StreamCall(Generic[P]):
    """`ApiCall` for a method that streams; raw or not, the stream has the `request_id`."""

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
        thread = instance._context.thread
        return functools.wraps(self._open)(
            functools.partial(self._open, instance)
            if thread is None
            else functools.partial(_blocking, thread, self._open, instance)
        )


@contextmanager
def _blocking(
    thread: EventLoopThread,
    opener: Callable[..., AbstractAsyncContextManager[ChatStream[Any]]],
    *args: Any,
    **kwargs: Any,
) -> Iterator[ChatStream[Blocking]]:
    opened = opener(*args, **kwargs)
    stream = thread.run(opened.__aenter__())
    stream._thread = thread
    try:
        yield stream
    except BaseException as error:
        thread.run(opened.__aexit__(type(error), error, None))
        raise
    thread.run(opened.__aexit__(None, None, None))


stream_call = StreamCall
