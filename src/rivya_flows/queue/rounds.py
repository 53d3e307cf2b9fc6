"""Rounds: what a pick buys again when none was picked, and what a step with `repeat` does again.

The rounds are steps of the plan from the start, so they have a price. What has them counts in its own item
how many have ended; later ones are held back until it asks for them.
"""

from __future__ import annotations

from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull, evaluate
from rivya_flows.plans.plan import PlannedStep
from rivya_flows.queue.items import ItemState, Phase, next_round
from rivya_flows.queue.scope import fields_of, scope_for
from rivya_flows.queue.state import State


def unasking(state: State, planned: PlannedStep) -> ItemState | None:
    """The item that has the round of a step, if it has not asked for that round; else None."""
    if planned.round_of is None:
        return None
    name, number = planned.round_of
    owner = state.item(name, "")
    return owner if owner.round < number else None


def not_asked(planned: PlannedStep, owner: ItemState | None) -> str:
    """Why a round does not run, though all before it has ended."""
    ended = "was decided" if owner and owner.phase is Phase.COMPLETED else "ended"
    return f"{planned.round_of and planned.round_of[0]} {ended} without another round"


def end_round(state: State, name: str, item: ItemState) -> ItemState:
    """A step with `repeat` after a round: done, before the next round, or failed."""
    planned = state.planned_step(name)
    assert planned.step.repeat is not None
    ended = planned.rounds[item.round]
    current = state.steps[ended]
    if current.status == "failed":
        return item.fail("included", f"{ended} failed")
    if current.status == "skipped":
        reasons = [one.reason for one in current.items.values() if one.reason]
        return item.skip((reasons or [f"{ended} was skipped"])[0])
    scope = scope_for(state, planned, planned.whole - {*planned.rounds})
    scope["steps"][planned.step.id] = fields_of(state, ended)
    try:
        met = bool(evaluate(planned.step.repeat.until, scope))
    except (UsesNull, ExpressionError) as error:
        return item.fail("bad_arguments", f"`until` after round {item.round + 1}: {error}")
    rounds = len(planned.rounds)
    if not met and item.round + 1 < rounds:
        return next_round(item, "")
    given = state.item(ended, "").outputs or {}
    return item._replace(
        phase=Phase.COMPLETED,
        outputs={**given, "rounds": item.round + 1, "met": met},
        reason=None
        if met
        else f"`until` was not true after {rounds} rounds; the last one is taken",
    )
