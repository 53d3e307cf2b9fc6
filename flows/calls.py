"""Calls tasks in the name of items, so that Prefect's graph shows whose they are and after what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State
from prefect.utilities.annotations import allow_failure

from rivya_flows.plan.expand import Plan
from rivya_flows.plan.names import label


class PrefectCalls:
    """The `Calls` of a real run: each call is a task run with true edges.

    Args:
        plan: Tells what a step waits for.
        root: State of the task run that the graph begins with, or None.
    """

    def __init__(self, plan: Plan, root: State[Any] | None = None) -> None:
        self._plan = plan
        self._root = root
        self._last: dict[str, dict[str, State[Any]]] = {}

    async def __call__(
        self, task: Task[..., Any], stage: str, step: str, key: str, arguments: Mapping[str, Any]
    ) -> Any:
        """Runs the task under a name such as ``stills[neon] submit``."""
        name = f"{label(step, key)} {stage}"
        # Prefect formats the run's name as a template: a key's own braces are text.
        named = task.with_options(name=name, task_run_name=_as_text(name))
        state: State[Any] = await named(
            **arguments,
            # A failed upstream state would otherwise leave this task pending for ever.
            wait_for=[allow_failure(one) for one in self._upstream(step, key)],
            return_state=True,
        )
        self._last.setdefault(step, {})[key] = state
        return await state.aresult()

    def _upstream(self, step: str, key: str) -> list[State[Any]]:
        own = self._last.get(step, {}).get(key)
        if own is not None:
            return [own]
        planned = self._plan.steps[step]
        states = []
        for name in sorted(planned.upstream):
            items = self._last.get(name, {})
            follows = name == planned.itemwise and name not in planned.whole and key in items
            states += [items[key]] if follows else list(items.values())
        return states or ([] if self._root is None else [self._root])


def _as_text(name: str) -> str:
    return name.replace("{", "{{").replace("}", "}}")
