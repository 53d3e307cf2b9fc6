"""A chat answer while it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Self

from rivya_flows.client.transport.connection import CHAT_SECONDS
from rivya_flows.client.transport.response_parsing import (
    BrokenStreamError,
    StreamFailedError,
    read_answer,
)
from rivya_flows.client.transport.streaming_response import StreamingResponse, within
from rivya_flows.client.wire.chat import ChatAnswer, ChatCompletion
from rivya_flows.client.wire.chat_events import Answering
from rivya_flows.client.wire.server_sent_events import EventDecoder, ServerEvent
from rivya_flows.errors import APIConnectionError, APIError, UsageError

MOST_LINES = 1_000_000
"""Of one stream; a line of nothing takes as long to read as one of a hundred bytes."""


class ChatStream:
    """A streamed answer: iterate over it for pieces of text, then ask for `complete`.

    It can be read inside the context of `Chat.stream` only, and once.
    """

    def __init__(self, coming: StreamingResponse, *, repeatable: bool) -> None:
        self._coming = coming
        self._repeatable = repeatable
        self._answering = Answering(coming.asked, coming.api_key)
        self._events = _events(coming)
        self._first: str | None = None
        self._handed_on = False
        self._over = False
        self._closed = False
        self._failure: APIError | None = None

    @property
    def text(self) -> str:
        """What has come of the answer so far."""
        return self._answering.text

    @property
    def session_id(self) -> str | None:
        """Pass it with the next message to go on; None until it was told."""
        return self._answering.session_id

    @property
    def confirmed(self) -> bool:
        """Whether the service said that the answer is whole; a stream may also just end."""
        return self._answering.ended

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        """The next piece of text, never empty.

        Raises:
            BrokenStreamError: The stream broke off.
            StreamFailedError: The service ended it with an error.
            UsageError: The context of the stream was left.
        """
        if self._first:
            piece, self._first = self._first, None
        else:
            piece = await self._next()
        if not piece:
            raise StopAsyncIteration
        self._handed_on = True
        return piece

    async def complete(self) -> ChatAnswer:
        """The whole answer; reads what has not been read of it.

        Raises:
            BrokenStreamError: The stream broke off.
            StreamFailedError: The service ended it with an error.
            UsageError: The context of the stream was left.
        """
        async for _ in self:
            pass
        return self._answering.whole()

    async def begin(self) -> Self:
        """Returns when there is a first piece, or the end; until then all may be repeated.

        Raises:
            StreamFailedError: The service ended it with an error.
            APIConnectionError: It broke off, or ended without an answer.
        """
        try:
            if self._coming.content_type == "application/json":
                self._read_at_once(b"".join([piece async for piece in self._coming.pieces]))
                return self
            self._first = await self._next()
            if self._first or self.confirmed:
                return self
            raise APIConnectionError(
                f"{self._coming.asked}: the stream ended before its text began"
            )
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Ends the reading; what has come stays."""
        self._closed = True
        await self._events.aclose()

    def _read_at_once(self, body: bytes) -> None:
        """For a service that does not stream this one."""
        read_answer(self._coming.asked, self._coming.status, body, ChatCompletion)
        self._first = self._answering.take(ServerEvent("completed", body.decode(errors="replace")))
        self._over = True

    async def _next(self) -> str:
        """The next piece; empty when there is none."""
        if self._failure is not None:
            raise self._failure
        if self._over:
            return ""
        if self._closed:
            raise UsageError("chat stream: its context was left before it was read to its end")
        try:
            async with within(CHAT_SECONDS, self._coming.asked):
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
            # Such as a cancelled read: what follows is lost, and the rest must not look whole.
            self._failure = self._broken(f"{self._coming.asked}: the reading was interrupted")
            raise
        self._over = not piece or self.confirmed
        return piece

    async def _read(self) -> str:
        async for event in self._events:
            piece = self._answering.take(event)
            if piece or self.confirmed:
                return piece
        return ""

    def _broken(self, message: str) -> BrokenStreamError:
        return BrokenStreamError(message, self.text, self.session_id, self._repeatable)


async def _events(coming: StreamingResponse) -> AsyncGenerator[ServerEvent]:
    decoder = EventDecoder()
    async with aclosing(coming.pieces) as pieces:
        async for piece in pieces:
            for event in decoder.feed(piece):
                yield event
            if decoder.lines > MOST_LINES:
                raise APIConnectionError(f"{coming.asked}: more than {MOST_LINES:,} lines")
    for event in decoder.flush():
        yield event
