"""The event loop of a run: journals events, runs the actions that the queue asks for, stores results, and at the end
compares ledger, jobs and wallet.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

from prefect.exceptions import TerminationSignal

from rivya_client.client import RivyaClient
from rivya_client.types import Generation
from rivya_flows.engine.run import Run
from rivya_flows.errors import (
    APIStatusError,
    LeaseLostError,
    PoolExceededError,
    RivyaError,
    StoreError,
    StoreLostError,
    StoreUnreachableError,
)
from rivya_flows.flows.absence import is_absence
from rivya_flows.flows.execution.perform import events_of
from rivya_flows.flows.prefect_internals import goes_on_elsewhere
from rivya_flows.queue.actions import Action, AskCache, Buy, Collect, EndRun, UploadMedium, Work
from rivya_flows.queue.evaluation import claimed_hash
from rivya_flows.queue.events import (
    MOST_OTHER_RUNS,
    ChatAnswered,
    Event,
    ItemCompleted,
    ItemFailed,
    JobSeen,
    OtherRun,
    PoolRefused,
    PoolTotal,
    RunEnded,
    RunResumed,
    ServiceAsked,
    Stamped,
)
from rivya_flows.queue.items import ItemState, Phase
from rivya_flows.queue.queue import step
from rivya_flows.queue.state import State
from rivya_flows.receipt.from_journal import credits_of
from rivya_flows.receipt.reconciliation import jobs_to_ask
from rivya_flows.steps.registry import known_kind
from rivya_flows.store.cache_index import NewResult
from rivya_flows.store.charges import spent_by_others
from rivya_flows.store.database import in_thread, to_its_end
from rivya_flows.store.pools import Pools


class EventFeed:
    """The events of one execution, in the order of its journal; `count` gets each once it is durable."""

    def __init__(self, run: Run, count: Callable[[Stamped], None]) -> None:
        self._run = run
        self._count = count
        self._context = contextvars.copy_context()  # actions that follow need that of the run
        self._turn = asyncio.Lock()
        self._counting: set[asyncio.Task[None]] = set()
        self._closed = False

    async def feed(self, *events: Event) -> None:
        """Journals events together; returns when they count.

        Events that were fed are written and count also if this is cancelled.

        Raises:
            LeaseLostError: Another process executes the run now.
            StoreError: They cannot be written.
            asyncio.CancelledError: Also after a `RunEnded` was fed, which is the last event.
            BaseException: What `count` raised.
        """
        if self._closed:
            raise asyncio.CancelledError
        self._closed = isinstance(events[-1], RunEnded)
        run = self._run
        written = run.context.journal.submit(run.run_id, events, run.lease.fence)
        counting = asyncio.create_task(self._counted(written), context=self._context)
        self._counting.add(counting)
        counting.add_done_callback(self._counting.discard)
        await asyncio.shield(counting)

    async def _counted(self, written: Future[tuple[Stamped, ...]]) -> None:
        async with self._turn:  # in the order of the journal, and the loop turns between two
            for stamped in await asyncio.wrap_future(written):
                self._count(stamped)

    async def settled(self) -> None:
        """Returns when all that was fed counts or has failed, however often this is cancelled."""
        await to_its_end(asyncio.gather(*self._counting, return_exceptions=True))


class Remembered:
    """Stores bought and composed results for later runs with an equal request, in batches, in a thread."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._waiting: list[NewResult] = []
        self._storing: asyncio.Task[None] | None = None

    def add(self, event: Event) -> None:
        """Store what an event brought; a resume stores all results, which a crash may have prevented."""
        self._waiting += _bought(self._run, event)
        if self._waiting and self._storing is None:
            self._storing = asyncio.create_task(self._store())

    async def stored(self) -> None:
        if self._storing is not None:
            await asyncio.wait([self._storing])

    async def _store(self) -> None:
        while self._waiting:
            results, self._waiting = self._waiting, []
            await in_thread(partial(self._run.context.results.keep, results))
        self._storing = None


