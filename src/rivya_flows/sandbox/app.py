"""The HTTP face: routes, the order of checks, and the envelope round every refusal.

Source: contract, section 1, "order of checks": key, scope, rate limit, body, Idempotency-Key, credits.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rivya_flows.sandbox import (
    accounts,
    bodies,
    chat,
    files,
    generations,
    idempotency,
    validation,
    wallet,
)
from rivya_flows.sandbox.database import Database
from rivya_flows.sandbox.errors import Refusal, invalid
from rivya_flows.sandbox.faulty import Faulty
from rivya_flows.sandbox.identifiers import new_id, secret_name
from rivya_flows.sandbox.lengths import duration_seconds
from rivya_flows.sandbox.limits import RateLimit
from rivya_flows.sandbox.models import Catalogue
from rivya_flows.sandbox.options import Options
from rivya_flows.sandbox.worker import Worker

_T = TypeVar("_T")
_log = logging.getLogger(__name__)
_CREATE_ROUTE = "POST /api/v1/generations"
_MEDIA_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=3600"}


@dataclass(frozen=True)
class Service:
    """All that the routes work on.

    Attributes:
        base_url: Where this server is reached; the start of every URL it gives.
        secret: Key of the signatures, kept in the data folder.
    """

    database: Database
    catalogue: Catalogue
    options: Options
    worker: Worker
    limit: RateLimit
    base_url: str
    secret: str

    def now(self) -> float:
        """Unix seconds."""
        return self.options.clock()


def build(service: Service) -> ASGIApp:
    """The application."""
    api = _Api(service)
    starlette = Starlette(
        routes=[
            Route("/api/v1/models", api.list_models, methods=["GET"]),
            Route("/api/v1/credits", api.read_credits, methods=["GET"]),
            Route("/api/v1/files", api.upload_file, methods=["POST"]),
            Route("/api/v1/files/{file_id}", api.read_file, methods=["GET"]),
            Route("/api/v1/generations", api.create_generation, methods=["POST"]),
            Route("/api/v1/generations/{task_id}", api.read_generation, methods=["GET"]),
            Route("/api/v1/chat/completions", api.complete_chat, methods=["POST"]),
            Route("/api/v1/chat/sessions", api.list_sessions, methods=["GET"]),
            Route("/api/v1/chat/sessions/{session_id}", api.read_session, methods=["GET"]),
            Route(generations.URL_PATH + "{name}", api.serve_result, methods=["GET"]),
            Route(files.URL_PATH + "{name}", api.serve_upload, methods=["GET"]),
        ],
        exception_handlers={Refusal: _refused, 404: _no_route, 405: _no_route},
    )
    # A slash too many is an unknown route like any other, not a redirect.
    starlette.router.redirect_slashes = False
    return _Numbered(Faulty(starlette, service.database))


class _Api:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._database = service.database
        self._profile = service.options.profile

    async def list_models(self, request: Request) -> Response:
        return Response(self._service.catalogue.body, media_type="application/json")

    async def read_credits(self, request: Request) -> Response:
        key = self._admit(request, "credits:read")
        return self._answer({"current_credits": wallet.balance(self._database, key.account_id)})

    async def upload_file(self, request: Request) -> Response:
        key = self._admit(request, "files:create")
        form = await bodies.read_form(request, files.largest(self._service.catalogue))
        try:
            stored = await self._store(key.account_id, bodies.upload(form))
        finally:
            await form.close()
        public = files.public(stored, self._service.base_url, self._service.secret)
        return self._answer(public, self._profile.upload_status)

    async def read_file(self, request: Request) -> Response:
        key = self._admit(request, "files:read")
        file = files.get(self._database, key.account_id, request.path_params["file_id"])
        if file is None:
            raise Refusal("not_found", "No such file.")
        return self._answer(files.public(file, self._service.base_url, self._service.secret))

    async def create_generation(self, request: Request) -> Response:
        key = self._admit(request, "generations:create")
        body = await bodies.read_json(request)
        claim = self._claim(request, key, _CREATE_ROUTE, body)
        now = self._service.now()

        def create() -> idempotency.Stored:
            asked = validation.generation(self._service.catalogue, body)
            uploads = files.referenced(
                self._database,
                key.account_id,
                asked.references,
                limits=asked.model.limits,
                base_url=self._service.base_url,
                secret=self._service.secret,
            )
            with self._database.transaction() as transaction:
                stored = self._find(transaction, claim, now)
                if stored is not None:
                    return stored
                task_id, answer = generations.create(
                    transaction,
                    asked,
                    account_id=key.account_id,
                    file_ids=[upload.id for upload in uploads],
                    claim=claim,
                    profile=self._profile,
                    time_scale=self._service.options.time_scale,
                    now=now,
                )
            self._service.worker.take(task_id)
            return answer

        return _first(self._paid(request, claim, create))

    async def read_generation(self, request: Request) -> Response:
        key = self._admit(request, "generations:read")
        task_id = request.path_params["task_id"]
        found = generations.get(self._database, key.account_id, task_id, self._result_url)
        if found is None:
            raise Refusal("not_found", "No such generation.")
        return self._answer(found)

    async def complete_chat(self, request: Request) -> Response:
        key = self._admit(request, "chat:create")
        body = await bodies.read_json(request)
        claim = self._claim(request, key, chat.ROUTE, body)
        now = self._service.now()

        def begin() -> idempotency.Stored | chat.Turn:
            asked = chat.check(self._database, self._service.catalogue, key.account_id, body)
            with self._database.transaction() as transaction:
                return self._find(transaction, claim, now) or chat.begin(
                    transaction,
                    asked,
                    account_id=key.account_id,
                    claim=claim,
                    profile=self._profile,
                    now=now,
                )

        begun = self._paid(request, claim, begin)
        if isinstance(begun, chat.Turn):
            begun = await self._reply(begun)
        return _first(begun)

    async def list_sessions(self, request: Request) -> Response:
        key = self._admit(request, "chat:read")
        found = chat.sessions(self._database, key.account_id)
        return self._answer({"object": "list", "data": found})

    async def read_session(self, request: Request) -> Response:
        key = self._admit(request, "chat:read")
        session_id = request.path_params["session_id"]
        found = chat.session(self._database, key.account_id, session_id)
        if found is None:
            raise Refusal("not_found", "No such session.")
        return self._answer(found)

    async def serve_result(self, request: Request) -> Response:
        name = request.path_params["name"]
        row = self._database.row("SELECT * FROM results WHERE stored_as = ?", name)
        if row is None or not self._still_valid(request, name):
            raise Refusal("not_found", "No such file, or its URL has expired.")
        return self._media(generations.FOLDER, row["stored_as"], row["mime_type"])

    async def serve_upload(self, request: Request) -> Response:
        file = files.stored(self._database, request.path_params["name"])
        if file is None:
            raise Refusal("not_found", "No such file.")
        return self._media(files.FOLDER, file.stored_as, file.mime_type)

    def _admit(self, request: Request, scope: str) -> accounts.Key:
        now = self._service.now()
        header = request.headers.get("Authorization")
        key = accounts.verify(self._database, header, scope, now=now)
        self._service.limit.count(key.id, now=now)
        return key

    def _claim(
        self, request: Request, key: accounts.Key, route: str, body: Any
    ) -> idempotency.Claim | None:
        header = request.headers.get("Idempotency-Key")
        return idempotency.claim(key.account_id, route, header, body)

    def _find(
        self, transaction: Any, claim: idempotency.Claim | None, now: float
    ) -> idempotency.Stored | None:
        return idempotency.find(
            transaction, claim, now=now, life_seconds=self._profile.key_life_seconds
        )

    def _paid(
        self, request: Request, claim: idempotency.Claim | None, action: Callable[[], _T]
    ) -> _T:
        """What `action` gives; its refusal as the profile has it."""
        try:
            return action()
        except Refusal as refusal:
            if refusal.code == "insufficient_credits":
                refusal.status = self._profile.no_credits_status
            if self._profile.stores_refusals and refusal.code != "idempotency_conflict":
                envelope = refusal.envelope(request.state.request_id)
                with self._database.transaction() as transaction:
                    idempotency.remember(
                        transaction, claim, refusal.status, envelope, now=self._service.now()
                    )
            raise

    async def _reply(self, turn: chat.Turn) -> idempotency.Stored:
        try:
            content, _ = await asyncio.gather(
                run_in_threadpool(_chat_answer, turn),
                asyncio.sleep(chat.SECONDS * self._service.options.time_scale),
            )
            with self._database.transaction() as transaction:
                return chat.finish(
                    transaction, turn, content, profile=self._profile, now=self._service.now()
                )
        except Exception:
            chat.abandon(self._database, turn.id, now=self._service.now())
            raise

    async def _store(self, account_id: str, upload: bodies.Upload) -> files.StoredFile:
        kind, model = upload.fields.get("kind"), upload.fields.get("model") or None
        limit = files.limit(self._service.catalogue, kind, model)
        if kind is None:
            raise invalid("'kind' is required.")
        mime_type = files.check(limit, kind, upload.size_bytes, upload.mime_type)
        client_request_id = validation.request_id(upload.fields.get("client_request_id"))
        stored_as = secret_name() + files.EXTENSIONS[mime_type]
        path = self._service.options.data / files.FOLDER / stored_as
        await upload.save(path)
        file = files.StoredFile(
            id=files.new_file_id(),
            account_id=account_id,
            kind=kind,
            name=files.tidy_name(upload.name),
            mime_type=mime_type,
            size_bytes=upload.size_bytes,
            stored_as=stored_as,
            duration_seconds=None
            if kind == "image"
            else await run_in_threadpool(duration_seconds, path),
            model=model,
            client_request_id=client_request_id,
            created_at=self._service.now(),
        )
        with self._database.transaction() as transaction:
            files.add(transaction, file)
        return file

    def _answer(self, body: Mapping[str, Any], status: int = 200) -> Response:
        return JSONResponse({**body, **self._profile.extra_fields}, status)

    def _result_url(self, name: str) -> str:
        url = f"{self._service.base_url}{generations.URL_PATH}{name}"
        life = self._profile.url_life_seconds
        if life is None:
            return url
        expires = str(int(self._service.now() + life))
        return f"{url}?expires={expires}&signature={self._signature(name, expires)}"

    def _still_valid(self, request: Request, name: str) -> bool:
        if self._profile.url_life_seconds is None:
            return True
        expires = request.query_params.get("expires", "")
        given = request.query_params.get("signature", "").encode()
        if not hmac.compare_digest(given, self._signature(name, expires).encode()):
            return False
        return int(expires) > self._service.now()

    def _signature(self, name: str, expires: str) -> str:
        signed = f"{name}\n{expires}".encode()
        return hmac.new(self._service.secret.encode(), signed, hashlib.sha256).hexdigest()

    def _media(self, folder: str, name: str, mime_type: str) -> Response:
        path = self._service.options.data / folder / name
        if not path.is_file():
            raise Refusal("not_found", "The file is gone from the data folder.")
        return FileResponse(path, media_type=mime_type, headers=_MEDIA_HEADERS)


def _first(answer: idempotency.Stored) -> Response:
    headers = {"Idempotent-Replayed": "true"} if answer.replayed else {}
    return Response(answer.body, answer.status, headers, media_type="application/json")


def _chat_answer(turn: chat.Turn) -> str:
    # Imported when first used, as all renderers.
    from rivya_flows.sandbox.renderers.chat import reply

    return reply(turn.asked.message, turn.asked.history)


async def _refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    envelope = refusal.envelope(request.state.request_id)
    return JSONResponse(envelope, refusal.status, refusal.headers)


async def _no_route(request: Request, problem: Exception) -> Response:
    missing = f"No route {request.method} {request.url.path}."
    return await _refused(request, Refusal("not_found", missing))


class _Numbered:
    """Gives every request an id, and every failure of this server an envelope."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def numbered(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, numbered)
        except ClientDisconnect:
            return
        except Exception as problem:
            _log.exception("%s %s failed", scope["method"], scope["path"], exc_info=problem)
            if started:
                raise
            refusal = Refusal("internal_error", "The sandbox failed; its log says why.")
            response = JSONResponse(refusal.envelope(request_id), refusal.status)
            await response(scope, receive, numbered)
