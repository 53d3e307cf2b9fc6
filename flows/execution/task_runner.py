"""Runs tasks for items, so that the graph of Prefect shows items and dependencies.

The items of a large step share task runs: a page of a thousand task runs is neither fast nor readable.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from prefect import Task, get_client
from prefect.client.schemas.objects import State, StateDetails, StateType
from prefect.runtime import flow_run, task_run
from prefect.states import Cancelled, Completed, Failed
from prefect.utilities.annotations import allow_failure

from rivya_flows.engine.run import A, Run
from rivya_flows.errors import RivyaError
from rivya_flows.flows.prefect_api import UNFINISHED, flow_runs_with, read_task_runs
from rivya_flows.flows.prefect_internals import Boxed, task_named
from rivya_flows.flows.run_page import Page
from rivya_flows.plans.names import label
from rivya_flows.queue.events import Event, ItemEvent
from rivya_flows.queue.items import TERMINAL
from rivya_flows.queue.state import State as RunState
from rivya_flows.receipt.run_page import GroupRow
from rivya_flows.tasks import service, work

RECORDED_SECONDS = 30.0  # by then the server has recorded the end of a task run that was sent to it

MOST_SINGLE = 50
"""A step with more items has task runs for groups of them. Source: measured, docs/reference/run-page.md."""

GROUP = 100  # items

_MOST_NAMED = 3

T = TypeVar("T")

_logger = logging.getLogger(__name__)

TASKS: Mapping[Callable[..., Any], Task[..., Any]] = {
    one.fn: one
    for module in (service, work)
    for one in vars(module).values()
    if isinstance(one, Task)
}
"""The task of each call that the engine makes, by its function."""


@dataclass(frozen=True)
class ItemRange:
    """Neighbours among the items of a step, with a name such as ``1-100 of 300`` instead of a key."""

    step: str
    name: str
    keys: tuple[str, ...]


def ranges_of(step: str, keys: Sequence[str]) -> dict[str, ItemRange]:
    """The range of each item of a step by key; empty for a step with few items."""
    if len(keys) <= MOST_SINGLE:
        return {}
    found: dict[str, ItemRange] = {}
    for start in range(0, len(keys), GROUP):
        part = tuple(keys[start : start + GROUP])
        name = f"{start + 1}-{start + len(part)} of {len(keys)}"
        found |= dict.fromkeys(part, ItemRange(step, name, part))
    return found


class TaskGroup:
    """The calls of one stage, such as ``buy``, of a range of items, and their task run.

    `run` makes a task run of a name and a function.
    """

    def __init__(
        self,
        items: ItemRange,
        stage: str,
        run: Callable[[str, Callable[[], Awaitable[State[Any]]]], Awaitable[Any]],
        page: Page,
    ) -> None:
        self.items, self.stage = items, stage
        self._page = page
        self._rows: dict[str, GroupRow] = {}
        self._left = set(items.keys)
        self._over = asyncio.Event()
        self._id: asyncio.Future[UUID | None] = asyncio.get_running_loop().create_future()
        name = f"{label(items.step, items.name)} {stage}"
        # The outcome, or the exception as a value: the page of a run cannot fail it.
        self.task = asyncio.gather(run(name, self._wait), return_exceptions=True)
        self.task.add_done_callback(lambda _: self._set_id(None))

    @property
    def over(self) -> bool:
        """Its task run ends; a later call needs another group."""
        return self._over.is_set()

    async def task_run_id(self) -> UUID | None:
        """Its task run once that has begun; None if it could not."""
        return await asyncio.shield(self._id)

    def rows(self) -> list[GroupRow]:
        """Of the items that were called, in the order of the step."""
        return [self._rows[key] for key in self.items.keys if key in self._rows]

    async def call(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        self._left.discard(key)
        row = self._rows[key] = GroupRow(label(self.items.step, key))
        found = None
        try:
            found = await work()
            row.status = "done"
            return found
        except RivyaError as error:
            row.status, row.text = "failed", str(error)
            raise
        except BaseException:
            row.status = "stopped"
            raise
        finally:
            if self._id.done() and (task_run_id := self._id.result()):
                self._page.fill_row(row, self.stage, found)
                step, items = self.items.step, self.items.name
                self._page.show_group(task_run_id, self.stage, step, items, self.rows)
            self.leave_out(key)

    def leave_out(self, key: str) -> None:
        """Waits no more for the call of an item, which has ended."""
        self._left.discard(key)
        if not self._left and all(row.status != "running" for row in self._rows.values()):
            self.end()

    def end(self) -> None:
        """Ends its task run: no item calls any more."""
        self._over.set()

    def _set_id(self, task_run_id: UUID | None) -> None:
        if not self._id.done():
            self._id.set_result(task_run_id)

    async def _wait(self) -> State[Any]:
        """Lasts as long as the group; its last state: failed if one item failed, cancelled if one was stopped."""
        self._set_id(UUID(task_run.id) if task_run.id else None)
        await self._over.wait()
        rows = self.rows()
        counts = Counter(row.status for row in rows)
        failed = [f"{row.item}: {row.text}" for row in rows if row.status == "failed"]
        named = failed[:_MOST_NAMED]
        if len(failed) > _MOST_NAMED:
            named.append(f"and {len(failed) - _MOST_NAMED} more")
        if stopped := counts["stopped"] + counts["running"]:
            message = f"{stopped} of {len(rows)} stopped; bought jobs continue"
            return Cancelled(message="; ".join([message, *named]))
        if failed:
            return Failed(message="; ".join([f"{len(failed)} of {len(rows)} failed", *named]))
        return Completed(message="1 item" if len(rows) == 1 else f"{len(rows)} items")


class PrefectCalls:
    """The `Call` of a run: each call is a task run with its dependencies, or a part of that of a group.

    `earlier` are names and ids of the task runs of earlier executions, in order: later work depends on them.
    """

    def __init__(self, run: Run, earlier: Iterable[tuple[str, UUID]], page: Page) -> None:
        self._run = run
        self._page = page
        self._ranges: dict[str, dict[str, ItemRange]] = {}
        self._groups: dict[tuple[str, str], dict[str, TaskGroup]] = {}
        self._begun: set[UUID] = set()
        self._ends: dict[UUID, tuple[float, State[Any]]] = {}
        self._ending: list[asyncio.Future[Any]] = []
        self._root: UUID | None = None
        self._last: defaultdict[str, dict[str, UUID]] = defaultdict(dict)
        self._earlier: set[UUID] = set()
        for name, task_run_id in earlier:
            step, _, key = name.rpartition(" ")[0].partition("[")
            self._last[step][key.removesuffix("]")] = task_run_id
            self._earlier.add(task_run_id)

    async def begin(self) -> None:
        """Ask which models there are at this moment: it is free, and what the graph begins with."""
        task = service.list_models
        state = await self._run_task(task, task.name, partial(task.fn, self._run), ())
        self._root = state.state_details.task_run_id
        await state.aresult()

    async def __call__(
        self, function: Callable[[Run, A], Awaitable[T]], stage: str, action: A
    ) -> T:
        """Run the task of a function under a name such as ``stills[neon] buy``, or in the task run of a group."""
        task, step, key = TASKS[function], action.step, action.key
        work = partial(function, self._run, action)
        if (items := self._range(step, key)) is not None:
            group = self._group(task, stage, items, key)
            begun = await group.task_run_id()
            if begun is not None and begun not in self._begun:
                self._begun.add(begun)
                self._last[step][items.name] = begun
            return await group.call(key, work)
        name, upstream = f"{label(step, key)} {stage}", self._upstream(step, key)
        state = await self._run_task(task, name, work, upstream)
        task_run_id = state.state_details.task_run_id
        if task_run_id is not None:
            self._last[step][key] = task_run_id
        if state.is_cancelled():
            raise asyncio.CancelledError
        result: T = (await state.aresult()).value
        self._page.show_result(task_run_id, stage, step, key, result)
        return result

    def listen(self, event: Event, state: RunState) -> None:
        """Receives which items have ended, so that no group waits for them; a listener."""
        if not isinstance(event, ItemEvent):
            return
        items = self._ranges.get(event.step, {}).get(event.key)
        if items is not None and state.item(event.step, event.key).phase in TERMINAL:
            for group in self._groups.get((event.step, items.name), {}).values():
                group.leave_out(event.key)

    async def end(self) -> None:
        """End the groups whose items were not all called."""
        for stages in self._groups.values():
            for group in stages.values():
                group.end()
        await asyncio.gather(*self._ending)
        await self._send_lost_ends()

    async def _run_task(
        self,
        task: Task[..., Any],
        name: str,
        work: Callable[[], Awaitable[Any]],
        upstream: Iterable[UUID],
    ) -> State[Any]:
        """The last state of a task run after others; without others of this execution, after its first one."""
        after = dict.fromkeys(upstream)
        if self._root is not None and after.keys() <= self._earlier:
            after[self._root] = None
        state: State[Any] = await task_named(task, name, _box(work))(
            # Otherwise a failed upstream state leaves this task pending for ever.
            wait_for=[allow_failure(_state_of(one)) for one in after],
            return_state=True,
        )
        if (task_run_id := state.state_details.task_run_id) is not None:
            self._ends[task_run_id] = time.monotonic(), state
        return state

    async def _send_lost_ends(self) -> None:
        """Sends the ends that the server should have recorded long ago: it was away, and lost them."""
        long_ago = time.monotonic() - RECORDED_SECONDS
        ends = {one: state for one, (at, state) in self._ends.items() if at <= long_ago}
        if not ends:
            return
        try:
            async with get_client() as client:
                of = flow_runs_with(ids=[UUID(flow_run.id)])
                for one in await read_task_runs(client, of, UNFINISHED):
                    if one.id in ends:
                        state: State[Any] = ends[one.id].model_copy(update={"data": None})
                        await client.set_task_run_state(one.id, state, force=True)
        except Exception as error:  # the run does not need its graph
            _logger.warning("ends of task runs were not sent again: %s", error)

    def _range(self, step: str, key: str) -> ItemRange | None:
        if step not in self._ranges:
            found = self._run.state.steps[step]
            if not found.expanded:
                return None
            self._ranges[step] = ranges_of(step, [*found.items])
        return self._ranges[step].get(key)

    def _group(self, task: Task[..., Any], stage: str, items: ItemRange, first: str) -> TaskGroup:
        """The group that the call of an item belongs to; begins it with the first one."""
        stages = self._groups.setdefault((items.step, items.name), {})
        group = stages.get(stage)
        if group is None or group.over:
            upstream = [one for key in items.keys for one in self._upstream(items.step, key)]
            group = stages[stage] = TaskGroup(
                items,
                stage,
                lambda name, work: self._run_task(task, name, work, upstream),
                self._page,
            )
            self._ending.append(group.task)
            for key in items.keys:  # `listen` hears of those that end from now on
                if key != first and self._run.state.item(items.step, key).phase in TERMINAL:
                    group.leave_out(key)
        return group

    def _place(self, step: str, key: str) -> str:
        items = self._range(step, key)
        return key if items is None else items.name

    def _upstream(self, step: str, key: str) -> list[UUID]:
        """The task runs that a call of an item comes after."""
        own = self._last[step].get(self._place(step, key))
        if own is not None:
            return [own]
        found, plan = list[UUID](), self._run.state.plan
        planned = plan.steps[step]
        for name in sorted(plan.follows(step) or self._ends_before(planned.part)):
            follows = name == planned.itemwise and name not in planned.whole
            found += self._runs_of(name, key if follows else None)
        return found

    def _runs_of(self, step: str, key: str | None) -> list[UUID]:
        """The last task runs of a step or of one item; those of its upstream if it has none."""
        items = self._last[step]
        place = None if key is None else self._place(step, key)
        if place in items:
            return [items[place]]
        before = () if items else self._run.state.plan.follows(step)
        return [*items.values(), *(one for name in before for one in self._runs_of(name, None))]

    def _ends_before(self, part: str) -> set[str]:
        """For steps of later parts: the steps of the main part that no other step depends on."""
        if part == "steps":
            return set()
        main = self._run.state.plan.parts["steps"]
        return set(main) - {name for step in main for name in self._run.state.plan.follows(step)}


def _box(work: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    async def call() -> Any:
        try:
            found = await work()
            return found if isinstance(found, State) else Boxed(found)
        except asyncio.CancelledError:
            return Cancelled(message="the run was stopped; bought jobs continue")
        except RivyaError as error:
            # One sentence in the log, not a traceback.
            return Failed(message=str(error), data=error)

    return call


def _state_of(task_run_id: UUID) -> State[Any]:
    """A state to depend on: only its id matters."""
    details = StateDetails(task_run_id=task_run_id)
    return State(type=StateType.COMPLETED, state_details=details, data=Boxed(None))
