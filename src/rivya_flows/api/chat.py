"""Turns of a chat whose history lives with the service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rivya_flows.api.retries import RetryPolicy
from rivya_flows.api.transport import CHAT_SECONDS, Transport
from rivya_flows.api.wire import ChatCompletion


class Chat:
    """Buys answers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def complete(
        self,
        body: bytes | Mapping[str, Any],
        *,
        idempotency_key: str | None,
        retry: RetryPolicy | None = None,
    ) -> ChatCompletion:
        """The assistant's answer to one message.

        Args:
            body: ``model``, ``message`` and, to go on with a chat, ``session_id``. Bytes go out
                unchanged.
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