def _bought(run: Run, event: Event) -> Iterator[NewResult]:
    """The bought or composed results that an event brought."""
    state = run.state
    if isinstance(event, ItemCompleted | ChatAnswered):
        item = state.item(event.step, event.key)
        # The index had no result, or one whose media are lost: replace it.
        yield from _result_of(run, event.step, item, replace=item.asked_cache)
    elif isinstance(event, RunResumed):
        for step_id, item in state.each():
            yield from _result_of(run, step_id, item)


def _result_of(
    run: Run, step_id: str, item: ItemState, *, replace: bool = False
) -> Iterator[NewResult]:
    request = item.request
    if request is None or item.phase is not Phase.COMPLETED or item.outputs is None:
        return
    # An item that fell back may have failed purchases and outputs from the cache.
    made = not item.cached and (item.purchases or not request.model)
    if made and request.request_hash and not request.is_function:
        name = claimed_hash(run.state, step_id, item)
        cost = sum(one.held for one in item.purchases if one.alternative == item.alternative)
        yield NewResult(name, run.run_id, item.outputs or {}, cost, replace)


STOPPED = (asyncio.CancelledError, TerminationSignal)
"""What stops an execution from outside."""

_STOPS = (LeaseLostError, StoreLostError, StoreUnreachableError)
"""Errors that end the execution, whatever item they came from."""


class Engine:
    """Executes one run, from its `state` on, in one event loop, which never waits for the store."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._driver: asyncio.Task[Any] | None = None
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._working: set[asyncio.Task[None]] = set()
        self._events = EventFeed(run, self._count)
        self._remembered = Remembered(run)
        self._stopping = False
        self._absence: BaseException | None = None

    async def run(self, resumed: RunResumed) -> State:
        """Execute the run; gives its state when this execution has ended.

        Raises:
            LeaseLostError: Another process executes the run now.
            StoreError: The journal cannot be written; nothing further was bought.
            APIError: The service is away, which this execution outlasts; the run has not ended.
            asyncio.CancelledError: After the end was journaled; it has not ended if it continues
                elsewhere.
        """
        run = self._run
        self._driver = asyncio.current_task()
        run.began = resumed.at
        run.lease.lost.add_done_callback(lambda lost: self._stop_with(lost.result()))
        try:
            await self._events.feed(resumed)
            await self._over
        except STOPPED:
            with contextlib.suppress(*STOPPED):  # a second one does not keep the end back
                await self._stop()
            if run.state.ended is None and not goes_on_elsewhere():
                await self._events.feed(RunEnded(status="cancelled", at=run.clock()))
            raise
        finally:
            await self._stop()
        return run.state

    def _count(self, entry: Stamped) -> None:
        """Apply an event that is on disk to the queue, and start the actions that follow."""
        run, event = self._run, entry.event
        try:
            actions = step(run.state, event)
        except RivyaError as error:  # no item's failure: the state may be half changed
            raise RuntimeError(f"{run.run_id}: an event could not be applied: {error}") from error
        run.reporter.record(entry, run.state)
        run.listen(event, run.state)
        self._remembered.add(event)
        if isinstance(event, RunEnded) and not self._over.done():
            self._over.set_result(None)
        for action in () if self._stopping else actions:
            if isinstance(action, EndRun):  # what else comes in the meantime changes nothing
                self._stopping = True
            task = asyncio.create_task(self._run_action(action))
            self._working.add(task)
            task.add_done_callback(self._is_done)

    def _is_done(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        if self._absence is not None and not self._working:
            self._stop_with(self._absence)

    async def _run_action(self, action: Action) -> None:
        try:
            # The generator resumes only after its last event is on disk: intents come first.
            async with contextlib.aclosing(events_of(self._run, action)) as events:
                async for event in events:
                    await self._events.feed(event)
        except BaseException as error:
            await self._failed(action, error)

    async def _failed(self, action: Action, error: BaseException) -> None:
        """Journal what an expected error means for the item; end the execution on any other.

        What an absent service keeps back stays as it is, and the others go on as far as they can.
        """
        if self._run.outlasts and _needs_service(action) and is_absence(error):
            self._absence = error
            return
        if (
            isinstance(error, RivyaError)
            and not isinstance(error, _STOPS)
            and isinstance(action, UploadMedium | AskCache | Buy | Collect | Work)
        ):
            try:
                await self._events.feed(_outcome(action, error))
                return
            except BaseException as another:
                error = another
        self._stop_with(error)

    def _stop_with(self, error: BaseException) -> None:
        """End the execution with an error, or as cancelled on a signal."""
        if isinstance(error, TerminationSignal) and self._driver and not self._driver.cancelling():
            self._driver.cancel()
        if not isinstance(error, STOPPED) and not self._over.done():
            self._over.set_exception(error)

    async def _stop(self) -> None:
        """Cancel all actions, and wait until every submitted event is applied or has failed."""
        self._stopping = True
        try:
            for task in self._working:
                task.cancel()
            await asyncio.gather(*self._working, return_exceptions=True)
        finally:
            self._run.slots.all_over()
            await self._events.settled()
            await self._remembered.stored()


def _needs_service(action: Action) -> bool:
    match action:
        case Buy():
            return not action.bought.is_function
        case Work():
            kind = known_kind(action.uses)
            return kind is not None and kind.fetches
        case _:
            return isinstance(action, Collect | UploadMedium)


def _outcome(
    action: UploadMedium | AskCache | Buy | Collect | Work, error: RivyaError
) -> ItemFailed | PoolRefused:
    """The item failed; or a pool did not cover its intent, and nothing was sent."""
    of = {"step": action.step, "key": action.key}
    if isinstance(error, PoolExceededError) and isinstance(action, Buy):
        names = ("pool", "needs", "left", "until")
        told = {name: getattr(error, name) for name in names}
        return PoolRefused(**of, n=action.n, rest=action.rest is not None, **told)
    return ItemFailed(**of, code=error.code, message=str(error))


async def drive(run: Run, resumed: RunResumed) -> None:
    """Executes a run to its end, then compares ledger, jobs and wallet."""
    if (await Engine(run).run(resumed)).ended in ("completed", "failed"):
        await reconcile_jobs(run)


AT_ONCE = 16
"""Questions that are open at the same moment."""


async def reconcile_jobs(run: Run) -> None:
    """Records what the service says about this run's jobs; free, and never fails a run."""
    asked = jobs_to_ask(run.state)
    jobs: dict[str, Generation | None] = {
        one: run.seen[one] for one in asked if _is_final(run.seen.get(one))
    }
    unseen = iter([one for one in asked if one not in jobs])

    async def ask() -> None:
        for task_id in unseen:
            jobs[task_id] = await _job(run.client, task_id)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(asked) - len(jobs))):
                group.create_task(ask())
    except* RivyaError:  # also for an id that fits in no URL
        jobs.clear()
    if jobs or not asked:
        await _record_answers(run, {one: jobs[one] for one in asked})


