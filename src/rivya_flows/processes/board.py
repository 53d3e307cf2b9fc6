"""The board: contact sheets that follow their runs and take answers, for the owner of a Prefect server of our own.

Its page holds no secret. The script of the page finds the password of the server, which `/open` left in the
browser, and fetches with it; the addresses of media cannot be guessed.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from rivya_flows.environment import user
from rivya_flows.errors import RivyaError, UsageError
from rivya_flows.processes.local_api import BOARD, basic
from rivya_flows.questions.open_questions import MAX_NAME, MAX_NOTE
from rivya_flows.questions.question import Answer
from rivya_flows.questions.reading_answers import check_answer, signature
from rivya_flows.receipt.contact_sheet import live_page
from rivya_flows.receiver.addresses import SECRET_NAME
from rivya_flows.receiver.live import HEADERS, LiveRuns
from rivya_flows.receiver.media import read_body, serve_medium, serve_still, served_from
from rivya_flows.store import mailbox
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal
from rivya_flows.store.secrets import shared_secret

MAX_BYTES = 2**15  # of an answer
_NO_STORE = {"Cache-Control": "no-store"}

_Key = Annotated[str, Field(max_length=2_000)]


class Clicked(BaseModel):
    """What the page sends: the question as it showed it, and what was chosen."""

    question: _Key
    round: int
    picked: tuple[_Key, ...] = Field(max_length=1_000)
    note: str = Field("", max_length=4 * MAX_NOTE)
    by: str | None = Field(None, max_length=MAX_NAME)


@dataclass
class Board:
    """The board of a store.

    Attributes:
        auth: ``user:password`` of the server; `password_key` names its place in the browser.
        deliver: Sees to it that the answers that wait for a run are taken.
        ends: Whether the server is about to end.
    """

    journal: Journal
    assets: AssetStore
    auth: str = field(repr=False)
    password_key: str
    deliver: Callable[[str], Awaitable[object]]
    ends: Callable[[], bool] = lambda: False
    _delivering: set[asyncio.Future[object]] = field(default_factory=set)

    def app(self) -> Starlette:
        """Its routes, below `BOARD`."""
        secret = shared_secret(self.journal.engine, SECRET_NAME)
        self._runs = LiveRuns(self.journal, served_from("..", secret), answers=True, ends=self.ends)
        return Starlette(
            routes=[
                Route(
                    f"{BOARD}/media/{{token}}/{{name}}", partial(serve_medium, self.assets, secret)
                ),
                Route(
                    f"{BOARD}/stills/{{token}}/{{name}}", partial(serve_still, self.assets, secret)
                ),
                Route(f"{BOARD}/{{run}}", self._redirect),
                Route(f"{BOARD}/{{run}}/", self._page),
                Route(f"{BOARD}/{{run}}/known", self._has_run),
                Route(f"{BOARD}/{{run}}/events", self._events),
                Route(f"{BOARD}/{{run}}/past", self._past),
                Route(f"{BOARD}/{{run}}/answers", self._answer, methods=["POST"]),
            ],
            exception_handlers={HTTPException: _refuse, RivyaError: _refuse},
        )

    async def _redirect(self, request: Request) -> Response:
        return RedirectResponse(f"{request.url.path}/")

    async def _page(self, _: Request) -> Response:
        return HTMLResponse(live_page(title="Board", key=self.password_key), headers=HEADERS)

    async def _has_run(self, request: Request) -> Response:
        run_id = self._run_of(request)
        if await run_in_threadpool(self.journal.run, run_id) is None:
            raise HTTPException(404)
        return JSONResponse({"run_id": run_id}, headers=_NO_STORE)

    async def _events(self, request: Request) -> Response:
        return await self._runs.events(self._run_of(request), request)

    async def _past(self, request: Request) -> Response:
        return await self._runs.past(self._run_of(request), request)

    async def _answer(self, request: Request) -> Response:
        """Lets an answer wait for the process that drives the run; 410 if its question is closed."""
        run_id, headers = self._run_of(request), request.headers
        # With its login a page of another origin could not send it either.
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise HTTPException(403, "Only the page of this address may answer.")
        pieces = read_body(request, MAX_BYTES, "The answer is too large.")
        try:
            clicked = Clicked.model_validate_json(b"".join([one async for one in pieces]))
        except ValidationError:
            raise HTTPException(400, "This is no answer of the board.") from None
        await self._put(run_id, clicked)
        task = asyncio.ensure_future(self.deliver(run_id))
        self._delivering.add(task)
        task.add_done_callback(self._delivering.discard)
        return JSONResponse({"run_id": run_id}, 202, _NO_STORE)

    async def _put(self, run_id: str, clicked: Clicked) -> None:
        now = datetime.now(UTC)
        for question in await self._runs.questions(run_id):
            if (question.label, question.round) == (clicked.question, clicked.round):
                name = clicked.by or signature((user() or "")[:MAX_NAME])
                answer = Answer(clicked.picked, clicked.note, name, "board")
                try:
                    answer = check_answer(question, answer)
                except UsageError as error:
                    raise HTTPException(422, f"{error.message}; {error.hint}") from None
                engine, name_of_question = self.journal.engine, question.name
                await run_in_threadpool(mailbox.put, engine, run_id, name_of_question, answer, now)
                return
        raise HTTPException(410, "This question is closed.")

    def _run_of(self, request: Request) -> str:
        login = request.headers.get("authorization", "")
        if not hmac.compare_digest(login.encode(), basic(self.auth).encode()):
            raise HTTPException(401, "Open this page with a new link.")
        return str(request.path_params["run"])


async def _refuse(_: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code, _NO_STORE)
    return JSONResponse({"error": f"The store cannot be used now: {error}"}, 503, _NO_STORE)
