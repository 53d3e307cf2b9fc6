"""What a plan buys again, and why: each item that an earlier run of the same spec has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rivya_flows.estimate.estimate import Estimate, ItemEstimate, StepEstimate
from rivya_flows.plans.names import short_label
from rivya_flows.queue.bought_again import EarlierRun, why_bought_again
from rivya_flows.queue.events import Why
from rivya_flows.queue.items import TERMINAL, ItemState
from rivya_flows.queue.state import State

_Source = tuple[str, str]
"""A step that makes something new, and how the sentence about it ends."""

_New = dict[str, dict[str, _Source]]
"""What is new of each step, by key."""


def with_reasons(
    found: Estimate, state: State, read: Callable[[State], EarlierRun | None]
) -> Estimate:
    """The plan of a rehearsed state with the reasons of what it buys; `read` gives the earlier run."""
    if not any(_is_bought(item) for step in found.steps for item in step.items):
        return found
    if (earlier := read(state)) is None:
        return found
    new, steps = _New(), list[StepEstimate]()
    for step in found.steps:
        known = state.steps[step.id].items
        items = (
            replace(one, why=_why(state, step.id, known[one.key], one, earlier, new))
            if one.key in known and known[one.key].phase not in TERMINAL
            else one
            for one in step.items
        )
        steps.append(replace(step, items=tuple(items)))
    return replace(found, steps=tuple(steps))


def _is_bought(one: ItemEstimate) -> bool:
    return not one.cached and one.price.max != 0


def _why(
    state: State, step_id: str, item: ItemState, one: ItemEstimate, earlier: EarlierRun, new: _New
) -> Why | None:
    """Why an item is bought; adds to `new` what those that use it read."""
    found, source = None, _source(state, step_id, item.key, new)
    if _is_bought(one):
        found = why_bought_again(state, step_id, item, earlier)
        if found is None and source and (step_id, item.key) in earlier.bought:
            found = Why(run_id=earlier.run_id, what=f"steps.{source[0]}", text=source[1])
        name, again = short_label(step_id, item.key), "is bought again" if found else "is new"
        source = step_id, f"it uses {name}, which {again}"
    if source:
        new.setdefault(step_id, {})[item.key] = source
    return found


def _source(state: State, step_id: str, key: str, new: _New) -> _Source | None:
    """The first new thing that an item reads: that of its key, where it follows a step item by item."""
    planned = state.planned_step(step_id)
    for name in sorted(planned.upstream & new.keys()):
        if name == planned.itemwise:
            found = new[name].get(key)
        elif planned.pick is not None and len(new[name]) < len(state.steps[name].items):
            found = None  # it may choose the same again
        else:
            found = next(iter(new[name].values()))
        if found is not None:
            return found
    return None
