"""The loop of a run: journals events, runs the actions that the queue asks for, stores results, and at the
end compares ledger, jobs and wallet.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar, cast

from rivya_flows.assets import Outputs, as_asset
from rivya_flows.engine.cache import CachedResult, keep_results
from rivya_flows.engine.files import upload
from rivya_flows.engine.jobs import collect, seen_of
from rivya_flows.engine.purchases import buy
from rivya_flows.engine.run import A, Run, Runner
from rivya_flows.engine.run_context import ServiceConnection
from rivya_flows.engine.work import WORK, call_function, miss_pick, notify
from rivya_flows.errors import (
    APIError,
    APIStatusError,
    LeaseLostError,
    PoolExceededError,
    RivyaError,
    StoreError,
    StoreLostError,
    StoreUnreachableError,
    UsageError,
)
from rivya_flows.questions.open_questions import decide_at_deadline, question_asked
from rivya_flows.queue import actions, events
from rivya_flows.queue.actions import Action, AskCache, Buy, Collect, EndRun, UploadMedium, Work
from rivya_flows.queue.evaluation import claimed_hash
from rivya_flows.queue.events import Event
from rivya_flows.queue.items import ItemState, Phase
from rivya_flows.queue.queue import step
from rivya_flows.queue.state import State
from rivya_flows.receipt.from_journal import sum_credits
from rivya_flows.receipt.ledger import jobs_to_ask
from rivya_flows.receipt.report import RunReport
from rivya_flows.steps.connections import UploadWith
from rivya_flows.steps.registry import known_kind
from rivya_flows.steps.request import UploadedFile
from rivya_flows.store.charges import spent_by_others
from rivya_flows.store.database import in_thread, to_its_end
from rivya_flows.store.pools import Pools

T = TypeVar("T")

_STOPS = (LeaseLostError, StoreLostError, StoreUnreachableError)
"""Errors that end the execution, whatever item they came from."""


class Engine:
    """Executes one run, from its `state` on, in one event loop, which never waits for the store."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._driver: asyncio.Task[Any] | None = None
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._context = contextvars.copy_context()  # actions that follow need that of the run
        self._turn = asyncio.Lock()
        self._counting: set[asyncio.Task[None]] = set()
        self._working: set[asyncio.Task[None]] = set()
        self._results: list[CachedResult] = []
        self._storing: asyncio.Task[None] | None = None
        self._has_ended = self._stopping = False
        self._absence: BaseException | None = None

    async def run(self, resumed: events.RunResumed) -> State:
        """Execute the run; gives its state at the end, and raises what ended this execution alone."""
        run = self._run
        self._driver = asyncio.current_task()
        run.began, run.resend = resumed.at, timedelta(hours=resumed.resend_hours)
        run.lease.lost.add_done_callback(lambda lost: self._stop_with(lost.result()))
        try:
            await self._feed(resumed)
            await self._over
        except run.stops:
            with suppress(*run.stops):  # a second one does not keep the end back
                await self._stop()
            if run.state.ended is None and not run.goes_on_elsewhere():
                await self._feed(events.RunEnded(status="cancelled", at=run.clock()))
            raise
        finally:
            await self._stop()
        return run.state

    async def _feed(self, event: Event) -> None:
        """Journals an event; returns when it counts, which it does also if this is cancelled."""
        if self._has_ended:
            raise asyncio.CancelledError
        self._has_ended = isinstance(event, events.RunEnded)
        run = self._run
        written = run.context.journal.submit(run.run_id, (event,), run.lease.fence)
        counting = asyncio.create_task(self._count_written(written), context=self._context)
        self._counting.add(counting)
        counting.add_done_callback(self._counting.discard)
        await asyncio.shield(counting)

    async def _count_written(self, written: Future[tuple[events.Stamped, ...]]) -> None:
        async with self._turn:  # in the order of the journal, and the loop turns between two
            for stamped in await asyncio.wrap_future(written):
                self._count(stamped)

    def _count(self, entry: events.Stamped) -> None:
        """Apply an event that is on disk to the queue, and start the actions that follow."""
        run, event = self._run, entry.event
        try:
            actions = step(run.state, event)
        except RivyaError as error:  # no item's failure: the state may be half changed
            raise RuntimeError(f"{run.run_id}: an event could not be applied: {error}") from error
        run.reporter.record(entry, run.state)
        run.listen(event, run.state)
        self._results += _new_results(run, event)
        if self._results and self._storing is None:
            self._storing = asyncio.create_task(self._store())
        if isinstance(event, events.RunEnded) and not self._over.done():
            self._over.set_result(None)
        for action in () if self._stopping else actions:
            if isinstance(action, EndRun):  # what else comes in the meantime changes nothing
                self._stopping = True
            task = asyncio.create_task(self._run_action(action))
            self._working.add(task)
            task.add_done_callback(self._is_done)

    async def _store(self) -> None:
        """Store results for later runs with an equal request, in batches, in a thread."""
        while self._results:
            results, self._results = self._results, []
            await in_thread(keep_results, self._run.context.journal.engine, results)
        self._storing = None

    def _is_done(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        if self._absence is not None and not self._working:
            self._stop_with(self._absence)

    async def _run_action(self, action: Action) -> None:
        try:
            # The generator resumes only after its last event is on disk: intents come first.
            async with aclosing(events_of(self._run, action)) as following:
                async for event in following:
                    await self._feed(event)
        except BaseException as error:
            await self._handle_error(action, error)

    async def _handle_error(self, action: Action, error: BaseException) -> None:
        """Journal what an error means for the item; what an absence keeps back stays as it is."""
        if _needs_service(action) and self._run.outlasts(error):
            self._absence = error
            return
        if (
            isinstance(error, RivyaError)
            and not isinstance(error, _STOPS)
            and isinstance(action, UploadMedium | AskCache | Buy | Collect | Work)
        ):
            try:
                await self._feed(_outcome(action, error))
                return
            except BaseException as another:
                error = another
        self._stop_with(error)

    def _stop_with(self, error: BaseException) -> None:
        """End the execution with an error, or as cancelled on a signal."""
        driver, stops = self._driver, isinstance(error, self._run.stops)
        if not stops and not self._over.done():
            self._over.set_exception(error)
        is_signal = stops and not isinstance(error, asyncio.CancelledError)
        if is_signal and driver and not driver.cancelling():
            driver.cancel()

    async def _stop(self) -> None:
        """Cancel all actions, and wait until every submitted event counts or has failed."""
        self._stopping = True
        try:
            for task in self._working:
                task.cancel()
            await asyncio.gather(*self._working, return_exceptions=True)
        finally:
            self._run.slots.all_over()
            await to_its_end(asyncio.gather(*self._counting, return_exceptions=True))
            if self._storing is not None:
                await asyncio.wait([self._storing])


def _new_results(run: Run, event: Event) -> Iterator[CachedResult]:
    """The bought or composed results that an event brought; a resume brings all, which a crash may have lost."""
    if isinstance(event, events.ItemCompleted | events.ChatAnswered):
        item = run.state.item(event.step, event.key)
        # The index had no result, or one whose media are lost: replace it.
        yield from _result_of(run, event.step, item, replaces=item.asked_cache)
    elif isinstance(event, events.RunResumed):
        for step_id, item in run.state.each():
            yield from _result_of(run, step_id, item)


def _result_of(
    run: Run, step_id: str, item: ItemState, *, replaces: bool = False
) -> Iterator[CachedResult]:
    request = item.request
    if request is None or item.phase is not Phase.COMPLETED or item.outputs is None:
        return
    # An item that fell back may have failed purchases and outputs from the cache.
    made = not item.cached and (item.purchases or not request.model)
    if made and request.request_hash and not request.is_function:
        name = claimed_hash(run.state, step_id, item)
        cost = sum(one.held for one in item.purchases if one.alternative == item.alternative)
        at = run.clock().timestamp()
        yield CachedResult(name, run.run_id, item.outputs, cost, at, replaces)


def _needs_service(action: Action) -> bool:
    match action:
        case Buy():
            return not action.purchase.is_function
        case Work():
            kind = known_kind(action.uses)
            return kind is not None and kind.fetches
        case _:
            return isinstance(action, Collect | UploadMedium)


def _outcome(
    action: UploadMedium | AskCache | Buy | Collect | Work, error: RivyaError
) -> events.ItemFailed | events.PoolRefused:
    """The item failed; or a pool did not cover its intent, and nothing was sent."""
    of = {"step": action.step, "key": action.key}
    if isinstance(error, PoolExceededError) and isinstance(action, Buy):
        names = ("pool", "needs", "left", "until")
        refusal = {name: getattr(error, name) for name in names}
        return events.PoolRefused(**of, n=action.n, rest=action.rest is not None, **refusal)
    return events.ItemFailed(**of, code=error.code, message=str(error))


async def drive(run: Run, resumed: events.RunResumed) -> None:
    if (await Engine(run).run(resumed)).ended in ("completed", "failed"):
        await reconcile_jobs(run)


class PlainRunner(Runner):
    """The `Runner` without Prefect, for tests of specs: it sends no callbacks and reads no secrets."""

    async def execute(self, run: Run) -> RunReport:
        run.call, run.shrink = partial(_call, run), _SHRINK
        run.conflict_pause_seconds = 0.05  # the sandbox is on this machine
        context = run.context
        async with context.leases.hold(run.run_id) as run.lease, context.client() as run.client:
            run.state = await in_thread(run.reporter.follow)
            await drive(run, run.resume_event())
        return await asyncio.to_thread(run.reporter.write)


_SHRINK = 6
"""A film of three formats takes a second or two instead of half a minute."""


async def _call(run: Run, function: Callable[[Run, A], Awaitable[T]], stage: str, action: A) -> T:
    """Makes a call; a callback is taken for delivered."""
    return cast("T", {}) if function is notify else await function(run, action)


_AT_ONCE = 16
"""Questions that are open at the same moment."""


async def reconcile_jobs(run: Run) -> None:
    """Records what the service says about this run's jobs; free, and never fails a run."""
    asked = jobs_to_ask(run.state)
    jobs: dict[str, events.JobSeen | None] = {
        one: run.seen[one] for one in asked if one in run.seen
    }
    unseen = iter([one for one in asked if one not in jobs])

    async def ask() -> None:
        for task_id in unseen:
            try:
                jobs[task_id] = seen_of(await run.client.generations.retrieve(task_id))
            except APIStatusError as error:
                if error.status != 404:
                    raise
                jobs[task_id] = None

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_AT_ONCE, len(asked) - len(jobs))):
                group.create_task(ask())
    except* RivyaError:  # also for an id that fits in no URL
        jobs.clear()
    if asked and not jobs:
        return
    engine, state, row = run.context.journal.engine, run.state, run.reporter.row
    other_runs: tuple[events.OtherRun, ...] = ()
    pools: tuple[events.PoolTotal, ...] = ()
    with suppress(StoreError):
        if (sum_credits(state).unexplained or 0) > 0:
            of = run.run_id, state.service, state.wallet
            other_runs = await in_thread(spent_by_others, engine, *of)
    with suppress(StoreError):
        pools = await in_thread(Pools(engine).matching, row.labels, row.service)
    event = events.ServiceAsked(
        jobs={one: jobs[one] for one in asked},
        others=sum(one.most for one in other_runs),
        other_runs=other_runs[: events.MOST_OTHER_RUNS],
        pools=pools,
    )
    append = run.context.journal.append
    run.reporter.record(await in_thread(append, run.run_id, event, run.lease.fence), state)


