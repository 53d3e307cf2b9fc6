"""What an item costs by the spec alone, before its arguments can be evaluated."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rivya_flows.catalogue.prices import Price
from rivya_flows.language.expressions.output_types import Unknown
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull, is_computed
from rivya_flows.planning.expansion.build_requests import alternatives_of, kind_of_step
from rivya_flows.planning.expansion.namespaces import brand_in, inputs_for, steps_in
from rivya_flows.planning.expansion.partial_evaluation import known_value
from rivya_flows.planning.expansion.run_scope import known_of
from rivya_flows.planning.plan import PlannedStep, Variables
from rivya_flows.planning.pricing.judge_prices import written_judge_price
from rivya_flows.planning.queue.state import State
from rivya_flows.steps.given import World
from rivya_flows.steps.pick import PickWith


def written_prices(
    state: State, planned: PlannedStep, variables: Variables, rejected: int = 0
) -> list[tuple[str | None, Price]]:
    """The model and the price of one item as written, then of each of its fallbacks.

    Args:
        state: Of the run; what its steps have made is not read.
        planned: The step.
        variables: Of the item.
        rejected: Of a pick, how often its candidates have been bought again.
    """
    alternatives = (replace(planned, step=one) for one in alternatives_of(planned.step))
    return [_written_price(state, one, variables, rejected) for one in alternatives]


def _written_price(
    state: State, planned: PlannedStep, variables: Variables, rejected: int
) -> tuple[str | None, Price]:
    space = state.plan.spaces[planned.space]
    own_brand = brand_in(space, state.plan.files)
    scope = {"inputs": _known_inputs(state, planned), **own_brand, **variables}
    if isinstance(planned.step.with_, PickWith):
        return written_judge_price(state, planned, scope, rejected)
    kind = kind_of_step(planned.step)
    known = {name: _known(value, scope) for name, value in planned.step.with_.model_dump().items()}
    world = World(state.plan.catalogue, house=state.plan.house_of(planned))
    return kind.expected_price(known, world)


def _known_inputs(state: State, planned: PlannedStep) -> dict[str, Any]:
    """Inputs of the step's spec that are known."""
    space, known = state.plan.spaces[planned.space], known_of(state)
    if space.outer is None:
        return dict(state.plan.inputs)
    found: dict[str, Any] = {}
    for name in planned.reads:
        if all(state.steps[one].settled for one in steps_in(space.outer, space.given(name))):
            with contextlib.suppress(ExpressionError, UsesNull):
                found |= inputs_for(space, [name], known)
    return found


def _known(written: Any, scope: Mapping[str, Any]) -> Any:
    """A value as far as it is known; the members of a map that are known during the run are `Unknown`."""
    if not isinstance(written, Mapping):
        return known_value(written, scope)
    found = {key: known_value(value, scope) for key, value in written.items()}
    later = {key for key, value in written.items() if found[key] is None and is_computed(value)}
    return {**found, **dict.fromkeys(later, Unknown())}
