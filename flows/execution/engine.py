"""The event loop of a run: runs the actions of the queue and feeds it their events."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from prefect.exceptions import TerminationSignal

from rivya_flows.errors import (
    LeaseLostError,
    PoolExceededError,
    RivyaFlowsError,
    StoreLostError,
    StoreUnreachableError,
)
from rivya_flows.flows.absence import is_absence
from rivya_flows.flows.execution.actions.cache import Remembered
from rivya_flows.flows.execution.actions.dispatch import events_of
from rivya_flows.flows.execution.active_run import Run
from rivya_flows.flows.execution.event_feed import EventFeed
from rivya_flows.flows.prefect_internals import goes_on_elsewhere
from rivya_flows.planning.queue.actions import (
    Action,
    AskCache,
    Buy,
    Collect,
    EndRun,
    UploadMedium,
    Work,
)
from rivya_flows.planning.queue.events import (
    ItemFailed,
    PoolRefused,
    RunEnded,
    RunResumed,
    Stamped,
)
from rivya_flows.planning.queue.queue import step
from rivya_flows.planning.queue.state import State

STOPPED = (asyncio.CancelledError, TerminationSignal)
"""What stops an execution from outside."""

_STOPS = (LeaseLostError, StoreLostError, StoreUnreachableError)
"""Errors that end the execution, whatever item they came from."""


class Engine:
    """Executes one run in one event loop, which never waits for the store."""

    def __init__(self, run: Run, state: State) -> None:
        self._run = run
        self._run.state = state
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
            if run.current().ended is None and not goes_on_elsewhere():
                await self._events.feed(RunEnded(status="cancelled", at=run.clock()))
            raise
        finally:
            await self._stop()
        return run.current()

    def _count(self, entry: Stamped) -> None:
        """Apply an event that is on disk to the queue, and start the actions that follow."""
        run, event = self._run, entry.event
        run.state, actions = step(run.current(), event)
        run.record(entry, run.state)
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
            isinstance(error, RivyaFlowsError)
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
            return action.route != "function"
        case Work():
            return action.uses == "upload"
        case _:
            return isinstance(action, Collect | UploadMedium)


def _outcome(
    action: UploadMedium | AskCache | Buy | Collect | Work, error: RivyaFlowsError
) -> ItemFailed | PoolRefused:
    """The item failed; or a pool did not cover its intent, and nothing was sent."""
    of = {"step": action.step, "key": action.key}
    if isinstance(error, PoolExceededError) and isinstance(action, Buy):
        names = ("pool", "needs", "left", "until")
        told = {name: getattr(error, name) for name in names}
        return PoolRefused(**of, n=action.n, rest=action.rest is not None, **told)
    return ItemFailed(**of, code=error.code, message=str(error))
