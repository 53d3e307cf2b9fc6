"""One history: random campaigns, what people, processes and a hostile service do to them, and the audit.

The engine, the queue, the client, the journal, the leases and the pools are the product's own. Replaced
are what `replacements` names, and Prefect: calls of the engine are made directly.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
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
from rivya_cut.measures import Measures
from rivya_flows.assets import Asset
from rivya_flows.engine import jobs
from rivya_flows.engine.loop import drive
from rivya_flows.engine.run import A, Run, RunOptions, is_absence
from rivya_flows.engine.run_context import RunContext, ServiceConnection
from rivya_flows.errors import MediaError, RivyaError, StoreError
from rivya_flows.language.inputs import resolve_inputs
from rivya_flows.language.workflow import Workflow
from rivya_flows.plans.names import label
from rivya_flows.questions.question import Answer, Question
from rivya_flows.questions.reading_answers import check_answer
from rivya_flows.queue import events, reducer
from rivya_flows.queue.items import ItemState
from rivya_flows.queue.state import State
from rivya_flows.receipt.report import RunReporter
from rivya_flows.runs.resume import acceptances
from rivya_flows.settings import Settings
from rivya_flows.spec.load import load
from rivya_flows.store import leases
from rivya_flows.store.assets import AssetStore
from simulation.campaigns import REFUSES, campaign
from simulation.disk import SimulatedJournal, SimulatedLeases, has_owner_ended
from simulation.observer import Books, Observer
from simulation.service import PRICES, Network, Service
from simulation.world import PROCESS, Process, ViolationError, World

T = TypeVar("T")

KEY = "rvya_sk_simulated"
SERVICE = ServiceConnection("http://127.0.0.1:9", SecretStr(KEY), "simulated", 0.5)
CAMPAIGNS = 300
"""How many differ; what a campaign comes to without faults is found out once for each."""

DAY = 24 * 3600.0
MOST_RESUMES = 10
"""Resumes in peace after which a run must have its end."""

ENDS = {None, "job_failed", "quality_failed"}
"""Codes of items whose purchases are all decided."""

BOUGHT_AGAIN = ("job_failed", "unexpected_answer", "quality_failed")
"""Codes of items that a person buys again, or takes as they are."""

HOPELESS = {"quality_failed": "blank"}
"""What always ends so; with other codes, what is doomed."""

BY = events.AnsweredBy(name=None, channel="command", at=datetime(2026, 11, 25, tzinfo=UTC))

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
    settings: Settings = field(default_factory=Settings)
    outcomes: dict[str, Outcome] = field(default_factory=dict)


class History:
    """The history of a seed; `peaceful` makes one without faults of this campaign."""

    def __init__(self, seed: int, site: Site, peaceful: str | None = None) -> None:
        self.world = World(seed, site.engine, calm=peaceful is not None)
        self.site, self.peaceful = site, peaceful
        chance = self.world.chance
        self.world.naps = chance.choice([0.0, 0.0, 0.0, 0.1])
        self.has_nights = chance.random() < 0.2
        self.is_small = chance.random() < 0.7  # most bugs show in small histories, which are fast
        self.service = Service(
            self.world,
            balance=chance.choice([4, 1000, 1000]),
            dearer=chance.choice([0, 0, 0.3]),
            failing=chance.choice([0, 0.1, 0.4]),
        )
        self.trouble = chance.choice([0.05, 0.3, 0.6, 0.9])
        self.observer = Observer(self.world, self.service)
        self.texts: dict[str, str] = {}
        self.assets = AssetStore(site.folder.as_uri(), site.folder / "copies")
        self.world.on_commit = self.observer.observe

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
                return world.loop.run_until_complete(self._live())
            except Exception as error:
                is_named = isinstance(error, ViolationError)
                world.violate(str(error) if is_named else f"{type(error).__name__}: {error}")
                raise
            finally:
                world.calm = True
                for process in world.processes:
                    process.kill()
                world.loop.run_until_complete(world.loop.shutdown_asyncgens())
                world.loop.close()
                if world.violations:
                    raise ViolationError("; ".join(world.violations))

    async def _live(self) -> dict[str, Outcome]:
        world, chance = self.world, self.world.chance
        if self.peaceful is None and chance.random() < 0.3:
            self.observer.set_pool(chance.choice([3, 6]))
        run_ids = ["run-0", "run-1"] if self.observer.pool and chance.random() < 0.6 else ["run-0"]
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
            if self.observer.pool is not None:
                self.observer.set_pool(1000)
        outcomes = {run_id: await self._settle(run_id) for run_id in run_ids}
        self.observer.audit(SimulatedJournal(world.process("auditor")))
        return outcomes

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
        )
        self.texts[run_id], self.observer.books[run_id] = (
            text,
            Books(cap=budget, refusing="stills" if REFUSES in text else None),
        )
        world.tell("person", f"starts {run_id}: {text}")
        journal = SimulatedJournal(process)
        while journal.run(run_id) is None:
            with suppress(StoreError):  # the disk refuses
                journal.create(frozen, self.site.folder / run_id)

    async def _use_machine(self, name: str, run_ids: list[str]) -> None:
        """Executes runs on one machine; each process may end at any effect."""
        world, chance = self.world, self.world.chance
        skew = chance.choice([0.0, 0.0, 0.0, 30.0, -600.0, 600.0])
        for _ in range(chance.randint(1, 2 if self.is_small else 4)):
            most = chance.choice([10, 20, 60])
            effects = chance.randint(0, most) if chance.random() < 0.7 else None
            process = world.process(name, effects=effects, skew=skew)
            process.is_asked = chance.random() < 0.2
            await world.pause(DAY if self.has_nights else chance.choice([1, 5, 60]))
            run_id = chance.choice(run_ids)
            names = [one.label for one in self.observer.books[run_id].purchases.values()]
            options = RunOptions(
                regenerate=("*",) if chance.random() < 0.1 else (),
                resubmit=(chance.choice(names),) if names and chance.random() < 0.1 else (),
                budget=chance.choice([None] * 8 + [4, 12]),
            )
            with suppress(StoreError):  # another process drives the run, or the disk refuses
                await self._execute(process, run_id, options)
            skew = process.skew

    async def _act(self) -> None:
        """What people do: they buy credits, raise the pool and set clocks."""
        world, chance = self.world, self.world.chance
        for _ in range(chance.randint(0, 3)):
            await world.pause(chance.choice([1, 10, 100]))
            match chance.choice(["grant", "pool", "clock"]):
                case "grant":
                    self.service.grant(chance.choice([1, 5, 100]))
                case "pool" if self.observer.pool is not None:
                    self.observer.set_pool(max(self.observer.pool, chance.choice([4, 8, 20])))
                case "clock":
                    process = chance.choice(world.processes)
                    process.skew = chance.choice([-3600, -60, 0, 60, 3600])
                    world.faults["a clock is set"] += 1
                    world.tell(process.name, f"has its clock set to {process.skew:+g} s")

    async def _execute(
        self, process: Process, run_id: str, options: RunOptions, accept: Collection[str] = ()
    ) -> State | None:
        """One execution, after a person took refused media; None if its process was ended."""
        world, chance = self.world, self.world.chance
        journal, held = SimulatedJournal(process), SimulatedLeases(process)
        # Processes share nothing, not even the reads of one balance.
        service = replace(SERVICE, base_url=f"http://127.0.0.1:{1000 + process.number}")
        context = RunContext(
            settings=self.site.settings,
            service=service,
            journal=journal,
            leases=held,
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
            runtime=Runtime(process.sleep, process.monotonic, process.clock, chance.random),
            transport=Network(
                self.service,
                process,
                self.trouble,
                is_down=world.fails(0.1),
                on_purchase=self.observer.observe_purchase,
            ),
        )

        async def work() -> State:
            run.call = partial(_call, run)
            async with held.hold(run_id) as run.lease, client as run.client:
                for taken in acceptances(reporter.follow(), accept, BY):
                    journal.append(run_id, taken, run.lease.fence)
                run.state = reporter.follow()
                self.observer.compare(run_id, run.state.spent)
                hours = 0.0 if world.fails(0.1) else 20.0
                await drive(run, options.resume_event(process.now(), hours))
                return run.state

        try:
            return await process.execute(work())
        except RivyaError as error:
            if "already in the journal" in str(error):
                world.violate(str(error))
            if isinstance(error, StoreError) or is_absence(error):
                world.tell(process.name, f"ends: {error}")
                raise StoreError(str(error)) from error
            raise

    async def _ask(self, question: Question) -> Answer | None:
        await self.world.pause(30)
        if not question.choices or self.world.fails(0.5):
            return None
        answer, by = self.world.chance.choice(question.choices), None
        if question.kind == "review":  # the same ones as without faults, by others in another order
            answer = "approve" if question.round else "changes"
            by = self.world.chance.choice(question.reviewers)
        return check_answer(question, Answer((answer,), "warmer", by, "terminal"))

    async def _settle(self, run_id: str) -> Outcome:
        """Resumes in peace until nothing changes; a person sends again what is uncertain or failed.

        Of what was refused, some is taken after all.
        """
        doubts, failures, taken = list[str](), list[str](), set[str]()
        state, outcome = None, Outcome()
        for _ in range(MOST_RESUMES):
            process = self.world.process("peace")
            again = RunOptions(budget=1000, resubmit=tuple(doubts), regenerate=tuple(failures))
            state = await self._execute(process, run_id, again, taken)
            assert state is not None
            items = {label(step_id, item.key): item for step_id, item in state.each()}
            outcome = {name: item.code or item.phase.name for name, item in items.items()}
            doubts = [name for name, code in outcome.items() if code == "uncertain"]
            failures = [
                name
                for name, code in outcome.items()
                if code in BOUGHT_AGAIN and HOPELESS.get(code, "doomed") not in name
            ]
            refused = [name for name in failures if outcome[name] == "quality_failed"]
            taken = {name for name in refused if self.world.chance.random() < 0.5}
            failures = [name for name in failures if name not in taken]
            is_over = not (doubts or failures or taken) and all(map(_is_decided, items.values()))
            if is_over and state.ended != "suspended":
                return outcome
        raise ViolationError(
            f"{run_id} does not come to its end: {outcome}, {state and state.ended}"
        )


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
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        while isinstance(error, BaseExceptionGroup):
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
def _workflow(text: str) -> Workflow:
    return load(text, file="spec.yaml", catalogue=_catalogue())


async def _assets(_: Any, urls: tuple[str, ...]) -> list[Asset]:
    """The media of a job, each known by its URL; one may not be decoded."""
    if PROCESS.get().world.fails(0.1, "a download fails"):
        raise MediaError("result 1: it is no picture")
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


async def _measures(_: Any, asset: Asset) -> Measures:
    """By the name of the medium."""
    return Measures("image", width=8, height=8, blank=float("blank" in str(asset.url)))


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
            patch.object(jobs, "_measures", _measures),
            patch.object(reducer, "load", _load),
            patch.object(leases, "_has_ended", has_owner_ended),
        ):
            yield
    finally:
        gc.unfreeze()
        logging.disable(logging.NOTSET)
