"""Chats that the API began: their list and their messages."""

from __future__ import annotations

from rivya_flows.client.transport.requests import path_of
from rivya_flows.client.transport.retries import RetryPolicy
from rivya_flows.client.transport.transport import Transport
from rivya_flows.client.wire.chat import ChatSession
from rivya_flows.client.wire.list_page import Listing


class Sessions:
    """Reads the chats of the account; those of Studio are not among them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self, *, retry: RetryPolicy | None = None) -> Listing[ChatSession]:
        """The sessions in the service's order, which by convention begins with the newest.

        Raises:
            APIStatusError: The service refused.
            APIConnectionError: No readable answer came.

        Source: ``GET /api/v1/chat/sessions``.
        """
        path = "/api/v1/chat/sessions"
        return await self._transport.get(path, Listing[ChatSession], retry=retry)

    async def retrieve(self, session_id: str, *, retry: RetryPolicy | None = None) -> ChatSession:
        """One session, with its messages where the service tells them.

        Raises:
            APIStatusError: 404 if there is none, or it is another account's or Studio's.
            APIConnectionError: No readable answer came.

        Source: ``GET /api/v1/chat/sessions/{sessionId}``.
        """
        path = path_of("chat/sessions", session_id)
        return await self._transport.get(path, ChatSession, retry=retry)
