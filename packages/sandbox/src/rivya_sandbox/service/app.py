"""The HTTP application: every route with its handler, and the envelope of every refusal."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rivya_client.hosts import host_in, is_known
from rivya_sandbox.service import bodies, files, wallet
from rivya_sandbox.service.chat_routes import ChatRoutes
from rivya_sandbox.service.developers import DeveloperPage
from rivya_sandbox.service.errors import Refusal
from rivya_sandbox.service.fault_injection import FaultInjection
from rivya_sandbox.service.file_routes import FileRoutes
from rivya_sandbox.service.generation_routes import GenerationRoutes
from rivya_sandbox.service.identifiers import new_id
from rivya_sandbox.service.links import RESULTS
from rivya_sandbox.service.openapi import document
from rivya_sandbox.service.operations import OPERATIONS
from rivya_sandbox.service.service import Service
from rivya_sandbox.webhooks.routes import WebhookRoutes

_log = logging.getLogger(__name__)
_SMALL = 2**16  # bytes of a body that are read even if it is refused
_SILENCE = 5.0  # seconds without data after which the rest of a refused body is abandoned
_OUR_FAULT = "The sandbox failed; its log says why."


def build(service: Service) -> ASGIApp:
    """The application."""
    account = _AccountRoutes(service)
    chats = ChatRoutes(service)
    jobs = GenerationRoutes(service)
    media = FileRoutes(service)
    hooks = WebhookRoutes(service)
    handlers = {
        "listModels": account.list_models,
        "createGeneration": jobs.create,
        "retrieveGeneration": jobs.read,
        "uploadFile": media.upload,
        "retrieveFile": media.read,
        "completeChat": chats.complete,
        "streamChat": chats.stream,
        "listChatSessions": chats.list_sessions,
        "retrieveChatSession": chats.read_session,
        "retrieveCredits": account.read_credits,
        "listWebhooks": hooks.list_endpoints,
        "createWebhook": hooks.create,
        "retrieveWebhook": hooks.read,
        "updateWebhook": hooks.change,
        "deleteWebhook": hooks.remove,
        "rotateWebhookSecret": hooks.rotate,
        "testWebhook": hooks.test,
        "listWebhookDeliveries": hooks.list_deliveries,
        "listWebhookEvents": hooks.list_events,
        "openapi": account.openapi,
    }
    starlette = Starlette(
        routes=[
            *(Route(one.path, handlers[one.id], methods=[one.method]) for one in OPERATIONS),
            Route("/developers", DeveloperPage(service).show, methods=["GET"]),
            Route(RESULTS + "{name}", media.serve_result, methods=["GET"]),
            Route(files.URL_PATH + "{name}", media.serve_upload, methods=["GET"]),
        ],
        exception_handlers={
            Refusal: _answer_refusal,
            404: _no_route,
            405: _no_route,
            500: _answer_failure,
        },
    )
    # A trailing slash is an unknown route, not a redirect.
    starlette.router.redirect_slashes = False
    largest = bodies.largest_form(files.largest(service.catalogue))
    named = (host_in(service.links.base_url), service.options.host.lower())
    known = _Known(
        FaultInjection(starlette, service.database), frozenset(one for one in named if one)
    )
    return _Numbered(known, largest)


class _AccountRoutes:
    def __init__(self, service: Service) -> None:
        self._service = service
        described = document(service.catalogue, service.options.profile, service.links.base_url)
        self._document = json.dumps(described, ensure_ascii=False).encode()

    async def openapi(self, request: Request) -> Response:
        return Response(self._document, media_type="application/json")

    async def list_models(self, request: Request) -> Response:
        return Response(self._service.catalogue.body, media_type="application/json")

    async def read_credits(self, request: Request) -> Response:
        key = self._service.admit(request, "credits:read")
        balance = wallet.balance(self._service.database, key.account_id)
        return self._service.answer({"current_credits": balance})


async def _answer_refusal(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    envelope = refusal.envelope(request.state.request_id)
    return JSONResponse(envelope, refusal.status, refusal.headers)


async def _no_route(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    missing = f"No route {request.method} {request.url.path}."
    known = {"Allow": ", ".join(sorted(_methods(request)))} if problem.status_code == 405 else {}
    refusal = Refusal("not_found", missing, status=problem.status_code, headers=known)
    return await _answer_refusal(request, refusal)


def _methods(request: Request) -> set[str]:
    """Methods of the path of a request; each has a route of its own."""
    found = [one for one in request.app.routes if one.matches(request.scope)[0] != Match.NONE]
    return {method for route in found for method in route.methods or ()}


async def _answer_failure(request: Request, problem: Exception) -> Response:
    return await _answer_refusal(request, Refusal("internal_error", _OUR_FAULT))


@dataclass(frozen=True)
class _Known:
    """Serves known hosts only; Rivya leaves that to its proxy."""

    app: ASGIApp
    hosts: frozenset[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_known(Headers(scope=scope).get("host"), self.hosts):
            words = "The sandbox does not answer to this host; start it with --public-url."
            refusal = Refusal("not_found", words, status=421)
            envelope = refusal.envelope(scope["state"]["request_id"])
            await JSONResponse(envelope, refusal.status)(scope, receive, send)
            return
        await self.app(scope, receive, send)


class _Numbered:
    """Adds an id to every request, and an envelope to every internal error."""

    def __init__(self, app: ASGIApp, largest_body: int) -> None:
        self._app = app
        self._largest_body = largest_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id
        declared = _declared_length(scope)
        started, ended, unread = False, False, declared is None or declared > _SMALL
        ambiguous = _has_two_lengths(scope)

        async def watch_receive() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and message.get("more_body", False)
            return message

        async def number_response(message: Message) -> None:
            nonlocal started, ended
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    # A client refused in the middle of a body need not send the rest.
                    *([(b"connection", b"close")] if unread or ambiguous else []),
                ]
            elif message["type"] == "http.response.body":
                ended = not message.get("more_body", False)
                if ended and unread and declared is not None and declared <= self._largest_body:
                    await send({**message, "more_body": True})
                    await _drain(watch_receive)
                    message = {"type": "http.response.body"}
            await send(message)

        try:
            await self._app(scope, watch_receive, number_response)
        except ClientDisconnect:
            return
        except Exception as problem:
            _log.exception("%s %s failed", scope["method"], scope["path"], exc_info=problem)
            if ended:  # `_answer_failure` has answered
                return
            if started:
                raise
            refusal = Refusal("internal_error", _OUR_FAULT)
            response = JSONResponse(refusal.envelope(request_id), refusal.status)
            await response(scope, receive, number_response)


def _declared_length(scope: Scope) -> int | None:
    """The ``Content-Length`` of a request in bytes; None if it has none."""
    headers = Headers(scope=scope)
    return None if "Transfer-Encoding" in headers else int(headers.get("Content-Length", "0"))


def _has_two_lengths(scope: Scope) -> bool:
    """Whether a proxy may read another length of the body (RFC 9112, section 6.1)."""
    headers = Headers(scope=scope)
    return "Transfer-Encoding" in headers and "Content-Length" in headers


async def _drain(receive: Receive) -> None:
    """Read the rest of a refused body.

    Closing a connection with unread bytes resets it. Most clients send everything before they read
    the answer, and would lose it.
    """
    more = True
    with suppress(TimeoutError):
        while more:
            async with asyncio.timeout(_SILENCE):
                message = await receive()
            more = message["type"] == "http.request" and message.get("more_body", False)
