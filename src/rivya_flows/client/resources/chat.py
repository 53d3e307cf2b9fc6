"""Turns of a chat whose history lives with the service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from rivya_flows.client.resources.chat_sessions import Sessions
from rivya_flows.client.resources.chat_stream import ChatStream
from rivya_flows.client.transport.connection import CHAT_SECONDS
from rivya_flows.client.transport.retries import RetryPolicy
from rivya_flows.client.transport.streaming_response import StreamingResponse
from rivya_flows.client.transport.transport import Transport
from rivya_flows.client.wire.chat import ChatCompletion


class Chat:
    """Buys answers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._sessions = Sessions(transport)

    @property
    def sessions(self) -> Sessions:
        """Reads the chats that the API began."""
        return self._sessions

    async def complete(
        self,
        body: bytes | Mapping[str, Any],
        *,
        idempotency_key: str | None,
        retry: RetryPolicy | None = None,
    ) -> ChatCompletion:
        """The assistant's answer to one message.

        Args:
            body: ``model``, ``message`` and, to go on with a chat, ``session_id``; the contract,
                section 6.2, has the others. Bytes go out unchanged.
            idempotency_key: Equal for every repetition of one purchase. With None the request is
                sent once and never again.
            retry: None takes the client's.

        Raises:
            RefusedAfterSilenceError: The service refused, but an earlier attempt of this call got no
                answer and may have bought.
            APIStatusError: The service refused.
            APIConnectionError: No readable answer came; with a key the same call is safe again.

        Source: ``POST /api/v1/chat/completions``.
        """
        return await self._transport.post(
            "/api/v1/chat/completions",
            body,
            ChatCompletion,
            idempotency_key=idempotency_key,
            total_seconds=CHAT_SECONDS,
            silence_seconds=CHAT_SECONDS,
            retry=retry,
        )

    @asynccontextmanager
    async def stream(
        self,
        body: bytes | Mapping[str, Any],
        *,
        idempotency_key: str | None,
        retry: RetryPolicy | None = None,
    ) -> AsyncIterator[ChatStream]:
        """The assistant's answer to one message, as it comes; use it with ``async with``.

        The context is entered when the first piece of text is there. Until then the request is
        repeated as that of `complete`; after that never, since a repetition may be worded otherwise.

        Args:
            body: As for `complete`.
            idempotency_key: As for `complete`.
            retry: None takes the client's.

        Raises:
            RefusedAfterSilenceError: The service refused, but an earlier attempt of this call got no
                answer and may have bought.
            StreamFailedError: The service ended the stream with an error.
            APIStatusError: The service refused.
            APIConnectionError: No answer began; with a key the same call is safe again.

        Source: ``POST /api/v1/chat/completions/stream``; the events are a convention, not
        documented by Rivya.
        """

        async def begin(coming: StreamingResponse) -> ChatStream:
            return await ChatStream(coming, repeatable=idempotency_key is not None).begin()

        async with self._transport.stream(
            "/api/v1/chat/completions/stream",
            body,
            begin,
            idempotency_key=idempotency_key,
            retry=retry,
        ) as stream:
            try:
                yield stream
            finally:
                await stream.aclose()