async def _record_answers(run: Run, jobs: Mapping[str, Generation | None]) -> None:
    engine, state, row = run.context.journal.engine, run.state, run.reporter.row
    others: tuple[OtherRun, ...] = ()
    if (credits_of(state).unexplained or 0) > 0:
        with suppress(StoreError):
            others = await in_thread(
                partial(spent_by_others, engine, run.run_id, state.service, state.wallet)
            )
    pools: tuple[PoolTotal, ...] = ()
    with suppress(StoreError):
        pools = await in_thread(partial(Pools(engine).matching, row.labels, row.service))
    event = ServiceAsked(
        jobs={
            task_id: job and JobSeen.model_validate(job, from_attributes=True)
            for task_id, job in jobs.items()
        },
        others=sum(one.most for one in others),
        other_runs=others[:MOST_OTHER_RUNS],
        pools=pools,
    )
    append = partial(run.context.journal.append, run.run_id, event, run.lease.fence)
    run.reporter.record(await in_thread(append), state)


def _is_final(job: Generation | None) -> bool:
    """Whether an answer has the end of a job and its cost, which may stay 0 until it is settled."""
    if job is None or not job.ended or job.final_credits is None:
        return False
    return job.status == "failed" or job.final_credits > 0 or not job.reserved_credits


async def _job(client: RivyaClient, task_id: str) -> Generation | None:
    try:
        return await client.generations.retrieve(task_id)
    except APIStatusError as error:
        if error.status == 404:
            return None
        raise
