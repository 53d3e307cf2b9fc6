"""Chats: turns, whole or streamed, and the sessions that the service keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Unpack

from rivya_flows.client.resources.chat_stream import ChatStream, stream_call
from rivya_flows.client.resources.resource import Async, M, Resource, api_call
from rivya_flows.client.transport.connection import CHAT_SECONDS
from rivya_flows.client.transport.request_options import NOT_GIVEN, IdempotencyKey, RequestOptions
from rivya_flows.client.transport.requests import path_of
from rivya_flows.client.transport.response_body import StreamingResponse
from rivya_flows.client.wire.chat import ChatCompletion, ChatSession
from rivya_flows.client.wire.list_page import Listing
from rivya_flows.client.wire.request_types import ChatRequest


class Sessions(Resource[M]):
    """Reads the chats that the API started; those of Studio are not among them."""

    @api_call
    async def list(self, **options: Unpack[RequestOptions]) -> Listing[ChatSession]:
        """The sessions in the service's order, by convention newest first.

        Source: ``GET /api/v1/chat/sessions``.
        """
        path = "/api/v1/chat/sessions"
        return await self._transport.send("GET", path, Listing[ChatSession], **options)

    @api_call
    async def retrieve(self, session_id: str, **options: Unpack[RequestOptions]) -> ChatSession:
        """One session, with its messages if the service returns them.

        Raises:
            NotFoundError: There is none, or it is another account's or Studio's.

        Source: ``GET /api/v1/chat/sessions/{sessionId}``.
        """
        return await self._transport.send(
            "GET", path_of("chat/sessions", session_id), ChatSession, **options
        )


class Chat(Resource[M]):
    """Buys answers."""

    @property
    def sessions(self) -> Sessions[M]:
        """Reads the chats that the API started."""
        return Sessions(self._context)

    @api_call
    async def complete(
        self,
        body: bytes | ChatRequest,
        *,
        idempotency_key: IdempotencyKey = NOT_GIVEN,
        **options: Unpack[RequestOptions],
    ) -> ChatCompletion:
        """The assistant's answer to one message.

        Args:
            body: The request. Bytes are sent unchanged.
            idempotency_key: The same for every repetition of one purchase, see `IdempotencyKey`.
            options: See `RequestOptions`.

        Raises:
            RefusedAfterSilenceError: The service refused, but an earlier attempt of this call got
                no answer and may have bought.

        Source: ``POST /api/v1/chat/completions``.
        """
        return await self._transport.send(
            "POST",
            "/api/v1/chat/completions",
            ChatCompletion,
            body,
            idempotency_key=idempotency_key,
            seconds=CHAT_SECONDS,
            silence_seconds=CHAT_SECONDS,
            **options,
        )

    @stream_call
    async def stream(
        self,
        body: bytes | ChatRequest,
        *,
        idempotency_key: IdempotencyKey = NOT_GIVEN,
        **options: Unpack[RequestOptions],
    ) -> AsyncIterator[ChatStream[Async]]:
        """The assistant's answer to one message in pieces; use it with ``async with``.

        The context is entered when the first piece of text is there. Until then the request is
        repeated like that of `complete`; after that never, since a repetition may differ.

        Args:
            body: As for `complete`.
            idempotency_key: As for `complete`.
            options: See `RequestOptions`.

        Raises:
            RefusedAfterSilenceError: The service refused, but an earlier attempt of this call got
                no answer and may have bought.
            StreamFailedError: The service ended the stream with an error.
            APIConnectionError: No answer began; with a key the same call is safe again.

        Source: ``POST /api/v1/chat/completions/stream``; the events are a convention, not
        documented by Rivya.
        """

        async def begin(response: StreamingResponse) -> ChatStream[Async]:
            return await ChatStream[Async](response).begin()

        async with self._transport.stream(
            "/api/v1/chat/completions/stream",
            body,
            begin,
            idempotency_key=idempotency_key,
            **options,
        ) as stream:
            try:
                yield stream
            finally:
                await stream.aclose()
