"""Random histories of a run against a service that breaks at any moment, and an oracle of its books.

The sandbox keeps jobs, keys and the wallet. `Trouble` stands between it and the client, and does to a
request what a network, a gateway or the service itself may do to it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from rivya_client.catalogue.catalogue import Catalogue
from rivya_client.catalogue.snapshot import from_wire, shipped
from rivya_flows.engine.run import RunOptions, ignore
from rivya_flows.engine.run_context import RunContext
from rivya_flows.errors import RivyaError
from rivya_flows.flows.absence import is_absence
from rivya_flows.plans.names import label
from rivya_sandbox.service import admin
from rivya_sandbox.service.options import HOSTILE, Options
from rivya_sandbox.service.serve import application
from rivya_sandbox.service.startup import Sandbox, acquire
from support.engine_runs import Bomb, Studio, accounts_agree, customer, outlasting

BOUGHT_AT = ("/api/v1/generations", "/api/v1/chat/completions")

REFUSALS = {
    "validation_failed": 400,
    "api_key_revoked": 401,
    "insufficient_credits": 402,
    "api_scope_denied": 403,
    "not_found": 404,
    "chat_session_conflict": 409,
}
"""Answers that refuse a request without a look at its key, with their statuses."""

PROFILE = replace(HOSTILE, stores_refusals=False, url_life_seconds=None, key_life_seconds=24 * 3600)
"""Other prices and fields. It stores no refusals: a purchase would stay open until its key is forgotten.

It keeps keys for longer than the `resend_hours` of its clients: a trial that is stopped for minutes goes on.
"""

Send = Callable[[], Awaitable[httpx.Response]]


def refused(status: int, code: str) -> httpx.Response:
    """An error of the service."""
    envelope = {"error": {"code": code, "message": "No.", "requestId": "req_1"}}
    return httpx.Response(status, json=envelope)


async def _unsent(send: Send) -> httpx.Response:
    raise httpx.ConnectError("Connection refused")


async def _lost_before(send: Send) -> httpx.Response:
    raise httpx.ReadError("")


async def _lost_after(send: Send) -> httpx.Response:
    await send()
    raise httpx.ReadError("")


async def _cut(send: Send) -> httpx.Response:
    answer = await send()
    return httpx.Response(answer.status_code, content=answer.content[: len(answer.content) // 2])


async def _gateway(status: int, send: Send) -> httpx.Response:
    await send()
    return httpx.Response(status, text="<html>the page of a gateway</html>")


async def _answered(status: int, code: str, send: Send) -> httpx.Response:
    return refused(status, code)


BREAKS: dict[str, Callable[[Send], Awaitable[httpx.Response]]] = {
    "unsent": _unsent,
    "lost before": _lost_before,
    "lost after": _lost_after,
    "cut": _cut,
    "504 after": partial(_gateway, 504),
    "403 after": partial(_gateway, 403),
    "503": partial(_answered, 503, "public_api_disabled"),
    "429": partial(_answered, 429, "rate_limited"),
    "conflict": partial(_answered, 409, "idempotency_conflict"),
    **{code: partial(_answered, status, code) for code, status in REFUSALS.items()},
}
"""What may happen to a paid request. `send` hands it to the service, once."""


_MODELS = {"gemini-2-5-flash-chat", "z-image", "seedream-5-lite"}
_DRAWN = [*BREAKS, "late", *["lost after", "conflict"] * 3]
"""More often what leaves a purchase without an answer."""


@dataclass
class Trouble(httpx.AsyncBaseTransport):
    """Does to each paid request what `plan` says.

    Attributes:
        service: The service behind it.
        plan: Gives the name of a break of `BREAKS`, ``late``, or None for a request that is left alone.
            A late request reaches the service only with the next one.
        chance: Breaks one in eight of the free requests; None breaks none.
    """

    service: httpx.AsyncBaseTransport
    plan: Callable[[], str | None] = lambda: None
    chance: random.Random | None = None
    _late: list[Send] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As every transport of httpx."""
        send = partial(self._sent, request)
        if request.method == "POST" and request.url.path in BOUGHT_AT:
            name = self.plan()
            if name == "late":
                self._late.append(send)
                raise httpx.ReadError("")
            answer = await (send() if name is None else BREAKS[name](send))
            await self.deliver()
            return answer
        if self.chance is not None and self.chance.random() < 1 / 8:
            return refused(*self.chance.choice([(404, "not_found"), (503, "internal_error")]))
        return await send()

    async def deliver(self) -> None:
        """Hands over what is late."""
        while self._late:
            await self._late.pop(0)()

    async def _sent(self, request: httpx.Request) -> httpx.Response:
        answer = await self.service.handle_async_request(request)
        try:
            content = b"".join([piece async for piece in answer.aiter_raw()])
            return httpx.Response(answer.status_code, headers=answer.headers, content=content)
        finally:
            await answer.aclose()

    async def aclose(self) -> None:
        """Closes nothing: the next execution needs it too."""