# --- Actions ---


def events_of(run: Run, action: Action) -> AsyncGenerator[Event]:
    """The events of an action; close the generator if it is left before its end."""
    match action:
        case actions.Buy():
            return buy(run, action)
        case actions.Collect():
            return collect(run, action)
        case actions.Ask():
            return ask(run, action)
        case _:
            return _run_plain(run, action)


async def _run_plain(run: Run, action: Action) -> AsyncGenerator[Event]:
    match action:
        case actions.ReadBalance():
            yield await read_balance(run, action)
        case actions.UploadMedium(source=source, media=media, model=model):
            done = await run.call(upload, "upload", action)
            file = UploadedFile.model_validate(done.file.model_dump())
            yield events.FileUploaded(
                source=source, media=media, model=model, file=file, asset=done.asset
            )
        case actions.AskCache():  # the outputs of an equal request, if their media are intact
            yield await asyncio.to_thread(run.look_up, action)
        case actions.Work(step=step, key=key):
            began = time.monotonic()
            if action.uses == "upload":
                outputs = await _upload(run, action)
            else:
                function = WORK.get(action.uses, call_function)
                outputs = await run.call(function, action.uses, action)
            seconds = round(time.monotonic() - began, 3)
            yield events.ItemCompleted(step=step, key=key, outputs=outputs, work_seconds=seconds)
        case actions.Expire():
            for event in action.events:
                yield await _decide(run, event)
        case actions.EndRun():
            yield events.RunEnded(status=action.status, at=run.clock())


