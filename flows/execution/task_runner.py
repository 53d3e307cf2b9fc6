"""Runs tasks for items, so that the graph of Prefect shows items and dependencies."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from prefect import Task
from prefect.client.schemas.objects import State, StateDetails, StateType
from prefect.states import Cancelled, Failed
from prefect.utilities.annotations import allow_failure

from rivya_flows.errors import RivyaFlowsError
from rivya_flows.flows.prefect_internals import Boxed, task_named
from rivya_flows.planning.names import label
from rivya_flows.planning.plan import RunPlan

Shown = Callable[[UUID | None, str, str, str, Any], None]
"""Receives the task run, stage, step, key and result of each task."""


def _unseen(task_run_id: UUID | None, stage: str, step: str, key: str, result: Any) -> None:
    """Shows nothing."""


class PrefectCalls:
    """The `Calls` of a run: each call is a task run with its dependencies.

    Args:
        plan: Gives the dependencies of steps.
        earlier: Names and ids of the task runs of earlier executions, in order: finished work has
            no new task run, and later work still depends on it in the graph.
        shown: Receives the result of each task; must not block.
    """

    def __init__(
        self, plan: RunPlan, earlier: Iterable[tuple[str, UUID]] = (), shown: Shown = _unseen
    ) -> None:
        self._plan = plan
        self._shown = shown
        self._root: State[Any] | None = None
        self._last: dict[str, dict[str, State[Any]]] = {}
        self._earlier: set[UUID] = set()
        for name, task_run_id in earlier:
            step, _, key = name.rpartition(" ")[0].partition("[")
            self._last.setdefault(step, {})[key.removesuffix("]")] = _of_earlier(task_run_id)
            self._earlier.add(task_run_id)

    async def begin(self, task: Task[..., Any]) -> Any:
        """Run the first task of the graph."""
        self._root = await _called(task, task.name, {}, [])
        return await _result(self._root)

    async def __call__(
        self, task: Task[..., Any], stage: str, step: str, key: str, arguments: Mapping[str, Any]
    ) -> Any:
        """Run the task under a name such as ``stills[neon] submit``."""
        upstream = self._upstream(step, key)
        # Without other dependencies of this execution, depend on its first task.
        if self._root is not None and {_id(one) for one in upstream} <= self._earlier:
            upstream.append(self._root)
        state = await _called(task, f"{label(step, key)} {stage}", arguments, upstream)
        self._last.setdefault(step, {})[key] = state
        if state.is_cancelled():
            raise asyncio.CancelledError
        result = await _result(state)
        self._shown(_id(state), stage, step, key, result)
        return result

    def _upstream(self, step: str, key: str) -> list[State[Any]]:
        own = self._last.get(step, {}).get(key)
        if own is not None:
            return [own]
        planned = self._plan.steps[step]
        found: dict[UUID | None, State[Any]] = {}
        for name in sorted(planned.upstream or self._ends_before(planned.part)):
            follows = name == planned.itemwise and name not in planned.whole
            for state in self._states(name, key if follows else None):
                found[_id(state)] = state
        return list(found.values())

    def _states(self, step: str, key: str | None) -> list[State[Any]]:
        """The last task runs of a step or of one item; those of its upstream if it has none."""
        items = self._last.get(step, {})
        if key in items:
            return [items[key]]
        if items:
            return list(items.values())
        before = sorted(self._plan.steps[step].upstream)
        return [state for name in before for state in self._states(name, None)]

    def _ends_before(self, part: str) -> set[str]:
        """For steps of later parts: the steps of the main part that no other step depends on."""
        if part == "steps":
            return set()
        main = self._plan.parts["steps"]
        return set(main) - {name for step in main for name in self._plan.steps[step].upstream}


async def _called(
    task: Task[..., Any], name: str, arguments: Mapping[str, Any], upstream: list[State[Any]]
) -> State[Any]:
    state: State[Any] = await task_named(task, name, _boxed(task.fn))(
        **arguments,
        # Otherwise a failed upstream state leaves this task pending for ever.
        wait_for=[allow_failure(one) for one in upstream],
        return_state=True,
    )
    return state


def _boxed(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(function)
    async def boxed(**arguments: Any) -> Any:
        try:
            return Boxed(await function(**arguments))
        except asyncio.CancelledError:
            return Cancelled(message="the run was stopped; bought jobs continue")
        except RivyaFlowsError as error:
            # One sentence in the log, not a traceback.
            return Failed(message=str(error), data=error)

    return boxed


async def _result(state: State[Any]) -> Any:
    boxed = await state.aresult()
    return boxed.value


def _of_earlier(task_run_id: UUID) -> State[Any]:
    """A state to depend on: only its id matters."""
    details = StateDetails(task_run_id=task_run_id)
    return State(type=StateType.COMPLETED, state_details=details, data=Boxed(None))


def _id(state: State[Any]) -> UUID | None:
    return state.state_details.task_run_id
