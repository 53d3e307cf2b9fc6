"""The event loop of a run: runs the actions of the queue and feeds it their events."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from prefect.exceptions import TerminationSignal

from rivya_flows.errors import LeaseLostError, RivyaFlowsError, StoreError
from rivya_flows.flows.execution.actions import cache
from rivya_flows.flows.execution.actions.dispatch import events_of
from rivya_flows.flows.execution.active_run import Run
from rivya_flows.planning.queue.actions import (
    Action,
    AskCache,
    Buy,
    Collect,
    EndRun,
    UploadMedium,
    Work,
)
from rivya_flows.planning.queue.events import AnswerGiven, Event, ItemFailed, RunEnded, RunResumed
from rivya_flows.planning.queue.queue import step
from rivya_flows.planning.queue.state import State
from rivya_flows.store.leases import Leases


class Engine:
    """Executes one run in one event loop."""

    def __init__(self, run: Run, state: State) -> None:
        self._run = run
        self._run.state = state
        self._working: set[asyncio.Task[None]] = set()
        self._driver: asyncio.Task[Any] | None = None
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, resumed: RunResumed, answers: tuple[AnswerGiven, ...] = ()) -> State:
        """Execute the run; gives its state when this execution has ended.

        Raises:
            LeaseLostError: Another process executes the run now.
            StoreError: The journal cannot be written; nothing further was bought.
            asyncio.CancelledError: After the end was journaled.
        """
        self._driver = asyncio.current_task()
        self._run.began = resumed.at
        heartbeat = asyncio.create_task(self._renew_lease())
        try:
            self._feed(resumed)
            for answer in answers:
                self._feed(answer)
            await self._over
        except asyncio.CancelledError:
            await self._stop_working()
            self._feed(RunEnded(status="cancelled", at=self._run.clock()))
            raise
        finally:
            heartbeat.cancel()
            await self._stop_working()
            self._run.slots.all_over()
            await asyncio.gather(heartbeat, return_exceptions=True)
        return self._run.current()

    def _feed(self, event: Event) -> None:
        """Journal an event, apply it to the queue, and start the actions that follow."""
        run = self._run
        entry = run.journal.append(run.run_id, event, run.lease.fence)
        run.state, actions = step(run.current(), event)
        run.record(entry, run.state)
        run.listen(event, run.state)
        cache.remember(run, event)
        for action in actions:
            if isinstance(action, EndRun):
                self._feed(RunEnded(status=action.status, at=run.clock()))
            else:
                task = asyncio.create_task(self._run_action(action))
                self._working.add(task)
                task.add_done_callback(self._working.discard)
        if isinstance(event, RunEnded) and not self._over.done():
            self._over.set_result(None)

    async def _run_action(self, action: Action) -> None:
        try:
            # The generator resumes only after its last event is on disk: intents come first.
            async with contextlib.aclosing(events_of(self._run, action)) as events:
                async for event in events:
                    self._feed(event)
        except BaseException as error:
            self._failed(action, error)

    def _failed(self, action: Action, error: BaseException) -> None:
        """Fail the item on an expected error; end the execution on any other."""
        if isinstance(error, TerminationSignal) and self._driver and not self._driver.cancelling():
            self._driver.cancel()
        if isinstance(error, asyncio.CancelledError | TerminationSignal):
            return
        if (
            isinstance(error, RivyaFlowsError)
            and not isinstance(error, LeaseLostError)
            and isinstance(action, UploadMedium | AskCache | Buy | Collect | Work)
        ):
            of = {"step": action.step, "key": action.key}
            with contextlib.suppress(BaseException):
                self._feed(ItemFailed(**of, code=error.code, message=str(error)))
                return
        if not self._over.done():
            self._over.set_exception(error)

    async def _renew_lease(self) -> None:
        leases = Leases(self._run.journal.engine)
        while True:
            await asyncio.sleep(self._run.heartbeat_seconds)
            try:
                leases.renew(self._run.lease)
            except LeaseLostError as error:
                if not self._over.done():
                    self._over.set_exception(error)
                return
            except StoreError:
                continue  # the store is busy; each write checks the lease anyway

    async def _stop_working(self) -> None:
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
