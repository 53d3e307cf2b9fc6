"""Looks up and stores results of equal requests in the cache index."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from rivya_flows.app.cache import look_up
from rivya_flows.flows.execution.active_run import Run
from rivya_flows.planning.expansion.item_arguments import claimed_hash
from rivya_flows.planning.queue.actions import AskCache
from rivya_flows.planning.queue.events import (
    CacheAnswered,
    ChatAnswered,
    Event,
    ItemCompleted,
    RunResumed,
)
from rivya_flows.planning.queue.state import ItemState, Phase


async def ask(run: Run, action: AskCache) -> AsyncGenerator[Event]:
    """Report the outputs of an equal request, if their media are intact."""
    found = look_up(run.results, run.assets, action.request_hash)
    outputs, saved = found if found else (None, 0)
    yield CacheAnswered(
        step=action.step,
        key=action.key,
        request_hash=action.request_hash,
        outputs=outputs,
        saved=saved,
    )


def remember(run: Run, event: Event) -> None:
    """Store a bought result for later runs with an equal request.

    A resume stores all results: the last execution may have crashed before it did.
    """
    state = run.current()
    if isinstance(event, ItemCompleted | ChatAnswered):
        item = state.item(event.step, event.key)
        # The index had no result, or one whose media are lost: replace it.
        _enter(run, event.step, item, instead=item.asked_cache)
    elif isinstance(event, RunResumed):
        for step_id, item in state.each():
            _enter(run, step_id, item)


def _enter(run: Run, step_id: str, item: ItemState, *, instead: bool = False) -> None:
    bought = item.phase is Phase.COMPLETED and item.purchases and item.outputs is not None
    if bought and item.request is not None and item.request.request_hash:
        name = claimed_hash(run.current(), step_id, item)
        run.results.keep(name, run.run_id, item.outputs or {}, item.credits, replace=instead)
