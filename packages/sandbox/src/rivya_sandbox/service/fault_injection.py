"""Injects faults into requests, around the whole application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rivya_sandbox.service import faults
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.errors import Refusal, invalid
from rivya_sandbox.service.identifiers import new_id

DROP = "drop"
"""Key in the ASGI state for the function that cuts the connection; the server process sets it."""

REFUSED_PROMPT = "The prompt was refused: it violates the content policy."

_LARGEST_JSON = 2**20  # bytes; larger bodies are not searched for their model and prompt

_CODES = {
    400: "validation_failed",
    401: "api_key_invalid",
    402: "insufficient_credits",
    403: "api_scope_denied",
    404: "not_found",
    409: "idempotency_conflict",
    429: "rate_limited",
    503: "public_api_disabled",
}


class FaultInjection:
    """ASGI middleware that injects faults."""

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self._app = app
        self._database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = None
        if scope["type"] == "http" and self._may_apply(scope):
            body = await _beginning(receive)
            receive = _replay(body, receive)
            named = _body_texts(body)
            fault = faults.of_request(
                self._database,
                scope["method"],
                scope["path"],
                named.get("model"),
                named.get("prompt", named.get("message")),
            )
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await self._carry_out(fault, scope, receive, send)

    def _may_apply(self, scope: Scope) -> bool:
        return faults.may_apply(self._database, scope["method"], scope["path"])

    async def _carry_out(
        self, fault: faults.Fault, scope: Scope, receive: Receive, send: Send
    ) -> None:
        match fault.do:
            case "status":
                await _answer(_refusal_of(fault), scope, receive, send)
            case "refuse":
                await _answer(invalid(REFUSED_PROMPT), scope, receive, send)
            case "drop_before":
                await _drop(scope, receive)
            case "drop_after_commit":
                await self._app(scope, receive, _swallow)
                await _drop(scope, receive)
            case _:
                await asyncio.sleep(fault.seconds or 0)
                await self._app(scope, receive, send)


def _refusal_of(fault: faults.Fault) -> Refusal:
    status = fault.status or 500
    code = _CODES.get(status, "internal_error" if status >= 500 else "validation_failed")
    headers = {"Retry-After": "1"} if status in (429, 503) else {}
    return Refusal(code, "Injected fault.", status=status, headers=headers)


async def _answer(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    request_id = scope.get("state", {}).get("request_id") or new_id("req")
    response = JSONResponse(refusal.envelope(request_id), refusal.status, refusal.headers)
    await response(scope, receive, send)


async def _drop(scope: Scope, receive: Receive) -> None:
    cut: Callable[[], None] = scope["state"][DROP]
    cut()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _swallow(message: Message) -> None:
    """Discards an answer."""


async def _beginning(receive: Receive) -> list[Message]:
    """A JSON body, or the start of a large one."""
    messages = [await receive()]
    size = len(messages[0].get("body", b""))
    while messages[-1].get("more_body", False) and size <= _LARGEST_JSON:
        messages.append(await receive())
        size += len(messages[-1].get("body", b""))
    return messages


def _replay(messages: list[Message], receive: Receive) -> Receive:
    waiting = iter(messages)

    async def replay() -> Message:
        return next(waiting, None) or await receive()

    return replay


def _body_texts(messages: list[Message]) -> dict[str, str]:
    """The texts of a JSON body, such as its model and its prompt; empty of other bodies."""
    try:
        body = json.loads(b"".join(message.get("body", b"") for message in messages))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(body, dict):
        return {}
    return {name: value for name, value in body.items() if isinstance(value, str)}
