"""The loop of a run: journals events, runs the actions that the queue asks for, stores results, and at the
end compares ledger, jobs and wallet.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import aclosing, suppress
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar, cast

from rivya_flows.engine.actions import events_of
from rivya_flows.engine.jobs import seen_of
from rivya_flows.engine.run import A, Run, Runner
from rivya_flows.engine.work import notify
from rivya_flows.errors import (
    APIStatusError,
    LeaseLostError,
    PoolExceededError,
    RivyaError,
    StoreError,
    StoreLostError,
    StoreUnreachableError,
)
from rivya_flows.queue import events
from rivya_flows.queue.actions import Action, AskCache, Buy, Collect, EndRun, UploadMedium, Work
from rivya_flows.queue.evaluation import claimed_hash
from rivya_flows.queue.events import Event
from rivya_flows.queue.items import ItemState, Phase
from rivya_flows.queue.queue import step
from rivya_flows.queue.state import State
from rivya_flows.receipt.from_journal import sum_credits
from rivya_flows.receipt.ledger import jobs_to_ask
from rivya_flows.receipt.report import RunReport
from rivya_flows.steps.registry import known_kind
from rivya_flows.store.cache_index import CachedResult, keep_results
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
            await in_thread(partial(keep_results, self._run.context.journal.engine, results))
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
            spent = partial(spent_by_others, engine, run.run_id, state.service, state.wallet)
            other_runs = await in_thread(spent)
    with suppress(StoreError):
        pools = await in_thread(partial(Pools(engine).matching, row.labels, row.service))
    event = events.ServiceAsked(
        jobs={one: jobs[one] for one in asked},
        others=sum(one.most for one in other_runs),
        other_runs=other_runs[: events.MOST_OTHER_RUNS],
        pools=pools,
    )
    append = partial(run.context.journal.append, run.run_id, event, run.lease.fence)
    run.reporter.record(await in_thread(append), state)
