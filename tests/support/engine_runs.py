"""Runs without Prefect: the real engine, client, journal and sandbox, and a bomb to stop them.

`Studio` has each call twice: `start` and `execute` for tests that are coroutines, `prepared` and
`executed` for all others, which want the receipt.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx
from pydantic import SecretStr

from rivya_client.catalogue.catalogue import Catalogue
from rivya_client.client import RivyaClient
from rivya_client.runtime import FastClock
from rivya_client.types import ChatMessage
from rivya_flows.engine.job_waits import HeldSlots, ModelSlots
from rivya_flows.engine.loop import Engine
from rivya_flows.engine.run import A, Asker, Listener, Run, RunOptions, ignore, is_absence, now
from rivya_flows.engine.run_context import RunContext, ServiceConnection, SharedUploads
from rivya_flows.preparation.catalogue_cache import read_catalogue
from rivya_flows.preparation.prepare import Market, PlanningStore, Prepared, RunRequest, prepare
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.queue.events import Event
from rivya_flows.queue.state import State
from rivya_flows.receipt.from_journal import receipt
from rivya_flows.receipt.report import RunReporter
from rivya_flows.runs.execution import fork_request
from rivya_flows.settings import Settings, read_settings
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_flows.store.pools import Pool, Pools
from rivya_sandbox.service.admin import add_credits, create_key, ledger, set_faults
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.startup import Sandbox

_NUMBERS = itertools.count()
T = TypeVar("T")
PAID = ("buy", "chat")
CREATE = "POST /api/v1/generations"
CHAT = "POST /api/v1/chat/completions"
CAMPAIGN = """
version: 1
name: campaign
cache: spec
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: A shot for a lamp, expect: {visual: string}}
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "${{ steps.script.json.visual }}, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}"}
  restyled:
    uses: generate
    with: {model: nano-banana, prompt: In watercolor, references: ["${{ steps.hero.asset }}"]}
  voice:
    uses: generate
    with:
      model: elevenlabs-turbo-2-5
      prompt: Light, where you need it.
      params: {voice: TX3LPaxmHKxFdv7VOQHJ}
outputs:
  picture: ${{ steps.restyled.asset }}
  voice: ${{ steps.voice.asset }}