async def _upload(run: Run, action: actions.Work) -> Outputs:
    asked = UploadWith.model_validate(action.arguments)
    source, asset = asked.file, as_asset(asked.file)
    if isinstance(source, dict):
        source = asset.sha256 if asset else source.get("file_id") or source.get("url")
    media = asked.kind or (asset.kind if asset else "image")
    medium = actions.UploadMedium(source, media, asked.model, asset, action.step, action.key)
    done = await run.call(upload, "upload", medium)
    file = done.file
    if done.asset:
        made = {**done.asset.as_json(), "url": file.url}
    else:  # only the service has it; passing it on needs its id alone
        names = {"kind", "url", "mime_type", "duration_seconds"}
        made = {**file.model_dump(include=names), "file_id": file.id}
    return {"asset": made, "id": file.id, "url": file.url}


async def ask(run: Run, action: actions.Ask) -> AsyncGenerator[Event]:
    """Report each answer as soon as it is given, and what deadlines decide; left questions stay open."""
    for question in action.questions:
        state = run.state
        if question.name not in state.deadlines:
            yield question_asked(question, run.clock(), state.missed.get(question.name))
    for question in run.state.asking:
        deadline, seconds = question.deadline, None
        if deadline is not None:
            seconds = max((deadline - run.clock()).total_seconds(), 0.0)
        try:
            choice = None if run.ask is None else await asyncio.wait_for(run.ask(question), seconds)
        except TimeoutError:
            yield await _decide(run, decide_at_deadline(question))
            continue
        if choice is None:
            yield events.QuestionsLeft(at=run.clock())
            return
        yield choice.event(question, run.clock())


