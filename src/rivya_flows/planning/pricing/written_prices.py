"""What an item costs by the spec alone, before its arguments can be evaluated."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rivya_flows.catalogue.prices import Price, price
from rivya_flows.language.brand import with_words
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull, is_computed
from rivya_flows.language.expressions.values import Later
from rivya_flows.language.step_functions import function_of
from rivya_flows.language.workflow import ChatWith, GenerateWith, PickWith
from rivya_flows.planning.expansion.build_requests import alternatives_of
from rivya_flows.planning.expansion.namespaces import brand_in, inputs_for, steps_in
from rivya_flows.planning.expansion.partial_evaluation import known_value
from rivya_flows.planning.expansion.run_scope import known_of
from rivya_flows.planning.plan import PlannedStep, Variables
from rivya_flows.planning.pricing.judge_prices import written_judge_price
from rivya_flows.planning.queue.state import State


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
    with_ = planned.step.with_
    function = function_of(planned.step.uses)
    if function is not None and function.credits:
        return function.name, Price(function.credits, function.credits, "the function's own price")
    if not isinstance(with_, GenerateWith | ChatWith | PickWith):
        return None, Price(0, 0, "free")
    space = state.plan.spaces[planned.space]
    own_brand = brand_in(space, state.plan.files)
    scope = {"inputs": _known_inputs(state, planned), **own_brand, **variables}
    if isinstance(with_, PickWith):
        return written_judge_price(state, planned, scope, rejected)
    named = known_value(with_.model, scope)
    model = state.plan.catalogue.get(named) if isinstance(named, str) else None
    if model is None:
        return None, Price(0, None, "the model is known during the run")
    if isinstance(with_, ChatWith):
        return model.id, price(model, {}, None)
    params, prompt = _known_params(with_.params, scope), known_value(with_.prompt, scope)
    if isinstance(prompt, str):
        words = state.plan.house_of(planned).words_for(model, with_.brand)
        prompt = with_words(prompt, words)
    expected = price(model, params if isinstance(params, dict) else {}, prompt)
    if not isinstance(params, dict) and expected.max is not None:
        expected = Price(expected.min, None, "its parameters are known during the run")
    return model.id, expected


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


def _known_params(written: Any, scope: Mapping[str, Any]) -> Any:
    """The parameters; those that are known during the run only count as changed.

    One that bears no price then leaves the price as it is.
    """
    if not isinstance(written, Mapping):
        return known_value(written, scope)
    found = {key: known_value(value, scope) for key, value in written.items()}
    later = {key for key, value in written.items() if found[key] is None and is_computed(value)}
    return {**found, **dict.fromkeys(later, Later())}