"""
COST = 1 + 2 + 3 + 6
"""What the campaign costs."""
LINE = """
version: 1
name: line
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: A line for a lamp}
"""


class KilledError(BaseException):
    """The process was stopped here; nothing after it happens."""


@dataclass
class Bomb:
    """Stops an execution at one numbered place, and everything after it.

    Attributes:
        write: Number of the journal entry whose group to stop at: ahead of its commit, or behind
            it where negative; None for none.
        post: The same for paid requests.
        gather: Seconds that each group waits, so that the next one has several entries.
        writes: Entries that were written.
        largest: Most entries of one group.
    """

    write: int | None = None
    post: int | None = None
    gather: float = 0.0
    posts: int = 0
    writes: int = 0
    largest: int = 0
    exploded: bool = False

    def at_write(self, number: int) -> None:
        """Called by the journal around each commit."""
        if number > 0:
            self.largest = max(self.largest, number - self.writes)
            self.writes = number
            time.sleep(self.gather)
        to = self.write or 0
        self._check(0 < to <= number or number <= to < 0)

    def at_post(self, number: int) -> None:
        """Called around each paid request."""
        self._check(number == self.post)

    def check(self) -> None:
        """A dead process does nothing."""
        self._check(False)

    def _check(self, now: bool) -> None:
        if now or self.exploded:
            self.exploded = True
            raise KilledError


@dataclass
class DirectCalls:
    """Calls the function; remembers what was called."""

    bomb: Bomb
    called: list[str] = field(default_factory=list)
    run: Run = field(init=False)

    async def __call__(
        self, function: Callable[[Run, A], Awaitable[T]], stage: str, action: A
    ) -> T:
        self.bomb.check()
        self.called.append(f"{action.step}[{action.key}] {stage}")
        if stage not in PAID:
            return await function(self.run, action)
        self.bomb.posts += 1
        number = self.bomb.posts
        self.bomb.at_post(number)
        answer = await function(self.run, action)
        self.bomb.at_post(-number)
        return answer


@dataclass
class OtherAnswers(DirectCalls):
    """Gives other answers of chats, one after the other; None among them is the right one."""

    answers: list[str | None] = field(default_factory=list)

    async def __call__(
        self, function: Callable[[Run, A], Awaitable[T]], stage: str, action: A
    ) -> T:
        answer: Any = await super().__call__(function, stage, action)
        instead = self.answers.pop(0) if stage == "chat" and self.answers else None
        if instead is not None:
            answer = answer.model_copy(update={"message": ChatMessage(content=instead)})
        return cast("T", answer)


def answering(*answers: str | None) -> OtherAnswers:
    """Calls whose chats answer so at first."""
    return OtherAnswers(Bomb(), answers=[*answers])


@dataclass
class Studio:
    """A place to run specs against a sandbox.

    Attributes:
        folder: Journal, media, scratch.
        account: Whose wallet at the sandbox it is.
        data: Folder of the sandbox.
        shortened: How many times as short the pauses of its client are.
        transport: What the client sends with; None is HTTP.
        store: URL of the journal; None is SQLite in the folder.
        catalogue: As read for the first run, once there was one.
    """

    folder: Path
    service: ServiceConnection
    account: str = "default"
    data: Path = Path()
    shortened: int = field(default=100, kw_only=True)
    transport: httpx.AsyncBaseTransport | None = field(default=None, kw_only=True)
    store: str | None = field(default=None, kw_only=True)
    catalogue: Catalogue | None = field(default=None, init=False)

    @cached_property
    def settings(self) -> Settings:
        """What is read from the environment; once, since no test here changes it."""
        return read_settings().model_copy(update={"rivya_flows_data": self.folder})

    @contextmanager
    def context(self, bomb: Bomb) -> Iterator[RunContext]:
        """Opens everything as a process does when it starts."""
        url = self.store or f"sqlite:///{self.folder / 'journal.sqlite'}"
        journal = Journal(url, on_write=bomb.at_write)
        try:
            yield RunContext(
                settings=self.settings,
                service=self.service,
                journal=journal,
                leases=Leases(journal.engine),
                assets=AssetStore((self.folder / "assets").as_uri(), self.folder / "copies"),
                scratch=self.folder,
            )
        finally:
            journal.close()

    def client(self) -> RivyaClient:
        """A client of the service."""
        key = self.service.api_key
        return RivyaClient(
            None if key is None else key.get_secret_value(),
            self.service.base_url,
            poll_seconds=self.service.poll_seconds,
            runtime=FastClock(shortened=self.shortened).runtime,
            transport=self.transport,
        )

    async def start(self, text: str, run_id: str, **options: Any) -> Prepared:
        """Freezes a run; `folder` is that of the spec, where it names files."""
        inputs = options.pop("inputs", {})
        spec = SpecFile(text, "spec.yaml", options.pop("folder", None))
        return await self.freeze(RunRequest(spec, lambda _: inputs, **options), run_id)

    async def fork(self, of: str, run_id: str, **changes: Any) -> Prepared:
        """Freezes a fork; `inputs` are values by name, other changes as of `fork_request`."""
        inputs = changes.pop("inputs", {})
        request, _ = fork_request(of, self.settings, inputs=lambda _: inputs, **changes)
        return await self.freeze(request, run_id)

    async def freeze(self, request: RunRequest, run_id: str) -> Prepared:
        """Freezes the run of a request."""
        with self.context(Bomb()) as context:
            async with self.client() as client:
                self.catalogue = self.catalogue or await read_catalogue(client)
                balance = (await client.credits.retrieve()).current_credits
            prepared = prepare(
                request,
                Market(self.catalogue, self.service.identity, balance),
                run_id,
                PlanningStore(context.assets, context.look_up, context.pools),
            )
            context.journal.create(prepared.frozen, self.folder / "runs" / run_id)
            return prepared

    async def execute(
        self,
        run_id: str,
        wish: RunOptions | None = None,
        *,
        bomb: Bomb | None = None,
        calls: DirectCalls | None = None,
        ask: Asker | None = None,
        listen: Listener = ignore,
        conflict_seconds: float = 30.0,
        resend_hours: float = 20,
        renewal_seconds: float = 10,
        slots: ModelSlots | None = None,
        uploads: SharedUploads | None = None,
        prepare: Callable[[Run], object] = ignore,
        clock: Callable[[], datetime] = now,
    ) -> State | None:
        """One execution, as `rivya_flows.flows.execution.execute` makes it; None where the bomb stopped it.

        Args:
            prepare: Sets further fields of the run.
        """
        bomb = bomb or Bomb()
        with self.context(bomb) as context:
            if uploads is not None:
                context = replace(context, uploads=uploads)
            row = context.journal.run(run_id)
            assert row is not None
            run = Run(
                context,
                RunReporter(context.journal, context.assets, row),
                wish or RunOptions(),
                ask,
                listen,
                conflict_seconds=conflict_seconds,
                conflict_pause_seconds=0.05,
                slots=HeldSlots(slots),
                clock=clock,
            )
            run.state = run.reporter.follow()
            prepare(run)
            run.call = calls = calls or DirectCalls(bomb)
            calls.run = run
            # A killed process leaves its lease; here the process lives on, and releases it.
            held = context.leases.hold(run_id, renewal_seconds)
            async with held as run.lease, self.client() as run.client:
                try:
                    resumed = run.options.resume_event(clock(), resend_hours)
                    return await Engine(run).run(resumed)
                except KilledError:
                    return None

    async def ends(self, run_id: str = "run-1", **options: Any) -> str | None:
        """How one more execution ended; None where the bomb stopped it."""
        state = await self.execute(run_id, **options)
        return None if state is None else state.ended

    def receipt(self, run_id: str = "run-1") -> dict[str, Any]:
        """The receipt of a run."""
        with self.context(Bomb()) as context:
            return receipt(context.journal.entries(run_id)).model_dump(mode="json")

    def events(self, run_id: str = "run-1") -> list[Event]:
        """The journal of a run."""
        with self.context(Bomb()) as context:
            return [entry.event for entry in context.journal.entries(run_id)]

    def set_pool(self, pool: Pool) -> None:
        """Makes or changes a pool of the store."""
        with self.context(Bomb()) as context:
            Pools(context.journal.engine).set(pool)

    def prepared(self, text: str, run_id: str = "run-1", **options: Any) -> Prepared:
        """Freezes a run."""
        return asyncio.run(self.start(text, run_id, **options))

    def executed(
        self, run_id: str = "run-1", wish: RunOptions | None = None, **options: Any
    ) -> dict[str, Any]:
        """The receipt after one more execution, whether or not the bomb stopped it."""
        asyncio.run(self.execute(run_id, wish, **options))
        return self.receipt(run_id)

    def started(self, text: str, run_id: str = "run-1", **options: Any) -> dict[str, Any]:
        """The receipt after the first execution of a new run."""
        self.prepared(text, run_id, **options)
        return self.executed(run_id)

    def order(self, *faults: str) -> None:
        """Orders faults of the service, as `order`; none ends them all."""
        _order(self.data, *faults)

    def jobs(self, run_id: str | None = None) -> list[dict[str, Any]]:
        """What the service has sold to this account; for one run if it is named."""
        sold = ledger(self.data, account=self.account)["generations"]
        names = [str(one["client_request_id"]).partition("/")[0] for one in sold]
        return [one for one, name in zip(sold, names, strict=True) if run_id in (None, name)]

    def results(self) -> list[Path]:
        """The files that the service serves as results of this account's jobs, by job."""
        query = "SELECT stored_as FROM results WHERE task_id = ? ORDER BY position"
        with closing(Database(self.data)) as database:
            rows = [row for job in self.jobs() for row in database.rows(query, job["id"])]
        return [self.data / "results" / row["stored_as"] for row in rows]

    @property
    def balance(self) -> int:
        """Credits in the wallet."""
        return int(ledger(self.data, account=self.account)["balance"])

    def add_credits(self, credits: int) -> None:
        """Puts credits into the wallet."""
        add_credits(self.data, credits, account=self.account)

    def audit(self, *run_ids: str, granted: int = 1000, others: Iterable[str] = ()) -> int:
        """What runs have spent, ``run-1`` where none is named; see `accounts_agree`."""
        runs = run_ids or ("run-1",)
        return accounts_agree(self, self.data, *runs, granted=granted, others=others)

    def run(
        self, text: str, run_id: str = "run-1", ask: Asker | None = None, **options: Any
    ) -> State:
        """Starts and executes a run to its end."""

        async def both() -> State:
            await self.start(text, run_id, **options)
            state = await self.execute(run_id, ask=ask)
            assert state is not None
            return state

        return asyncio.run(both())