async def _decide(
    run: Run, event: events.AnswerGiven | events.ItemFailed
) -> events.AnswerGiven | events.ItemFailed:
    """The event, once a pick that fails by it has failed in a graph too."""
    if isinstance(event, events.ItemFailed):
        with suppress(UsageError):
            await run.call(miss_pick, "pick", event)
    return event


@dataclass
class _Wallet:
    """The reads of one balance, one after the other, each shared by all that ask before it is sent.

    Attributes:
        sent: How many reads were sent.
        last: Number and credits of the last read that was answered.
    """

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    sent: int = 0
    last: tuple[int, int] = (0, 0)
    readers: int = 0

    async def read(self, run: Run) -> int:
        """The balance; a run reads with its own client, since another run may end at any time."""
        known = self.sent
        async with self.turn:
            await asyncio.sleep(0)  # those that ask at the same time share this read
            if self.last[0] <= known:
                self.sent = number = self.sent + 1
                self.last = number, (await run.client.credits.retrieve()).current_credits
            return self.last[1]


_WALLETS: dict[tuple[asyncio.AbstractEventLoop, ServiceConnection], _Wallet] = {}
"""Those that runs of an event loop read at this moment."""


async def read_balance(run: Run, action: actions.ReadBalance) -> events.BalanceRead:
    """The balance; None if the service does not answer, which never stops a run."""
    of = asyncio.get_running_loop(), run.context.service
    wallet, credits = _WALLETS.setdefault(of, _Wallet()), None
    wallet.readers += 1
    try:
        with suppress(APIError):
            credits = await wallet.read(run)
    finally:
        wallet.readers -= 1
        if not wallet.readers:
            _WALLETS.pop(of, None)
    return events.BalanceRead(step=action.step, phase=action.phase, credits=credits)
