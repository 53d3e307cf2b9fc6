"""Contact sheets that follow their runs: drawn when a journal has grown, and sent in the pieces that changed."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from rivya_client.job_durations import JobDurations
from rivya_flows.errors import StoreError
from rivya_flows.estimate.estimate import estimate, rehearse
from rivya_flows.questions.open_questions import answerable, open_questions
from rivya_flows.questions.question import Question
from rivya_flows.queue.events import AnswerGiven, RunFrozen, Stamped
from rivya_flows.queue.queue import step as step_queue
from rivya_flows.queue.reducer import initial_state
from rivya_flows.queue.state import State
from rivya_flows.receipt.contact_sheet import live_page, sheet_pieces, title_of
from rivya_flows.receipt.embedding import Served
from rivya_flows.receipt.from_journal import receipt_of
from rivya_flows.receipt.ledger import History
from rivya_flows.receipt.model import Receipt
from rivya_flows.receipt.progress import rows, time_left
from rivya_flows.receiver import addresses
from rivya_flows.receiver.media import served_from
from rivya_flows.store.journal import Journal
from rivya_flows.store.run_list import listed_runs, recent_durations

MOST_VIEWERS, MOST_RUNS = 64, 12  # streams of all runs, and runs that are in memory
MOST_PAGES = 8  # earlier states of a page that a viewer may have
LOOK_SECONDS, IDLE_LOOK_SECONDS = (
    0.3,
    1.0,
)  # between two looks into the journal; of a run that has ended
NOW_SECONDS = 3.0  # between two looks at the clock and at the process of a run
PATIENCE_SECONDS = 10.0  # with a worker that takes up what was answered
_SHARE = 3  # a page that took a second to draw is not drawn again before three have passed
PING_SECONDS, _STREAM_SECONDS = 15.0, 0.1  # between two signs of life, and two looks at the page
_MOST_WORKING = 4  # steps at work that are named
_MOST_REHEARSED = 1_000  # items of a plan whose usual durations are looked up

HEADERS = {
    "Cache-Control": "no-store",  # the run may continue
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; media-src 'self' data:;"
    " font-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}

Piece = str | tuple[int, int]
"""A piece of a page as its viewer gets it: new, or those of the page before from one place up to another."""


class Now(NamedTuple):
    """What happens at a moment, in words; `stopped` says why nothing does, and `command` continues it."""

    working: tuple[str, ...] = ()
    left: str = ""
    stopped: str = ""
    command: str = ""


class PageState(NamedTuple):
    """One state of a page; `number` counts them, `seq` and `at` are those of the last journal entry."""

    number: int
    seq: int
    at: float
    title: str
    credits: str
    status: str
    now: Now
    pieces: tuple[str, ...]

    def message(self, before: Sequence[str] | None) -> dict[str, Any]:
        """What a viewer gets who has the pieces `before`."""
        return {**self._asdict(), "pieces": changes(before, self.pieces)}


def changes(before: Sequence[str] | None, after: Sequence[str]) -> list[Piece]:
    """A page by what is new in it, and by where the rest is in the one before."""
    places = {piece: place for place, piece in enumerate(before or ())}
    found: list[Piece] = []
    for piece in after:
        place = places.get(piece)
        last = found[-1] if found else None
        if place is None:
            found.append(piece)
        elif isinstance(last, tuple) and last[1] == place:
            found[-1] = last[0], place + 1
        else:
            found.append((place, place + 1))
    return found


class Replay:
    """The state of a run after the first entries of its journal, which goes forward entry by entry."""

    def __init__(self, journal: Journal, run_id: str) -> None:
        self._journal, self._run_id = journal, run_id
        self._read = deque[Stamped]()  # behind those that the state has
        self.history = History()
        self.state: State | None = None
        self.answers: list[AnswerGiven] = []

    def advance(self, last: int | None = None) -> bool:
        """Takes the entries up to this number, or all; whether there were any."""
        read = self._read[-1].seq if self._read else self.history.seq
        if last is None or read < last:
            self._read.extend(self._journal.entries(self._run_id, after=read))
        before = self.history.seq
        while self._read and (last is None or self._read[0].seq <= last):
            entry = self._read.popleft()
            if self.state is not None:
                step_queue(self.state, entry.event)
            elif isinstance(entry.event, RunFrozen):
                self.state = initial_state(entry.event)
            self.history.add(entry)
            if isinstance(entry.event, AnswerGiven):
                self.answers.append(entry.event)
        return self.history.seq > before


class LiveRun:
    """One run that is watched; `answers`: its questions are answered by a click."""

    def __init__(self, journal: Journal, run_id: str, served: Served, *, answers: bool) -> None:
        self._journal, self._run_id, self._served, self._answers = journal, run_id, served, answers
        self._replay, self._past = Replay(journal, run_id), Replay(journal, run_id)
        self._looking, self._looking_back = threading.Lock(), threading.Lock()
        self._clocked = 0.0  # monotonic, when `now` was looked up
        self._task: asyncio.Task[None] | None = None
        self._mark = secrets.token_hex(4)  # another process counts other pages
        self.viewers = 0
        self.pages: deque[PageState] = deque(maxlen=MOST_PAGES)

    # --- In a thread ---

    def look(self) -> PageState:
        """The page as the journal has it now; `LookupError` if there is no such run."""
        with self._looking:
            self._replay.advance()
            state = self._replay.state
            if state is None:
                raise LookupError(self._run_id)
            last, clocked = self.pages[-1] if self.pages else None, time.monotonic()
            grown = last is None or self._replay.history.seq > last.seq
            is_over = state.ended not in (None, "suspended")
            if last and not grown and (is_over or clocked - self._clocked < NOW_SECONDS):
                return last
            self._clocked = clocked
            receipt = receipt_of(self._replay.history, state)
            now = self._now(state, receipt)
            if last and not grown:
                page = last._replace(number=last.number + 1, now=now)
            else:
                page = self._draw(receipt, state, now, last.number + 1 if last else 1)
            if last is None or page[1:] != last[1:]:
                self.pages.append(page)
            return self.pages[-1]

    def look_back(self, seq: int) -> PageState:
        """The page as it was after an entry of the journal."""
        with self._looking_back:
            if seq < self._past.history.seq:
                self._past = Replay(self._journal, self._run_id)
            self._past.advance(seq)
            if (state := self._past.state) is None:
                raise LookupError(self._run_id)
            receipt = receipt_of(self._past.history, state)
            pieces = sheet_pieces(receipt, self._served, answerable(state))
            return page_state(0, self._past.history, receipt, Now(), pieces)

    def questions(self) -> tuple[Question, ...]:
        """The open questions, once it has looked."""
        with self._looking:
            self._replay.advance()
            return open_questions(self._replay.state) if self._replay.state else ()

    def _draw(self, receipt: Receipt, state: State, now: Now, number: int) -> PageState:
        asked = answerable(state)
        pieces = sheet_pieces(receipt, self._served, asked, answers=self._answers)
        return page_state(number, self._replay.history, receipt, now, pieces)

    def _now(self, state: State, receipt: Receipt) -> Now:
        resume = f"rivya-flows resume {self._run_id}"
        if state.ended:
            quiet = time.time() - self._replay.history.last.timestamp() > PATIENCE_SECONDS
            if state.ended == "suspended" and quiet and not answerable(state):
                return Now(stopped="It is answered; continue it with", command=resume)
            return Now()
        [listed] = listed_runs(self._journal.engine, run_id=self._run_id, limit=1) or [None]
        if listed and listed.status == "killed":
            why = "Its process ended. Nothing is lost or bought twice; continue it with"
            return Now(stopped=why, command=resume)
        moment = datetime.now(UTC)
        began = {
            one.id: min(item.began_at for item in one.items if item.began_at)
            for one in receipt.steps
            if one.status == "running" and any(item.began_at for item in one.items)
        }
        at_work = {name: (moment - at).total_seconds() for name, at in began.items()}
        working = [
            f"{row.name}: {', '.join(filter(None, [row.items, row.doing(self._usual)]))}"
            for row in rows(state)
            if row.status == "running" and row.now
        ]
        left = time_left(state, self._usual, at_work)
        return Now(tuple(working[:_MOST_WORKING]), left)

    @cached_property
    def _usual(self) -> Mapping[str, float]:
        """The seconds that a job of a step usually takes, where earlier runs tell."""
        first = self._replay.history.first
        assert first is not None
        state, durations = initial_state(first), JobDurations()
        durations.note_all(recent_durations(self._journal.engine, first.service))
        if sum(len(one.items) for one in state.steps.values()) <= _MOST_REHEARSED:
            rehearse(state, first.started_at, lambda _: None)
        priced = estimate(state, None, durations.usual())
        return {one.id: one.usual_seconds for one in priced.steps if one.usual_seconds}

    # --- In the event loop ---

    @property
    def is_followed(self) -> bool:
        return self._task is not None and not self._task.done()

    async def messages(self, known: str, ends: Callable[[], bool]) -> AsyncIterator[str]:
        """The events of one viewer, who knows the page of an event with this id, if any."""
        self.viewers += 1
        try:
            if not self.is_followed:
                await run_in_threadpool(self.look)
                self._task = asyncio.create_task(self._follow())
            mark, _, number = known.partition("-")
            pages = {str(one.number): one for one in self.pages if mark == self._mark}
            last, sent = pages.get(number), 0.0
            while not ends() and self.is_followed:
                page = self.pages[-1]
                if last is None or page.number > last.number:
                    before = last.pieces if last else None
                    text = json.dumps(page.message(before), separators=(",", ":"))
                    yield f"id: {self._mark}-{page.number}\ndata: {text}\n\n"
                    last, sent = page, time.monotonic()
                elif time.monotonic() - sent > PING_SECONDS:
                    yield ": still here\n\n"
                    sent = time.monotonic()
                await asyncio.sleep(_STREAM_SECONDS)
        finally:
            self.viewers -= 1

    async def _follow(self) -> None:
        """Looks as long as somebody watches."""
        while self.viewers:
            began, last, wait = time.monotonic(), self.pages[-1], LOOK_SECONDS
            try:
                page = await run_in_threadpool(self.look)
            except LookupError:
                break
            except StoreError:  # it may be away for a while
                page, wait = last, IDLE_LOOK_SECONDS
            ended = page.status not in ("running", "suspended")
            wait = max(wait, IDLE_LOOK_SECONDS * ended, _SHARE * (time.monotonic() - began))
            await asyncio.sleep(wait)


def page_state(
    number: int, history: History, receipt: Receipt, now: Now, pieces: tuple[str, ...]
) -> PageState:
    spent, cap = receipt.credits.spent, receipt.credits.budget
    credits = f"{spent:,}" if cap is None else f"{spent:,} of {cap:,}"
    at, title = history.last.timestamp(), title_of(receipt)
    return PageState(number, history.seq, at, title, credits, receipt.status, now, pieces)


@dataclass
class LiveRuns:
    """The runs of a store that are watched through one server.

    Attributes:
        served: Where pages find their media.
        answers: Questions are answered by a click; else pages show the command.
        ends: Whether the server is about to end: its streams end then.
    """

    journal: Journal
    served: Served
    answers: bool = False
    ends: Callable[[], bool] = lambda: False
    _runs: OrderedDict[str, LiveRun] = field(default_factory=OrderedDict)

    async def page(self, run_id: str) -> Response:
        """The page of a run as it is now, which then follows it."""
        page = await self._look(self._live_run(run_id))
        html = await run_in_threadpool(live_page, page.pieces, title=page.title)
        return HTMLResponse(html, headers=HEADERS)

    async def events(self, run_id: str, request: Request) -> Response:
        """What changes, as ``text/event-stream``; after ``Last-Event-ID`` where that page is still known."""
        if sum(one.viewers for one in self._runs.values()) >= MOST_VIEWERS:
            raise HTTPException(503, "Too many viewers.")
        run = self._live_run(run_id)
        await self._look(run)
        known = request.headers.get("last-event-id", "")
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        messages = run.messages(known, self.ends)
        return StreamingResponse(messages, headers=headers, media_type="text/event-stream")

    async def past(self, run_id: str, request: Request) -> Response:
        """The page as it was after entry ``?seq=``."""
        seq = request.query_params.get("seq", "")
        if not (seq.isascii() and seq.isdigit() and len(seq) < 10):
            raise HTTPException(400)
        run = self._live_run(run_id)
        try:
            page = await run_in_threadpool(run.look_back, int(seq))
        except LookupError:
            raise HTTPException(404) from None
        return JSONResponse(page.message(None), headers={"Cache-Control": "no-store"})

    async def questions(self, run_id: str) -> tuple[Question, ...]:
        """The open questions of a run."""
        run = self._live_run(run_id)
        await self._look(run)
        return await run_in_threadpool(run.questions)

    async def _look(self, run: LiveRun) -> PageState:
        if run.is_followed:
            return run.pages[-1]
        try:
            return await run_in_threadpool(run.look)
        except LookupError:
            raise HTTPException(404) from None

    def _live_run(self, run_id: str) -> LiveRun:
        run = self._runs.pop(run_id, None)
        if run is None:
            idle = [name for name, one in self._runs.items() if not one.viewers]
            if len(self._runs) >= MOST_RUNS:
                if not idle:
                    raise HTTPException(503, "Too many runs are watched.")
                del self._runs[idle[0]]
            run = LiveRun(self.journal, run_id, self.served, answers=self.answers)
        self._runs[run_id] = run
        return run


@dataclass(frozen=True)
class Reports:
    """The contact sheets of a store's runs, for everybody who has the address of one."""

    runs: LiveRuns
    secret: str

    @classmethod
    def of(cls, journal: Journal, secret: str) -> Reports:
        # Relative to the page, so that it works under any host name of the receiver.
        return cls(LiveRuns(journal, served_from("../..", secret)), secret)

    async def page(self, request: Request) -> Response:
        """`GET /runs/<token>/report.html`; 404 for an invalid URL, or a run that is gone."""
        return await self.runs.page(self._run_of(request))

    async def events(self, request: Request) -> Response:
        """`GET /runs/<token>/events`."""
        return await self.runs.events(self._run_of(request), request)

    async def past(self, request: Request) -> Response:
        """`GET /runs/<token>/past?seq=N`."""
        return await self.runs.past(self._run_of(request), request)

    def _run_of(self, request: Request) -> str:
        run_id = addresses.named_run(self.secret, str(request.path_params["token"]))
        if run_id is None:
            raise HTTPException(404)
        return run_id
