"""Budgets of steps: what they still cover, and which items fail that they do not cover."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from rivya_client.catalogue.prices import price_of
from rivya_flows.language.workflow import StepBudget
from rivya_flows.queue.foresight import Foresight
from rivya_flows.queue.items import ItemState, Phase
from rivya_flows.queue.least_left import campaigns_opened, least_by_step, least_of_items, least_sum
from rivya_flows.queue.state import State

Decision = Literal["buy", "wait", "over"]
"""Whether so many credits fit now; `wait`: an open purchase may return some."""

OVER_STEP_BUDGET = "over_step_budget"


def limits_of(state: State, step_id: str) -> StepBudget | None:
    return None if state.rehearses else state.planned_step(step_id).budget


def afford_in_step(state: State, step_id: str, item: ItemState, reserve: int) -> Decision:
    """Whether the budget of a step covers a purchase, and before the first of all, the least of all.

    An item that it never covers fails, or with it all that can be bought now, if it is their sum.
    """
    limits = limits_of(state, step_id)
    if limits is None:
        return "buy"
    rounds = [state.steps[name] for name in state.plan.bought_with(step_id)]
    if limits.per_item is not None:
        spent = sum(one.items[item.key].credits for one in rounds if item.key in one.items)
        if spent + reserve > limits.per_item:
            has = f"its budget is {limits.per_item}, and {spent} are spent"
            _refuse(state, step_id, [item], f"needs {price_of(reserve, reserve)}; {has}")
            return "over"
    needed, left = reserve, state.step_credits_left(step_id)
    if left is None:
        return "buy"
    if state.on_unfit != "go_on" and not any(one.tally.committed for one in rounds):
        needed = max(reserve, _least_of_step(state, step_id))
    if needed <= left:
        return "buy"
    if any(one.tally.open for one in rounds):
        return "wait"
    has = f"the budget of {step_id} of {limits.credits} has {left} left"
    gated = [one for one in state.steps[step_id].items.values() if one.gate is not None]
    refused = [item] if needed == reserve else gated
    _refuse(state, step_id, refused, f"needs {price_of(needed, needed)}; {has}")
    return "over"


def _refuse(state: State, step_id: str, items: Iterable[ItemState], reason: str) -> None:
    for item in items:
        state.change(step_id, item._replace(gated=False).fail(OVER_STEP_BUDGET, reason))


def _least_of_step(state: State, step_id: str) -> int:
    """What all items of a step cost at least, with those that its budget has refused before."""
    step = state.steps[step_id]
    if step.tally.phases[Phase.WAITING]:
        # Those whose source has not ended count too: no order of answers changes what is bought.
        found: Iterable[int | None] = least_by_step(campaigns_opened(state))[step_id]
    else:
        found = least_of_items(Foresight(state), step_id, certain=False)
    refused = [one for one in step.items.values() if one.code == OVER_STEP_BUDGET]
    return least_sum(state, step_id, [*found, *(one.evaluated.price.min for one in refused)])
