"""What is certain of an item that waits for other steps: its loop values, and whether it will be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rivya_flows.language.expressions.evaluation import PartlyKnown
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull
from rivya_flows.plans.plan import PlannedStep, steps_of_include
from rivya_flows.plans.requests import alternatives_of, known_arguments, known_condition
from rivya_flows.queue.items import TERMINAL, ItemState, Phase
from rivya_flows.queue.scope import item_fields, item_scope, known_scope
from rivya_flows.queue.state import State


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

    def give_up(self, step_id: str, item: ItemState) -> None:
        """Leave open whether an item is made, and with it those that follow it."""
        self._seen[step_id, item.key] = self.of(step_id, item)._replace(runs=None)

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
