"""The page of a link: shows a reviewer the media of one question, and takes one answer to it.

Whatever opens it, as a mail scanner does, answers nothing: an answer is a POST with a token of the page.
"""

from __future__ import annotations

import asyncio
import functools
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import jinja2
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from rivya_client.mime_types import suffix_of
from rivya_cut.fonts import with_fonts
from rivya_flows.assets import Asset
from rivya_flows.errors import UsageError
from rivya_flows.questions.open_questions import MAX_NOTE, open_questions
from rivya_flows.questions.question import Answer, Question, writable
from rivya_flows.questions.reading_answers import NONE, check_answer
from rivya_flows.queue.events import AnswerGiven
from rivya_flows.queue.items import TERMINAL
from rivya_flows.queue.reviewing import person_of
from rivya_flows.queue.state import State
from rivya_flows.receipt.from_journal import media_of, recorded_asset
from rivya_flows.receipt.questions import note_place, readable
from rivya_flows.receiver import addresses
from rivya_flows.receiver.live import Replay
from rivya_flows.receiver.media import declared_size, medium_response, read_body
from rivya_flows.receiver.review_texts import moment, texts_for
from rivya_flows.steps.review import CHANGES, read_notes
from rivya_flows.store import links, mailbox
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal
from rivya_flows.store.links import Link
from rivya_flows.store.run_list import undelivered_runs

MAX_FORM_BYTES = 32_768
MAX_ANSWERS, MAX_GUESSES, WINDOW_SECONDS = 30, 60, 600.0
"""Answers of one link, and wrong addresses of one client, in a window."""

MAX_TURNS = 500
"""Answers of all reviewers in a round: each is an entry of the journal."""

_KNOWN_RUNS, _KNOWN_CLIENTS = 8, 4_096
_RECORDED_SECONDS = 2.0  # how long an answer waits for its record before the next page comes

Deliver = Callable[[str], Coroutine[Any, Any, None]]
"""Sees to it that the answers that wait for a run reach its journal."""


async def leave(_: str) -> None:
    """Leaves an answer to the next execution of its run."""


class Given(NamedTuple):
    """What the holder of a link answered last; `is_recorded` once it is in the journal."""

    picked: tuple[str, ...]
    note: str
    round: int
    at: datetime
    is_recorded: bool


@dataclass(frozen=True)
class Seen:
    """What a link shows at a moment.

    Attributes:
        status: Whether its question is open; else whether it will be, `later`, or not any more.
        media: By the position of its candidate, each a medium of the run.
        given: Of its holder, in any round; `earlier`: the last ones with notes of earlier rounds.
        title: Of the spec.
    """

    link: Link
    status: str
    question: Question | None = None
    media: Mapping[int, Asset] = field(default_factory=dict)
    given: Given | None = None
    earlier: Sequence[AnswerGiven] = ()
    left: int | None = None
    is_review: bool = False
    title: str | None = None


@dataclass
class _Rate:
    """How often something happened in a window, by who did it; forgets who did it longest ago."""

    most: int
    _by: OrderedDict[object, deque[float]] = field(default_factory=OrderedDict)

    def is_over(self, who: object) -> bool:
        """Counts once more; whether that was too often."""
        now, times = time.monotonic(), self._by.pop(who, deque(maxlen=self.most + 1))
        while times and times[0] < now - WINDOW_SECONDS:
            times.popleft()
        times.append(now)
        self._by[who] = times
        if len(self._by) > _KNOWN_CLIENTS:
            self._by.popitem(last=False)
        return len(times) > self.most