def studio_at(folder: Path, base_url: str, api_key: str) -> Studio:
    """A studio on a running sandbox."""
    folder.mkdir(parents=True, exist_ok=True)
    return Studio(folder, ServiceConnection(base_url, SecretStr(api_key), "sandbox:test", 0.5))


def customer(sandbox: Sandbox, folder: Path, *, credits: int = 1000) -> Studio:
    """A studio with a wallet of its own at a sandbox that others use too."""
    account = f"customer-{next(_NUMBERS)}"
    key = create_key(sandbox.data, account=account)["api_key"]
    add_credits(sandbox.data, credits, account=account)
    return replace(studio_at(folder, sandbox.base_url, key), account=account, data=sandbox.data)


def order(sandbox: Sandbox, *faults: str) -> None:
    """Orders faults, such as ``on: "GET /x", do: status, status: 500``; none ends them all."""
    _order(sandbox.data, *faults)


def _order(data: Path, *faults: str) -> None:
    listed = "".join(f"  - {{{fault}}}\n" for fault in faults)
    set_faults(data, f"faults:\n{listed}" if listed else "")


def accounts_agree(
    studio: Studio, data: Path, *run_ids: str, granted: int = 1000, others: Iterable[str] = ()
) -> int:
    """What runs have spent, after a look at their ledgers, the service's jobs and the wallet.

    Every credit that left the wallet must stand in one row of one ledger, and every row that was
    accepted must be one job or one answer of the service under the same key. `others` are jobs that
    somebody else bought from the same wallet.
    """
    books = ledger(data, account=studio.account)
    jobs = {job["id"]: job for job in books["generations"]}
    taken: Counter[str] = Counter()
    for movement in books["movements"]:
        if movement["task_id"] is not None:
            taken[movement["task_id"]] -= movement["amount"]
    for task_id in others:
        del jobs[task_id]
        granted -= taken.pop(task_id, 0)
    receipts = [studio.receipt(run_id) for run_id in run_ids]
    rows = [row for told in receipts for row in told["ledger"]]
    named = {row["task_id"]: row for row in rows if row["task_id"]}
    assert len(named) == sum(row["task_id"] is not None for row in rows), "one job in two rows"
    for task_id, row in named.items():
        assert row["held"] == taken.pop(task_id, 0), row
        if row["route"] == "generation":
            job = jobs.pop(task_id)
            assert job["idempotency_key"] == row["idempotency_key"]
            assert job["client_request_id"] == row["client_request_id"]
    assert not jobs, f"jobs that no ledger knows: {jobs}"
    assert not any(taken.values()), f"credits that no ledger knows: {taken}"
    spent: int = sum(told["credits"]["spent"] for told in receipts)
    assert spent == sum(row["held"] for row in rows)
    assert spent == sum(step["credits"] for told in receipts for step in told["steps"])
    unanswered = sum(row["held"] for row in rows if not row["task_id"])
    assert granted - books["balance"] == spent - unanswered
    return spent