@dataclass
class TroubledStudio(Studio):
    """A studio behind `Trouble`, whose pauses take next to no time."""

    trouble: Trouble = field(kw_only=True)
    _opened: ExitStack = field(default_factory=ExitStack, init=False)
    _context: RunContext | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.transport, self.shortened = self.trouble, 2000

    @contextmanager
    def context(self, bomb: Bomb) -> Iterator[RunContext]:
        """As every studio; only a bomb in the journal opens everything again."""
        if bomb.write is not None:
            with super().context(bomb) as context:
                yield context
            return
        self._context = self._context or self._opened.enter_context(super().context(Bomb()))
        yield self._context

    def close(self) -> None:
        """Closes the journal."""
        self._opened.close()


@dataclass(frozen=True)
class LocalService:
    """The sandbox without its server: a client of this process calls the application."""

    sandbox: Sandbox
    transport: httpx.AsyncBaseTransport


@asynccontextmanager
async def local_service(data: Path) -> AsyncIterator[LocalService]:
    """A service for any number of histories; pictures of something doomed fail there."""
    doomed = "faults: [{on: generation, do: fail, model: z-image, prompt: doomed}]"
    options = Options(data, port=0, time_scale=0, media="plain", profile=PROFILE, faults=doomed)
    with acquire(options) as site:
        async with application(site, options) as app:
            yield LocalService(site.sandbox, httpx.ASGITransport(app))


def campaign(chance: random.Random) -> str:
    """A small campaign."""
    count = chance.randint(1, 3)
    items = ", ".join(f"{chance.choice(['lamp', 'doomed'])} {n}" for n in range(count))
    keys = [f"retry: {{attempts: {chance.randint(1, 3)}}}"]
    keys += chance.choice([[], ["regenerate: 1"], ["fallback: [{model: seedream-5-lite}]"]])
    budget = chance.choice(["", "budget: {credits: 9}"])
    lines = ["version: 1", "name: history", budget, "steps:"]
    if chance.random() < 0.7:
        retry = f"retry: {{attempts: {chance.randint(1, 2)}}}"
        expect = ", expect: {visual: string}" if chance.random() < 0.5 else ""
        model = "{model: gemini-2-5-flash-chat, message: A line for a lamp" + expect + "}"
        lines += ["  script:", "    uses: chat", f"    {retry}", f"    with: {model}"]
    if chance.random() < 0.7:
        lines += ["  stills:", "    uses: generate", f"    foreach: [{items}]"]
        lines += [f"    {key}" for key in keys]
        lines += ['    with: {model: z-image, prompt: "${{ item }}"}']
    elif len(lines) == 4:
        lines += ["  hero: {uses: generate, with: {model: z-image, prompt: lamp}}"]
    return "\n".join(lines)


