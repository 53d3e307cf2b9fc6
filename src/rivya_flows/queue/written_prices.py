"""The prices of items that are only written yet, and of the judge of a pick."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from typing import Any

from rivya_client.catalogue.prices import Price, price
from rivya_flows.language.expressions.output_types import Unknown
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull, evaluate
from rivya_flows.plans.plan import PlannedStep, candidates_step
from rivya_flows.plans.requests import alternatives_of, known_value
from rivya_flows.queue.item_counts import item_range
from rivya_flows.queue.items import ItemState
from rivya_flows.queue.scope import item_scope, known_scope
from rivya_flows.queue.state import State
from rivya_flows.steps.judge import MAX_CANDIDATES
from rivya_flows.steps.pick import PickWith, idle_keys
from rivya_flows.steps.structured_output import MAX_TURNS


def prices_by_spec(
    state: State, planned: PlannedStep, item: ItemState
) -> list[tuple[str | None, Price]]:
    """The model and price of an item as written, then of each fallback."""
    alternatives = (replace(planned, step=one) for one in alternatives_of(planned.step))
    return [_written_price(state, one, item) for one in alternatives]


def _written_price(state: State, planned: PlannedStep, item: ItemState) -> tuple[str | None, Price]:
    scope: dict[str, Any] = {"inputs": {}, "steps": {}}
    with contextlib.suppress(ExpressionError, UsesNull):
        scope = known_scope(state, planned, steps=False)
    scope = item_scope(state, planned, item, scope)
    if planned.pick:
        return _written_judge_price(state, planned, planned.pick, scope, item.round)
    written = planned.step.with_.model_dump(by_alias=True)
    known = {name: _read_known(value, scope) for name, value in written.items()}
    world = state.plan.world_of(planned)
    return planned.kind.expected_price(known, world)


def _read_known(written: Any, scope: Mapping[str, Any]) -> Any:
    """A value, with `Unknown` for what only the run will know: the whole, or members of a map."""
    if isinstance(written, Mapping):
        return {key: _read_known(value, scope) for key, value in written.items()}
    try:
        return evaluate(written, scope)
    except (ExpressionError, UsesNull):
        return Unknown()


def judge_price(state: State, planned: PlannedStep, item: ItemState, *, in_flight: bool) -> Price:
    """What the judge of a pick may still cost; `in_flight`: a turn of its chat is under way."""
    request = item.evaluated
    per_chat, chats = request.price, len(request.chats)
    turns = max(0, chats * MAX_TURNS - item.judge_turns - int(in_flight))
    if item.picked is None and (rounds := len(planned.rounds) - 1 - item.round) > 0:
        candidates = _candidate_range(state, planned)[1] or 0
        turns += rounds * MAX_TURNS * max(chats, ceil(candidates / MAX_CANDIDATES))
    most = None if per_chat.max is None else turns * per_chat.max
    return Price(max(0, chats - int(in_flight)) * per_chat.min, most, _assumption(per_chat))


def _written_judge_price(
    state: State, planned: PlannedStep, with_: PickWith, scope: Mapping[str, Any], rejected: int
) -> tuple[str | None, Price]:
    """The model of the judge of a pick and its price, by the spec alone, after so many rounds."""
    mode = known_value(with_.mode, scope)
    if with_.judge is None or (mode is not None and "judge" in idle_keys(mode)):
        return None, Price(0, 0, "free")
    named = known_value(with_.judge.model, scope)
    model = state.plan.catalogue.get(named) if isinstance(named, str) else None
    if model is None:
        return None, Price(0, None, "the model is known during the run")
    per_chat, (fewest, most) = price(model, {}), _candidate_range(state, planned)
    least = ceil(fewest / MAX_CANDIDATES) * per_chat.min if mode else 0
    if most is None or per_chat.max is None:
        return model.id, Price(least, None, "the candidates of its judge are known during the run")
    rounds = max(1, len(planned.rounds)) - rejected
    turns = rounds * MAX_TURNS * ceil(most / MAX_CANDIDATES)
    assumption = f"{_assumption(per_chat)}, at most {MAX_TURNS} times"
    if rounds > 1:
        assumption += f", in each of {rounds} rounds"
    if fewest < most:
        assumption = f"up to {most:,} candidates, known during the run: {assumption}"
    return model.id, Price(least, turns * per_chat.max, assumption)


def _assumption(per_chat: Price) -> str:
    return f"a chat for every {MAX_CANDIDATES} candidates, {per_chat.assumption}"


def _candidate_range(state: State, planned: PlannedStep) -> tuple[int, int | None]:
    """The least and the most candidates of a pick; None if there may be any number."""
    written = planned.pick and planned.pick.from_
    if isinstance(written, list | tuple):
        return len(written), len(written)
    name = candidates_step(planned)
    return (0, None) if name is None else item_range(state, name)