def stills(
    count: int = 1, *, top: str = "", step: str = "", prompt: str = "lamp ${{ item }}"
) -> str:
    """A spec of one fan-out of pictures at 1 credit each, with the keys "0", "1" and so on.

    Args:
        count: How many.
        top: More lines of the spec.
        step: More keys of the step, as in ``regenerate: 1, timeout: 1s``.
        prompt: What is asked for.
    """
    items = ", ".join(str(number) for number in range(count))
    more = f"\n    {step}" if step else ""
    return f"""
version: 1
name: stills
{top}
steps:
  stills:
    uses: generate
    foreach: [{items}]{more}
    with: {{model: z-image, prompt: "{prompt}"}}
outputs:
  pictures: ${{{{ steps.stills.assets }}}}
"""


def codes(receipt: dict[str, Any]) -> list[str | None]:
    """Why the items of the first step failed, in order."""
    return [item["code"] for item in receipt["steps"][0]["items"]]


def items_of(receipt: dict[str, Any], step_id: str) -> list[dict[str, Any]]:
    """The items of a step."""
    [step] = [one for one in receipt["steps"] if one["id"] == step_id]
    return list(step["items"])


def outlasting(run: Run) -> None:
    """Lets the execution end without an end of the run where the service is away."""
    run.outlasts = is_absence
