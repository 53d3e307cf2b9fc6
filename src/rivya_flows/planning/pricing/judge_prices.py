"""What the judge of a `pick` costs: a chat for every few candidates, asked again where its answer
cannot be used.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from rivya_flows.catalogue.prices import Price, price
from rivya_flows.planning.expansion.partial_evaluation import known_value
from rivya_flows.planning.plan import PlannedStep, candidates_step
from rivya_flows.planning.queue.item_state import ItemState
from rivya_flows.planning.queue.state import State, item_range
from rivya_flows.steps.answers import TURNS
from rivya_flows.steps.judge import CANDIDATES
from rivya_flows.steps.pick import PickWith


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
