"""Looks up results of equal requests, and stores them in the cache index."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from functools import partial

from rivya_flows.flows.execution.active_run import Run
from rivya_flows.planning.expansion.item_arguments import claimed_hash
from rivya_flows.planning.queue.actions import AskCache
from rivya_flows.planning.queue.events import (
    ChatAnswered,
    Event,
    ItemCompleted,
    RunResumed,
)
from rivya_flows.planning.queue.item_state import ItemState, Phase
from rivya_flows.store.cache_index import NewResult
from rivya_flows.store.database import in_thread


async def ask(run: Run, action: AskCache) -> AsyncGenerator[Event]:
    """Report the outputs of an equal request, if their media are intact."""
    yield await asyncio.to_thread(run.look_up, action)


class Remembered:
    """Stores bought and composed results for later runs with an equal request, in batches, in a thread."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._waiting: list[NewResult] = []
        self._storing: asyncio.Task[None] | None = None

    def add(self, event: Event) -> None:
        """Store what an event brought.

        A resume stores all results: the last execution may have crashed before it did.
        """
        self._waiting += _bought(self._run, event)
        if self._waiting and self._storing is None:
            self._storing = asyncio.create_task(self._store())

    async def stored(self) -> None:
        """Return once all results are stored."""
        if self._storing is not None:
            await asyncio.wait([self._storing])

    async def _store(self) -> None:
        while self._waiting:
            results, self._waiting = self._waiting, []
            await in_thread(partial(self._run.results.keep, results))
        self._storing = None


def _bought(run: Run, event: Event) -> Iterator[NewResult]:
    """The bought or composed results that an event brought."""
    state = run.current()
    if isinstance(event, ItemCompleted | ChatAnswered):
        item = state.item(event.step, event.key)
        # The index had no result, or one whose media are lost: replace it.
        yield from _result(run, event.step, item, replace=item.asked_cache)
    elif isinstance(event, RunResumed):
        for step_id, item in state.each():
            yield from _result(run, step_id, item)


def _result(
    run: Run, step_id: str, item: ItemState, *, replace: bool = False
) -> Iterator[NewResult]:
    request = item.request
    if request is None or item.phase is not Phase.COMPLETED or item.outputs is None:
        return
    # An item that fell back may have failed purchases and outputs from the cache.
    made = not item.cached and (item.purchases or not request.model)
    if made and request.request_hash and not request.is_function:
        name = claimed_hash(run.current(), step_id, item)
        cost = sum(one.held for one in item.purchases if one.alternative == item.alternative)
        yield NewResult(name, run.run_id, item.outputs or {}, cost, replace)