@dataclass
class Seen:
    """What happened in histories.

    Attributes:
        histories, executions, kills: How many.
        absences: Executions that ended with the service away, to go on later.
        breaks: How often each happened to a paid request.
        purchases, uncertain: Rows of ledgers, and those that a person sent again.
        spent: Credits.
    """

    histories: int = 0
    executions: int = 0
    kills: int = 0
    absences: int = 0
    purchases: int = 0
    uncertain: int = 0
    spent: int = 0
    breaks: Counter[str] = field(default_factory=Counter)

    def add(self, other: Seen) -> None:
        """Counts what happened in others too."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


class HistoryError(AssertionError):
    """The books of histories are wrong."""


async def histories(
    seeds: Iterable[int], service: LocalService, folder: Path, *, kills: bool = False
) -> Seen:
    """Executes one run for each seed with one wallet, and compares the books of all of them.

    Raises:
        HistoryError: Something was bought twice, or ledger, jobs and wallet differ.
    """
    seen, seeds = Seen(), tuple(seeds)
    chance = random.Random(seeds[0])
    trouble = Trouble(service.transport)
    granted = chance.choice([3, 1000])
    known = customer(service.sandbox, folder, credits=granted)
    studio = TroubledStudio(known.folder, known.service, known.account, known.data, trouble=trouble)
    studio.catalogue = _catalogue()
    others, run_ids = list[str](), [f"run-{seed}" for seed in seeds]
    try:
        for seed, run_id in zip(seeds, run_ids, strict=True):
            others += await _history(random.Random(seed), studio, run_id, kills=kills, seen=seen)
            admin.add_credits(service.sandbox.data, 100, account=studio.account)
            granted += 100
            await _settled(studio, run_id, seen)
        data = service.sandbox.data
        seen.spent += accounts_agree(studio, data, *run_ids, granted=granted, others=others)
        _nothing_twice(studio, data, others)
    except AssertionError as error:
        raise HistoryError(f"histories {seeds[0]} to {seeds[-1]}: {error}") from error
    finally:
        studio.close()
    return seen


def _catalogue() -> Catalogue:
    """The models of the campaigns alone: a run is replayed faster."""
    wire = shipped().wire
    named = [one for one in wire["data"] if one["id"] in _MODELS]
    return from_wire({**wire, "data": named}, date=shipped().date, source="live")


async def _history(
    chance: random.Random, studio: TroubledStudio, run_id: str, *, kills: bool, seen: Seen
) -> list[str]:
    """Executes one run in trouble; gives what others bought in that time."""
    await studio.start(campaign(chance), run_id)
    share, others = chance.choice([0.2, 0.5, 0.8]), list[str]()

    def plan() -> str | None:
        name = chance.choice(_DRAWN) if chance.random() < share else None
        seen.breaks[name or "left alone"] += 1
        return name

    trouble = studio.trouble
    trouble.plan, trouble.chance = plan, chance
    for _ in range(chance.randint(1, 4)):
        bomb = None
        if kills and chance.random() < 0.8:
            place = chance.choice([-1, 1]) * chance.randint(1, 16)
            bomb = chance.choice([Bomb(write=place), Bomb(post=place // 4 or 1)])
        seen.executions += 1
        try:
            ended = await studio.execute(
                run_id,
                RunOptions(regenerate=("*",) if chance.random() < 0.1 else ()),
                bomb=bomb,
                conflict_seconds=chance.choice([0, 0.06]),
                resend_hours=chance.choice([0] + [20] * 9),
                prepare=outlasting if chance.random() < 0.4 else ignore,
            )
        except RivyaError as error:
            if not is_absence(error):
                raise
            seen.absences += 1
            continue
        seen.kills += ended is None
        if chance.random() < 0.2:
            others += await _bought_by_another(studio)
        if ended is not None and ended.ended == "completed":
            break
    trouble.plan, trouble.chance = (lambda: None), None
    await trouble.deliver()
    seen.histories += 1
    return others


async def _bought_by_another(studio: TroubledStudio) -> list[str]:
    """A job of somebody else from the same wallet; it may fail, and its credits come back."""
    trouble = Trouble(studio.trouble.service)
    async with replace(studio, trouble=trouble).client() as client:
        body: Any = {"model": "z-image", "prompt": "doomed"}
        try:
            return [(await client.generations.create(body)).id]
        except Exception:  # the wallet is empty
            return []


async def _settled(studio: TroubledStudio, run_id: str, seen: Seen) -> None:
    """Resumes in peace until every purchase is decided; a person sends again what is uncertain."""
    doubts = tuple[str, ...]()
    for _ in range(6):
        state = await studio.execute(run_id, RunOptions(resubmit=doubts))
        seen.executions += 1
        assert state is not None
        items = [(label(step_id, item.key), item) for step_id, item in state.each()]
        doubts = tuple(name for name, item in items if item.code == "uncertain")
        seen.uncertain += len(doubts)
        unsettled = [
            (name, item.code)
            for name, item in items
            if item.code not in _FINAL
            or any(one.final is None for one in item.purchases if one.status != "refused")
        ]
        if not unsettled:
            seen.purchases += sum(len(item.purchases) for _, item in items)
            return
    raise AssertionError(f"{run_id} is not settled: {unsettled}")


_FINAL = {None, "job_failed", "over_budget", "unexpected_answer"}


def _nothing_twice(studio: Studio, data: Path, others: Sequence[str]) -> None:
    """No key has two jobs, and no item two that succeeded."""
    jobs = admin.ledger(data, account=studio.account)["generations"]
    mine = [job for job in jobs if job["id"] not in others]
    keys = Counter(str(job["idempotency_key"]) for job in mine)
    made = Counter(
        str(job["client_request_id"]).partition("#")[0]
        for job in mine
        if job["status"] == "succeeded"
    )
    again = {name: count for name, count in (keys + made).items() if count > 1}
    assert not again, f"bought twice: {again}"
