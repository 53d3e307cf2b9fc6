"""Looks for, and enters, results of equal requests in the cache index."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from flows.run import Run
from rivya_flows.plan.actions import AskCache
from rivya_flows.plan.arguments import claimed_hash
from rivya_flows.plan.events import CacheAnswered, ChatAnswered, Event, ItemCompleted
from rivya_flows.plan.state import Phase
from rivya_flows.runs.cache import look_up


async def ask(run: Run, action: AskCache) -> AsyncGenerator[Event]:
    """Tells the outputs of an equal request, if their media are still whole."""
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
    """Enters what was just bought and finished, for later runs that ask for the same."""
    if not isinstance(event, ItemCompleted | ChatAnswered):
        return
    state = run.current()
    item = state.item(event.step, event.key)
    if item.phase is Phase.COMPLETED and item.purchases and item.outputs is not None:
        name = claimed_hash(state, event.step, item)
        run.results.keep(name, run.run_id, item.outputs, item.credits)
