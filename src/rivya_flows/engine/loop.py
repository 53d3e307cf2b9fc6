"""The loop of a run: journals events, runs the actions that the queue asks for, and stores results."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import aclosing, suppress
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar, cast

from rivya_flows.engine.cache import CachedResult, keep_results, new_results
from rivya_flows.engine.files import upload, upload_step
from rivya_flows.engine.jobs import collect, reconcile_jobs
from rivya_flows.engine.purchases import buy, read_balance
from rivya_flows.engine.run import A, Run, Runner
from rivya_flows.engine.work import WORK, ask, call_function, decide, notify
from rivya_flows.errors import (
    LeaseLostError,
    PoolExceededError,
    RivyaError,
    StoreLostError,
    StoreUnreachableError,
)
from rivya_flows.queue import actions, events
from rivya_flows.queue.actions import Action, AskCache, Buy, Collect, EndRun, UploadMedium, Work
from rivya_flows.queue.events import Event
from rivya_flows.queue.queue import step
from rivya_flows.queue.state import State
from rivya_flows.receipt.report import RunReport
from rivya_flows.steps.registry import known_kind
from rivya_flows.steps.request import UploadedFile
from rivya_flows.store.database import in_thread, to_its_end

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
        self._results += new_results(run, event)
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
                outputs = await upload_step(run, action)
            else:
                function = WORK.get(action.uses, call_function)
                outputs = await run.call(function, action.uses, action)
            seconds = round(time.monotonic() - began, 3)
            yield events.ItemCompleted(step=step, key=key, outputs=outputs, work_seconds=seconds)
        case actions.Expire():
            for event in action.events:
                yield await decide(run, event)
        case actions.EndRun():
            yield events.RunEnded(status=action.status, at=run.clock())
