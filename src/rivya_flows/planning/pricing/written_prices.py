"""What an item costs by the spec alone, before its arguments can be evaluated."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from typing import Any

from rivya_flows.catalogue.prices import Price, price
from rivya_flows.language.expressions.output_types import Unknown
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull, is_computed
from rivya_flows.planning.expansion.build_requests import alternatives_of, kind_of_step
from rivya_flows.planning.expansion.partial_evaluation import known_value
from rivya_flows.planning.expansion.run_scope import known_scope
from rivya_flows.planning.plan import PlannedStep, Variables, candidates_step
from rivya_flows.planning.queue.item_state import ItemState
from rivya_flows.planning.queue.state import State, item_range
from rivya_flows.steps.answers import TURNS
from rivya_flows.steps.given import World
from rivya_flows.steps.judge import CANDIDATES
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
    scope: dict[str, Any] = {"inputs": {}, "steps": {}}
    with contextlib.suppress(ExpressionError, UsesNull):
        scope = known_scope(state, planned)
    scope |= variables
    if isinstance(planned.step.with_, PickWith):
        return written_judge_price(state, planned, scope, rejected)
    kind = kind_of_step(planned.step)
    written = planned.step.with_.model_dump(by_alias=True)
    known = {name: _known(value, scope) for name, value in written.items()}
    world = World(state.plan.catalogue, house=state.plan.house_of(planned))
    return kind.expected_price(known, world)


def _known(written: Any, scope: Mapping[str, Any]) -> Any:
    """A value as far as it is known; the members of a map that are known during the run are `Unknown`."""
    if not isinstance(written, Mapping):
        return known_value(written, scope)
    found = {key: known_value(value, scope) for key, value in written.items()}
    later = {key for key, value in written.items() if found[key] is None and is_computed(value)}
    return {**found, **dict.fromkeys(later, Unknown())}


def judge_price(state: State, planned: PlannedStep, item: ItemState, *, bought: bool) -> Price:
    """What is still to be paid for the judge of a pick whose candidates are known.

    `bought` means that a turn of its next chat is under way.
    """
    request = item.request
    assert request is not None
    one, chats = request.price, len(request.chats)
    turns = max(0, chats * TURNS - item.judge_turns - bought)
    if item.picked is None and (rounds := len(planned.rounds) - item.round) > 0:
        again = _candidates(state, planned)[1]
        turns += rounds * TURNS * max(chats, ceil((again or 0) / CANDIDATES))
    top = None if one.max is None else turns * one.max
    return Price((chats - (chats and bought)) * one.min, top, _assumption(one))


def written_judge_price(
    state: State, planned: PlannedStep, scope: Mapping[str, Any], rejected: int
) -> tuple[str | None, Price]:
    """The model of the judge of a pick and its price, by the spec alone, after so many rounds."""
    with_ = planned.step.with_
    assert isinstance(with_, PickWith)
    mode = known_value(with_.mode, scope)
    if with_.judge is None or mode not in ("judge", "human", None):
        return None, Price(0, 0, "free")
    named = known_value(with_.judge.model, scope)
    model = state.plan.catalogue.get(named) if isinstance(named, str) else None
    if model is None:
        return None, Price(0, None, "the model is known during the run")
    one, (least, most) = price(model, {}), _candidates(state, planned)
    bottom = ceil(least / CANDIDATES) * one.min if mode else 0
    if most is None or one.max is None:
        return model.id, Price(bottom, None, "the candidates of its judge are known during the run")
    rounds = 1 + len(planned.rounds) - rejected
    turns = rounds * TURNS * ceil(most / CANDIDATES)
    told = f"{_assumption(one)}, at most {TURNS} times"
    if rounds > 1:
        told += f", in each of {rounds} rounds"
    if least < most:
        told = f"up to {most:,} candidates, known during the run: {told}"
    return model.id, Price(bottom, turns * one.max, told)


def _assumption(one: Price) -> str:
    return f"a chat for every {CANDIDATES} candidates, {one.assumption}"


def _candidates(state: State, planned: PlannedStep) -> tuple[int, int | None]:
    """The least and the most candidates of a pick; None if there may be any number."""
    with_ = planned.step.with_
    assert isinstance(with_, PickWith)
    if isinstance(with_.from_, list | tuple):
        return len(with_.from_), len(with_.from_)
    name = candidates_step(planned)
    return (0, None) if name is None else item_range(state, name)