@dataclass
class Reviews:
    """The pages of a store's links.

    Attributes:
        hosts: Names of the receiver that a form may come from, beside the one it was asked by.
    """

    journal: Journal
    assets: AssetStore
    secret: str
    deliver: Deliver = leave
    hosts: frozenset[str] = frozenset()
    _runs: OrderedDict[str, Replay] = field(default_factory=OrderedDict)
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _answers: _Rate = field(default_factory=lambda: _Rate(MAX_ANSWERS))
    _guesses: _Rate = field(default_factory=lambda: _Rate(MAX_GUESSES))
    _delivering: set[asyncio.Task[None]] = field(default_factory=set)

    def routes(self) -> list[Route]:
        return [
            Route("/review/{token}", self.page),
            Route("/review/{token}", self.take, methods=["POST"]),
            Route("/review/{token}/media/{number:int}", self.medium),
        ]

    async def page(self, request: Request) -> Response:
        """`GET /review/<token>`: the question of a link; 404 for an invalid URL, 410 once it takes no answer."""
        seen = await self._see(request)
        done = seen.status == "over" and seen.given is not None
        status = 200 if done or seen.status in ("open", "later") else 410
        return self._render(request, seen, status)

    async def take(self, request: Request) -> Response:
        """Lets the answer of a form wait for the run; 403 unless the page that is open now sent it."""
        seen = await self._see(request)
        if seen.status in ("expired", "revoked"):
            return self._render(request, seen, 410)
        if not self._is_from_here(request):
            return self._render(request, seen, 403, "stale")
        turn = 0 if seen.question is None else seen.question.turn
        if self._answers.is_over(seen.link.id) or turn > MAX_TURNS:
            return self._render(request, seen, 429, "many")
        fields = await _form(request)
        if (question := seen.question) is None:
            # Where it was answered before, the page would say that it was recorded.
            return self._render(request, seen, 410, "stale" if seen.given else "")
        token = next(iter(fields.get("page", ())), "")
        if not addresses.is_page_token(self.secret, seen.link, question.name, token):
            return self._render(request, seen, 403, "stale")
        note = "; ".join(filter(None, map(str.strip, fields.get("note", [""])[0].splitlines())))
        answer = Answer(
            _read_choices(question, fields.get("answer", ())), note, seen.link.reviewer, "link"
        )
        if problem := _problem(question, fields.get("answer", ()), answer):
            return self._render(request, seen, 400, problem, answer=answer)
        at, (run_id, engine) = datetime.now(UTC), (seen.link.run_id, self.journal.engine)
        await run_in_threadpool(mailbox.put, engine, run_id, question.name, answer, at)
        task = self._begin_delivery(run_id)
        # Most are in the journal by then, and the next page says so.
        await asyncio.wait({task}, timeout=_RECORDED_SECONDS)
        return RedirectResponse(str(request.path_params["token"]), 303, _HEADERS)

    async def medium(self, request: Request) -> Response:
        """`GET /review/<token>/media/<n>`: a medium of the question, as long as the link shows it."""
        seen = await self._see(request)
        asset = seen.media.get(request.path_params["number"])
        if seen.status != "open" or asset is None or not (asset.sha256 and asset.mime_type):
            raise HTTPException(404)
        name = f"{asset.kind}-{request.path_params['number']}{suffix_of(asset.mime_type)}"
        served = addresses.ServedMedium(asset.sha256, asset.mime_type)
        return await medium_response(self.assets, served, name, request, _OF_MEDIUM)

    async def deliver_left(self) -> None:
        """Delivers the answers that a process which was killed has left."""
        for run_id in await run_in_threadpool(undelivered_runs, self.journal):
            self._begin_delivery(run_id)

    def _begin_delivery(self, run_id: str) -> asyncio.Task[None]:
        task = asyncio.ensure_future(self.deliver(run_id))
        self._delivering.add(task)
        task.add_done_callback(self._delivering.discard)
        return task

    async def stop(self) -> None:
        """Ends the deliveries; what is not delivered waits in the store."""
        for task in self._delivering:
            task.cancel()
        await asyncio.gather(*self._delivering, return_exceptions=True)

    async def _see(self, request: Request) -> Seen:
        named = addresses.named_link(self.secret, str(request.path_params["token"]))
        link: Link | None = None
        if named is not None:
            link = await run_in_threadpool(links.link, self.journal.engine, named[0])
        if named is None or link is None or link.digest != named[1]:
            who = request.client.host if request.client else ""
            raise HTTPException(429 if self._guesses.is_over(who) else 404)
        if link.revoked_at is not None:
            return Seen(link, "revoked")
        if not link.is_active(now := datetime.now(UTC)):
            return Seen(link, "expired")
        async with self._reading:
            return await run_in_threadpool(self._look, link, now)

    def _look(self, link: Link, now: datetime) -> Seen:
        """The question of a link as the journal and the mailbox have it."""
        known = self._replay(link.run_id)
        if (state := known.state) is None or self.journal.run(link.run_id) is None:  # removed
            return Seen(link, "over")
        of_link = link.step, link.key
        planned = state.plan.steps.get(link.step)
        is_review = planned is not None and planned.review is not None
        journaled = [one for one in known.answers if (one.step, one.key) == of_link]
        given = self._last_of(link, journaled)
        questions = (one for one in open_questions(state) if (one.step, one.key) == of_link)
        question = next(questions, None)
        if question is None or question.is_due(now):
            is_over = question is not None or planned is None or _is_settled(state, link)
            return Seen(link, "over" if is_over else "later", given=given, is_review=is_review)
        of_run = media_of(state)
        media = {
            one.n: asset
            for one in question.candidates
            if (asset := recorded_asset(one.asset and one.asset.as_json(), of_run))
        }
        if given is not None and given.round != question.round:
            given = None
        last = {(one.round, person_of(one.by.name)): one for one in journaled}
        earlier = [one for one in last.values() if one.round < question.round and one.note]
        left = None if state.cap is None else max(0, state.cap - state.spent)
        title = state.plan.workflow.title
        return Seen(link, "open", question, media, given, earlier, left, is_review, title)

    def _last_of(self, link: Link, journaled: Sequence[AnswerGiven]) -> Given | None:
        """What was answered last with the links of a person to a question."""
        by = (link.reviewer, "link")
        found = [
            Given(one.picked, one.note, one.round, one.by.at or link.created_at, True)
            for one in journaled
            if (one.by.name, one.by.channel) == by
        ]
        found += [
            Given(one.answer.picked, one.answer.note, one.question[2], one.at, False)
            for _, one in mailbox.waiting(self.journal.engine, link.run_id)
            if one.question[:2] == (link.step, link.key)
            and (one.answer.name, one.answer.channel) == by
        ]
        return found[-1] if found else None

    def _replay(self, run_id: str) -> Replay:
        """A run up to the end of its journal."""
        known = self._runs.pop(run_id, None) or Replay(self.journal, run_id)
        known.advance()
        self._runs[run_id] = known
        if len(self._runs) > _KNOWN_RUNS:
            self._runs.popitem(last=False)
        return known

    def _is_from_here(self, request: Request) -> bool:
        """Whether a browser says that a page of ours sent a form, as far as it says anything.

        Our pages send no referrer, so that the origin of their forms is ``null``.
        """
        headers = request.headers
        origin, host = headers.get("origin", "null"), headers.get("host", "")
        from_here = origin == "null" or urlsplit(origin).netloc == host
        from_here = from_here or urlsplit(origin).hostname in self.hosts
        return from_here and headers.get("sec-fetch-site", "same-origin") == "same-origin"

    def _render(
        self,
        request: Request,
        seen: Seen,
        status: int,
        problem: str = "",
        *,
        answer: Answer | None = None,
    ) -> Response:
        texts, nonce = (
            texts_for(request.headers.get("accept-language", "")),
            secrets.token_urlsafe(16),
        )
        view = _view(seen, texts, answer)
        token = str(request.path_params["token"])
        page = seen.question and addresses.page_token(self.secret, seen.link, seen.question.name)
        message = problem if problem in ("stale", "many") else ""
        html = with_fonts(
            _template().render(
                view, t=texts, nonce=nonce, token=token, page=page, message=message, problem=problem
            )
        )
        policy = (
            f"default-src 'none'; img-src 'self'; media-src 'self'; font-src data:; style-src 'nonce-{nonce}';"
            f" script-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        headers = {**_HEADERS, "Content-Security-Policy": policy, "Content-Language": texts["lang"]}
        return HTMLResponse(html, status, headers)


def _is_settled(state: State, link: Link) -> bool:
    """Whether a question that is not open will not be asked again, as far as is known."""
    item = state.steps[link.step].items.get(link.key)
    has_ended = item is not None and item.phase in TERMINAL
    return has_ended or link.label in state.answers or state.ended in ("completed", "failed")


_HEADERS = {
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Accept-Language",
}
_OF_MEDIUM = {"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin"}
_TYPE = "application/x-www-form-urlencoded"


async def _form(request: Request) -> Mapping[str, list[str]]:
    """The fields of a form, bounded in size and number."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise HTTPException(415)
    declared_size(request, MAX_FORM_BYTES, "")
    body = b"".join([piece async for piece in read_body(request, MAX_FORM_BYTES, "")])
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=200, errors="replace")
    except ValueError:
        raise HTTPException(400) from None


def none_of(question: Question) -> str:
    """The value that stands for none of the candidates: ``none``, unless one has this key."""
    found = "none"
    while found in question.spellings:
        found = NONE if found == "none" else f"{found}."
    return found


def _read_choices(question: Question, values: Sequence[str]) -> tuple[str, ...]:
    """The choices of a form, in the order of the question; empty for none of them."""
    keys = [question.spellings.get(one, one) for one in values if one != none_of(question)]
    order = {key: place for place, key in enumerate(question.choices)}
    return tuple(sorted(keys, key=lambda key: order.get(key, len(order))))


def _problem(question: Question, values: Sequence[str], answer: Answer) -> str:
    """What is wrong with an answer, by its name among the texts; "" if nothing is."""
    is_none = values == [none_of(question)] and question.rounds_left > 0 and question.kind == "pick"
    wanted = 1 if question.kind == "review" else question.count
    if not is_none and (len(values), len(answer.picked)) != (wanted, wanted):
        return "missing" if wanted == 1 else "missing_n"
    if question.kind == "review" and answer.picked == (CHANGES,) and not answer.note:
        return "no_note"
    if any(one not in question.choices for one in answer.picked):  # as the owner's end of a round
        return "wrong"
    if is_none and question.over:
        return "too_dear"
    takes_note = is_none or question.kind == "review"
    if takes_note and len(answer.note) > _room(question, answer.picked):
        return "long"
    try:
        check_answer(question, answer)
    except UsageError:
        return "wrong"
    return ""


def _room(question: Question, picked: Sequence[str]) -> int:
    """Characters of a note beside an answer."""
    is_approval = question.kind == "review" and tuple(picked) != (CHANGES,)
    return MAX_NOTE if is_approval else question.note_room


def _view(seen: Seen, texts: Mapping[str, str], answer: Answer | None) -> dict[str, Any]:
    """What the template shows."""
    link, question, given = seen.link, seen.question, seen.given
    view: dict[str, Any] = {
        "seen": seen,
        "link": link,
        "q": question,
        "given": given and _words_of(given.picked, texts, is_review=seen.is_review),
        "note": answer.note if answer else given.note if given else "",
        "chosen": {writable(one) for one in (answer or given or Answer(())).picked},
    }
    if question is None:
        return view
    rest = [one for one in question.responses if one.by.name != link.reviewer]
    view |= {
        "refusal": none_of(question) if question.rounds_left and question.kind == "pick" else None,
        "limit": _room(question, answer.picked) if answer else 0,
        "missing": ", ".join(_missing_reviewers(question)),
        "room": max(_room(question, ()), question.note_room),
        "cost": _cost(question, seen.left, texts),
        "responses": [
            (one.by.name or "–", _words_of(one.picked, texts, is_review=True), read_notes(one.note))
            for one in rest
        ],
        "earlier": [
            (one.by.name or "–", one.round + 1, read_notes(one.note)) for one in seen.earlier
        ],
    }
    return view


def _missing_reviewers(question: Question) -> list[str]:
    """The reviewers who have not answered in this round."""
    answered = {person_of(one.by.name) for one in question.responses}
    return [one for one in question.reviewers if person_of(one) not in answered]


def _words_of(picked: Sequence[str], texts: Mapping[str, str], *, is_review: bool) -> str:
    """What somebody answered, as words."""
    if not picked:
        return texts["rejected"]
    if is_review:
        return texts["wants" if picked[0] == CHANGES else "approved"]
    return texts["chose"].format(what=", ".join(map(writable, picked)))


def _cost(question: Question, left: int | None, texts: Mapping[str, str]) -> str:
    """What changes, or none of the candidates, buy and cost."""
    if question.again is None:
        return texts["cost_none"] if question.kind == "review" else ""
    most = question.again.most
    price = texts["at_least"].format(n=question.again.least) if most is None else texts["up_to"]
    if most is not None:
        price = {0: texts["free"], 1: texts["up_to_1"]}.get(most, price).format(n=f"{most:,}")
    what = "cost" if question.kind == "review" else "new"
    if left is None:
        return texts[what].format(price=price)
    cost = texts[f"{what}_left"].format(price=price, left=f"{left:,}")
    return f"{cost} {texts['too_dear']}" if question.over else cost


@functools.cache
def _template() -> jinja2.Template:
    # The colours are those of the contact sheet.
    loaders = [jinja2.PackageLoader("rivya_flows", one) for one in ("receiver", "receipt")]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": moment,
        "place": note_place,
        "readable": readable,
        "writable": writable,
    }
    return environment.get_template("review.html")
