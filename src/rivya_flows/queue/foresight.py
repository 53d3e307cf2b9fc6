"""What is certain of an item that waits for other steps: its loop values, whether it will be made, its price."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, NamedTuple

from rivya_client.catalogue.prices import Price, price
from rivya_flows.language.expressions.evaluation import PartlyKnown
from rivya_flows.language.expressions.output_types import Unknown
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull, evaluate
from rivya_flows.plans.plan import PlannedStep, candidates_step, steps_of_include
from rivya_flows.plans.requests import (
    alternatives_of,
    known_arguments,
    known_condition,
    known_value,
)
from rivya_flows.queue.items import TERMINAL, ItemState, Phase
from rivya_flows.queue.list_sizes import item_range
from rivya_flows.queue.scope import item_fields, item_scope, known_scope
from rivya_flows.queue.state import State
from rivya_flows.steps.judge import MAX_CANDIDATES, by_frames, candidates_of_a_chat, most_chats
from rivya_flows.steps.pick import PickWith, idle_keys
from rivya_flows.steps.structured_output import MAX_TURNS


class Foreseen(NamedTuple):
    """An item with its loop variables as far as they are known.

    Attributes:
        runs: Whether it is made if nothing fails; None: that is known during the run.
        reason: Why it is not, or on what that depends.
    """

    item: ItemState
    runs: bool | None = True
    reason: str = ""


@dataclass(frozen=True)
class Foresight:
    """Looks ahead in one state, each item at most once. The state must not change while it is used."""

    state: State
    _seen: dict[tuple[str, str], Foreseen] = field(default_factory=dict)
    _scopes: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)

    def of(self, step_id: str, item: ItemState) -> Foreseen:
        """What is certain of an item of a step."""
        found = self._seen.get((step_id, item.key))
        if found is None:
            found = self._seen[step_id, item.key] = self._look(step_id, item)
        return found

    def give_up(self, step_id: str, item: ItemState, reason: str = "") -> None:
        """Leave open whether an item is made, and with it those that follow it."""
        seen = self.of(step_id, item)
        self._seen[step_id, item.key] = seen._replace(runs=None, reason=reason)

    def _look(self, step_id: str, item: ItemState) -> Foreseen:
        planned = self.state.planned_step(step_id)
        if item.phase in TERMINAL:
            return Foreseen(item, item.phase is Phase.COMPLETED, item.reason or "")
        if item.requests:
            return Foreseen(item)
        followed = self._followed_item(planned, item)
        if followed is not None and not item.variables:
            fields = self._fields(planned.itemwise or "", followed)
            item = item._replace(variables={planned.step.as_: fields})
        if followed is not None and followed.runs is None:
            return Foreseen(item, None, f"only if {planned.itemwise} is made")
        is_lost = followed is not None and not followed.runs
        if not planned.conditional and not is_lost:
            return Foreseen(item)
        met = self._condition(step_id, planned, item)
        if met and is_lost and self._uses_null(step_id, planned, item):
            return Foreseen(item, False, f"{planned.itemwise} is not made")
        reasons = {None: "only if its condition is met", False: "its `if` is false"}
        return Foreseen(item, met, reasons.get(met, ""))

    def _followed_item(self, planned: PlannedStep, item: ItemState) -> Foreseen | None:
        """The item that one follows; None if it follows none, or that is not known yet."""
        if planned.itemwise is None:
            return None
        found = self.state.steps[planned.itemwise].items.get(item.key)
        return None if found is None else self.of(planned.itemwise, found)

    def _fields(self, source: str, followed: Foreseen) -> dict[str, Any]:
        """What an item has, of one that is still to be made the values of its loops and its key."""
        planned, item = self.state.planned_step(source), followed.item
        if item.phase not in TERMINAL and followed.runs is False:
            item = item.skip(followed.reason)
        fields = item_fields(planned, item)
        if item.phase in TERMINAL:
            return fields
        later = {*planned.kind.outputs, "status", "credits"} - {"key"}
        if not item.variables:
            later |= planned.lineage.names
        return PartlyKnown({name: one for name, one in fields.items() if name not in later})

    def _condition(self, step_id: str, planned: PlannedStep, item: ItemState) -> bool | None:
        for space, _, include in self.state.plan.spaces[planned.space].inclusions():
            if steps_of_include(space, include.if_):
                return None
        scope = self._scope(step_id, planned)
        if scope is None:
            return None
        try:
            return known_condition(planned.step.if_, item_scope(self.state, planned, item, scope))
        except ExpressionError:
            return None  # the run reports it

    def _uses_null(self, step_id: str, planned: PlannedStep, item: ItemState) -> bool:
        scope = self._scope(step_id, planned)
        if scope is None:
            return False
        here = item_scope(self.state, planned, item, scope)
        wrong = [known_arguments(one, here)[1] for one in alternatives_of(planned.step)]
        return any(isinstance(one, UsesNull) for found in wrong for one in found)

    def _scope(self, step_id: str, planned: PlannedStep) -> Mapping[str, Any] | None:
        """What a step sees already; None if that is an error, which the run reports."""
        if step_id not in self._scopes:
            try:
                self._scopes[step_id] = known_scope(self.state, planned)
            except (UsesNull, ExpressionError):
                self._scopes[step_id] = None
        return self._scopes[step_id]


# --- Prices of items that are only written yet, and of the judge of a pick ---


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
    per_chat, chats, frames = request.price, len(request.chats), request.pick.frames
    turns = max(0, chats * MAX_TURNS - item.judge_turns - int(in_flight))
    if item.picked is None and (rounds := len(planned.rounds) - 1 - item.round) > 0:
        candidates = _candidate_range(state, planned)[1] or 0
        turns += rounds * MAX_TURNS * max(chats, most_chats(candidates, frames))
    most = None if per_chat.max is None else turns * per_chat.max
    assumption = _assumption(per_chat, frames)
    return Price(max(0, chats - int(in_flight)) * per_chat.min, most, assumption)


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
    frames = with_.judge.frames
    turns = rounds * MAX_TURNS * most_chats(most, frames)
    assumption = f"{_assumption(per_chat, frames)}, at most {MAX_TURNS} times"
    if rounds > 1:
        assumption += f", in each of {rounds} rounds"
    if fewest < most:
        assumption = f"up to {most:,} candidates, known during the run: {assumption}"
    return model.id, Price(least, turns * per_chat.max, assumption)


def _assumption(per_chat: Price, frames: int | None) -> str:
    number = candidates_of_a_chat(frames)
    what = f"every {number} candidates" if number > 1 else "each candidate"
    seen = f", {by_frames(frames)}" if frames else ""
    return f"a chat for {what}{seen}, {per_chat.assumption}"


def _candidate_range(state: State, planned: PlannedStep) -> tuple[int, int | None]:
    """The least and the most candidates of a pick; None if there may be any number."""
    written = planned.pick and planned.pick.from_
    if isinstance(written, list | tuple):
        return len(written), len(written)
    name = candidates_step(planned)
    return (0, None) if name is None else item_range(state, name)
