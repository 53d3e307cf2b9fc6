"""The chat routes: turns, whole or streamed, and sessions."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from rivya_sandbox.service import bodies, chat, idempotency, streams
from rivya_sandbox.service.errors import Refusal
from rivya_sandbox.service.service import Service, claim, first, replay_headers


class ChatRoutes:
    """The handlers."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._database = service.database
        self._profile = service.options.profile

    async def complete(self, request: Request) -> Response:
        """Answer a turn whole."""
        begun = await self._begin(request, chat.ROUTE)
        if isinstance(begun, chat.ChargedTurn):
            begun = await self._service.turns.take(begun).answer()
        return first(begun)

    async def stream(self, request: Request) -> Response:
        """Stream the answer of a turn; a repeated request is replayed."""
        begun = await self._begin(request, chat.STREAM_ROUTE)
        bare = self._profile.bare_streams
        if isinstance(begun, chat.ChargedTurn):
            running = self._service.turns.take(begun)
            events = streams.live(running, bare=bare, request_id=request.state.request_id)
            return StreamingResponse(events, self._profile.chat_status, streams.HEADERS)
        if begun.status >= 400:
            return first(begun)
        events = streams.again(begun, bare=bare)
        return StreamingResponse(events, begun.status, {**streams.HEADERS, **replay_headers(begun)})

    async def list_sessions(self, request: Request) -> Response:
        """List the account's sessions."""
        key = self._service.admit(request, "chat:read")
        found = chat.sessions(self._database, key.account_id)
        return self._service.answer({"object": "list", "data": found})

    async def read_session(self, request: Request) -> Response:
        """Show a session with its messages."""
        key = self._service.admit(request, "chat:read")
        session_id = request.path_params["sessionId"]
        found = chat.session(self._database, key.account_id, session_id)
        if found is None:
            raise Refusal("not_found", "No such session.")
        return self._service.answer(found)

    async def _begin(self, request: Request, route: str) -> chat.ChargedTurn | idempotency.Stored:
        service = self._service
        key = service.admit(request, "chat:create")
        body = await bodies.read_json(request)
        claimed = claim(request, key, route, body)
        now = service.now()

        def begin() -> idempotency.Stored | chat.ChargedTurn:
            asked = chat.check(self._database, service.catalogue, key.account_id, body)
            with self._database.transaction() as transaction:
                return service.find(transaction, claimed, now) or chat.begin(
                    transaction,
                    asked,
                    account_id=key.account_id,
                    route=route,
                    claim=claimed,
                    profile=self._profile,
                    now=now,
                )

        return service.charge(request, claimed, begin)
