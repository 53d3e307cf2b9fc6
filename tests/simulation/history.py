"""One history: random campaigns, what people, processes and a hostile service do to them, and the audit.

The engine, the queue, the client, the journal, the leases and the pools are the product's own. Replaced
are what `replacements` names, and Prefect: calls of the engine are made directly.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from pydantic import SecretStr
from sqlalchemy import Engine

from rivya_client.catalogue.catalogue import Catalogue
from rivya_client.catalogue.snapshot import from_wire, shipped
from rivya_client.client import RivyaClient
from rivya_client.runtime import Runtime
from rivya_flows.assets import Asset
from rivya_flows.engine import jobs
from rivya_flows.engine.loop import Engine as RunEngine
from rivya_flows.engine.run import A, Run, RunOptions, is_absence
from rivya_flows.engine.run_context import RunContext, ServiceConnection
from rivya_flows.errors import RivyaError, StoreError
from rivya_flows.language.inputs import resolve_inputs
from rivya_flows.language.workflow import Workflow
from rivya_flows.plans.names import label
from rivya_flows.questions.question import Answer, Question
from rivya_flows.queue import events, reducer
from rivya_flows.queue.items import ItemState
from rivya_flows.queue.state import State
from rivya_flows.receipt.from_journal import receipt
from rivya_flows.receipt.report import RunReporter
from rivya_flows.settings import Settings, read_settings
from rivya_flows.spec.load import load
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.pools import Pool, Pools
from simulation.campaigns import campaign
from simulation.disk import SimulatedJournal, SimulatedLeases
from simulation.service import PRICES, Job, Network, Service
from simulation.world import Process, ViolationError, World

T = TypeVar("T")

KEY = "rvya_sk_simulated"
SERVICE = ServiceConnection("http://127.0.0.1:9", SecretStr(KEY), "simulated", 0.5)
CAMPAIGNS = 300
"""How many differ; what a campaign comes to without faults is found out once for each."""

DAY = 24 * 3600.0
MOST_RESUMES = 10
"""Resumes in peace after which a run must have its end."""

ENDS = {None, "job_failed", "unexpected_answer"}
"""Codes of items whose purchases are all decided."""

Outcome = dict[str, str]
"""The error code of each item by its label, or its phase where it has none."""


@dataclass(frozen=True)
class Site:
    """What histories of one process of this machine share.

    Attributes:
        engine: Of the store.
        folder: Of the store and of all files.
    """

    engine: Engine
    folder: Path
    settings: Settings = field(default_factory=read_settings)
    outcomes: dict[str, Outcome] = field(default_factory=dict)


@dataclass
class Books:
    """What an observer of the journal knows of the money of one run.

    Attributes:
        held: Credits of each purchase, by item and number.
        planned: Those that its intent reserved.
        cap: Of the run; None without one.
        floor: What was held when the cap was set: it may be more.
        excess: The most that one purchase cost more than was planned.
    """

    held: dict[tuple[str, str, int], int] = field(default_factory=dict)
    planned: dict[tuple[str, str, int], int] = field(default_factory=dict)
    cap: int | None = None
    floor: int = 0
    excess: int = 0

    @property
    def total(self) -> int:
        """Credits that the run holds."""
        return sum(self.held.values())

    def count(self, event: events.Event) -> str | None:
        """Counts an event that is durable; tells what is wrong with it."""
        match event:
            case events.RunFrozen() | events.RunResumed() if event.budget is not None:
                self.cap, self.floor = event.budget, self.total
            case events.PurchaseIntended():
                name = event.step, event.key, event.n
                self.held[name] = self.planned[name] = event.reserve
                if self.cap is not None and self.total > self.cap:
                    return f"{self.total} credits are planned over a budget of {self.cap}"
            case events.PurchaseAccepted():
                self._set(event, event.reserved_credits)
            case events.JobEnded() | events.ChatAnswered():
                self._set(event, event.final_credits)
            case events.PurchaseRefused():
                self._set(event, 0)
        if self.cap is not None and self.total > max(self.cap, self.floor) + self.excess:
            return f"{self.total} credits are held over a budget of {self.cap}"
        return None

    def _set(self, event: events.PurchaseEvent, credits: int) -> None:
        name = event.step, event.key, event.n
        self.held[name] = credits
        self.excess = max(self.excess, credits - self.planned[name])


class History:
    """The history of a seed; `peaceful` makes one without faults of this campaign."""

    def __init__(self, seed: int, site: Site, peaceful: str | None = None) -> None:
        self.world = World(seed, site.engine, calm=peaceful is not None)
        self.site, self.peaceful = site, peaceful
        chance = self.world.chance
        self.is_small = chance.random() < 0.7  # most bugs show in small histories, which are fast
        self.service = Service(
            self.world,
            balance=chance.choice([4, 1000, 1000]),
            dearer=chance.choice([0, 0, 0.3]),
            failing=chance.choice([0, 0.1, 0.4]),
            on_sale=self._observe_sale,
        )
        self.trouble = chance.choice([0.05, 0.2, 0.5, 0.8])
        self.books: dict[str, Books] = {}
        self.intents: set[str] = set()
        self.resubmitted: set[str] = set()
        self.pool: int | None = None
        self.texts: dict[str, str] = {}
        self.assets = AssetStore(site.folder.as_uri(), site.folder / "copies")
        self.world.on_commit = self._observe

    def run(self) -> dict[str, Outcome]:
        """Lives through the history and audits it; gives what each run came to.

        Raises:
            ViolationError: An invariant does not hold.
            StuckError: It does not end.
        """
        world = self.world
        asyncio.set_event_loop(world.loop)
        with world.clocks():
            try:
                outcomes = world.loop.run_until_complete(self._live())
                if world.violations:
                    raise ViolationError("; ".join(world.violations))
                return outcomes
            finally:
                world.calm = True
                for process in world.processes:
                    process.kill()
                world.loop.run_until_complete(world.loop.shutdown_asyncgens())
                world.loop.close()

    async def _live(self) -> dict[str, Outcome]:
        world, chance = self.world, self.world.chance
        if self.peaceful is None and chance.random() < 0.3:
            self._set_pool(chance.choice([3, 6]))
        run_ids = ["run-0", "run-1"] if self.pool and chance.random() < 0.6 else ["run-0"]
        for run_id in run_ids:
            self._start(run_id)
        if self.peaceful is None:
            async with asyncio.TaskGroup() as group:
                for number in range(chance.choice([1, 2] if self.is_small else [1, 2, 3])):
                    group.create_task(self._use_machine(f"m{number}", run_ids))
                group.create_task(self._act())
            world.calm = True
            world.tell("world", "calm from here on")
            await asyncio.sleep(8000)  # what is late arrives, and leases expire by every clock
            self.service.grant(200)
            if self.pool is not None:
                self._set_pool(1000)
        outcomes = {run_id: await self._settle(run_id) for run_id in run_ids}
        self._audit(run_ids)
        return outcomes

    def _set_pool(self, credits: int) -> None:
        self.pool = credits
        Pools(self.world.engine, self.world.now).set(Pool("acme", {}, credits, None, "total"))

    def _start(self, run_id: str) -> None:
        world, process = self.world, self.world.process("person")
        number = world.chance.randrange(CAMPAIGNS)
        text = self.peaceful or campaign(random.Random(number), 1 if self.is_small else 4)
        workflow = _workflow(text)
        budget = workflow.budget.credits if workflow.budget else None
        frozen = events.RunFrozen(
            run_id=run_id,
            spec_text=text,
            spec_file="spec.yaml",
            inputs=resolve_inputs(workflow, {}, folder=None),
            catalogue=dict(_catalogue().wire),
            catalogue_date=_catalogue().date,
            service="simulated",
            started_at=process.now(),
            nonce=f"{world.chance.getrandbits(128):032x}",
            budget=budget,
            cache=world.chance.choice(["off", "run"]),
        )
        self.texts[run_id], self.books[run_id] = text, Books(cap=budget)
        world.tell("person", f"starts {run_id}: {text}")
        journal = SimulatedJournal(process)
        while journal.run(run_id) is None:
            with suppress(StoreError):  # the disk refuses
                journal.create(frozen, self.site.folder / run_id)

    async def _use_machine(self, name: str, run_ids: list[str]) -> None:
        """Executes runs on one machine; each process may end at any effect."""
        world, chance = self.world, self.world.chance
        skew = chance.choice([0.0, 0.0, 0.0, 30.0, -600.0, 600.0])
        for number in range(chance.randint(1, 2 if self.is_small else 4)):
            effects = chance.randint(1, chance.choice([10, 20, 60]))
            if chance.random() < 0.3:
                effects = None
            process = world.process(f"{name}.{number}", effects=effects, skew=skew)
            process.is_asked = chance.random() < 0.2
            await world.pause(chance.choice([1, 1, 5, 5, 60, 60, DAY * 1.5]))
            options = RunOptions(
                regenerate=("*",) if chance.random() < 0.1 else (),
                budget=chance.choice([None] * 8 + [4, 12]),
            )
            with suppress(StoreError):  # another process drives the run, or the disk refuses
                await self._execute(process, chance.choice(run_ids), options)
            skew = process.skew

    async def _act(self) -> None:
        """What people do meanwhile: they buy credits, raise the pool and set clocks."""
        world, chance = self.world, self.world.chance
        for _ in range(chance.randint(0, 3)):
            await world.pause(chance.choice([1, 10, 100]))
            match chance.choice(["grant", "pool", "clock"]):
                case "grant":
                    self.service.grant(chance.choice([1, 5, 100]))
                case "pool" if self.pool is not None:
                    self._set_pool(max(self.pool, chance.choice([4, 8, 20])))
                case "clock":
                    process = chance.choice(world.processes)
                    process.skew = chance.choice([-3600, -60, 0, 60, 3600])
                    world.faults["a clock is set"] += 1
                    world.tell(process.name, f"has its clock set to {process.skew:+g} s")

    async def _execute(self, process: Process, run_id: str, options: RunOptions) -> State | None:
        """One execution; None if its process was ended."""
        world, chance = self.world, self.world.chance
        journal, leases = SimulatedJournal(process), SimulatedLeases(process)
        # Processes share nothing, not even the reads of one balance.
        service = replace(SERVICE, base_url=f"http://127.0.0.1:{1000 + process.number}")
        context = RunContext(
            settings=self.site.settings,
            service=service,
            journal=journal,
            leases=leases,
            assets=self.assets,
            scratch=self.site.folder,
        )
        row = journal.run(run_id)
        assert row is not None
        reporter = RunReporter(journal, self.assets, row)
        conflict_seconds = chance.choice([0, 5, 60])
        run = Run(
            context,
            reporter,
            options,
            self._ask,
            conflict_seconds=conflict_seconds,
            clock=process.now,
            outlasts=is_absence if world.fails(0.4) else lambda _: False,
        )
        client = RivyaClient(
            KEY,
            service.base_url,
            poll_seconds=0.5,
            runtime=Runtime(clock=world.loop.time, now=process.clock, chance=chance.random),
            transport=Network(self.service, process, self.trouble),
        )

        async def work() -> State:
            run.call = partial(_call, run)
            async with leases.hold(run_id) as run.lease, client as run.client:
                run.state = reporter.follow()
                hours = 0.0 if world.fails(0.1) else 20.0
                return await RunEngine(run).run(options.resume_event(process.now(), hours))

        try:
            return await process.execute(work())
        except RivyaError as error:
            if isinstance(error, StoreError) or is_absence(error):
                world.tell(process.name, f"ends: {error}")
                raise StoreError(str(error)) from error
            raise

    async def _ask(self, question: Question) -> Answer | None:
        await self.world.pause(30)
        if not question.choices or self.world.fails(0.5):
            return None
        return Answer((self.world.chance.choice(question.choices),), channel="terminal")

    def _observe_sale(self, job: Job) -> None:
        if job.key not in self.intents:
            self.world.violate(f"{job.name} was sent before its intent was on disk")
        if job.key in self.service.keys and job.key not in self.resubmitted:
            self.world.violate(f"{job.name} was sent again after the service forgot its key")

    def _observe(self, run_id: str, event: events.Event) -> None:
        if wrong := self.books[run_id].count(event):
            self.world.violate(f"{run_id}: {wrong}")
        if isinstance(event, events.PurchaseIntended):
            self.intents.add(event.idempotency_key)
            held = sum(books.total for books in self.books.values())
            if self.pool is not None and held > self.pool:
                self.world.violate(f"{held} credits are planned over a pool of {self.pool}")

    async def _settle(self, run_id: str) -> Outcome:
        """Resumes in peace until nothing changes; a person sends again what is uncertain or failed."""
        doubts, failures = list[str](), list[str]()
        state, outcome = None, Outcome()
        for number in range(MOST_RESUMES):
            process = self.world.process(f"peace.{number}")
            again = RunOptions(budget=1000, resubmit=tuple(doubts), regenerate=tuple(failures))
            state = await self._execute(process, run_id, again)
            assert state is not None
            items = {label(step_id, item.key): item for step_id, item in state.each()}
            outcome = {name: item.code or item.phase.name for name, item in items.items()}
            doubts = [name for name, code in outcome.items() if code == "uncertain"]
            failures = [
                name
                for name, code in outcome.items()
                if code in ("job_failed", "unexpected_answer") and "doomed" not in name
            ]
            self.resubmitted |= {items[name].purchases[-1].idempotency_key for name in doubts}
            is_over = not (doubts or failures) and all(map(_is_decided, items.values()))
            if is_over and state.ended != "suspended":
                return outcome
        raise ViolationError(
            f"{run_id} does not come to its end: {outcome}, {state and state.ended}"
        )

    def _audit(self, run_ids: list[str]) -> None:
        """Every credit that left the wallet is in one row of one ledger, and nothing was bought twice."""
        journal = SimulatedJournal(self.world.process("auditor"))
        receipts = [receipt(journal.entries(run_id)) for run_id in run_ids]
        ledger = [row for one in receipts for row in one.ledger]
        rows = {row.idempotency_key: row for row in ledger}
        # The newest of a key: a person buys again what the service has forgotten.
        for job in {job.key: job for job in self.service.jobs.values()}.values():
            row = rows.pop(job.key, None)
            if row is None:
                raise ViolationError(f"{job.id} is in no ledger")
            if row.held != job.final:
                raise ViolationError(f"{job.id} cost {job.final}, and its ledger says {row.held}")
        if unsold := [row.client_request_id for row in rows.values() if row.held]:
            raise ViolationError(f"the ledger has credits for what was never sold: {unsold}")
        taken = sum(job.final or 0 for job in self.service.jobs.values())
        if self.service.granted - self.service.balance != taken:
            raise ViolationError("the model of the service miscounts")
        for one in receipts:
            if one.credits.spent != sum(row.held for row in one.ledger):
                raise ViolationError(f"a receipt says {one.credits.spent}, unlike its ledger")
        spent = sum(one.credits.spent for one in receipts)
        for pool in Pools(self.world.engine, self.world.now).matching({}, "simulated"):
            if pool.spent != spent:
                raise ViolationError(f"a pool has {pool.spent} credits of {spent} in all receipts")
        made = Counter(
            job.name.partition("#")[0]
            for job in self.service.jobs.values()
            if not (job.fails or job.rambles) and job.key not in self.resubmitted
        )
        if again := [name for name, count in made.items() if count > 1]:
            raise ViolationError(f"bought twice: {again}")


def live(seed: int, site: Site) -> tuple[History, BaseException | None]:
    """Lives through the history of a seed; gives what is wrong with it."""
    history = History(seed, site)
    try:
        outcomes = history.run()
        for run_id, outcome in outcomes.items():
            text = history.texts[run_id]
            if text not in site.outcomes:
                [site.outcomes[text]] = History(0, site, text).run().values()
            if outcome != site.outcomes[text]:
                raise ViolationError(
                    f"{run_id} came to {outcome}, and without faults to {site.outcomes[text]}"
                )
    except Exception as error:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        return history, error
    return history, None


async def _call(run: Run, function: Callable[[Run, A], Awaitable[T]], _: str, action: A) -> T:
    return await function(run, action)


def _is_decided(item: ItemState) -> bool:
    open_ones = [one for one in item.purchases if one.final is None and one.status != "refused"]
    return item.code in ENDS and not open_ones


@lru_cache
def _catalogue() -> Catalogue:
    """The models that campaigns use alone: a run is replayed faster."""
    wire = shipped().wire
    named = [one for one in wire["data"] if one["id"] in PRICES]
    return from_wire({**wire, "data": named}, date=shipped().date, source="live")


@lru_cache(None)
def _workflow(text: str, **_: Any) -> Workflow:
    return load(text, file="spec.yaml", catalogue=_catalogue())


async def _assets(_: Any, urls: tuple[str, ...]) -> list[Asset]:
    """The media of a job, each known by its URL."""
    return [
        Asset(
            kind="image",
            url=url,
            mime_type="image/png",
            width=8,
            height=8,
            sha256=url.encode().hex()[-64:].rjust(64, "0"),
        )
        for url in urls
    ]


def _load(text: str, **_: Any) -> Workflow:
    return _workflow(text)


@contextmanager
def replacements() -> Iterator[None]:
    """Replaces what histories do not try: downloads and decoding. A spec is loaded once."""
    logging.disable(logging.CRITICAL)  # what faults leave behind
    gc.freeze()
    try:
        with (
            patch.object(jobs._Downloads, "collect", _assets),
            patch.object(reducer, "load", _load),
        ):
            yield
    finally:
        gc.unfreeze()
        logging.disable(logging.NOTSET)
