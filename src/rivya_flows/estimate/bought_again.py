"""What a plan buys again, and why: each item that an earlier run of the same spec has."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from rivya_flows.estimate.estimate import Estimate, ItemEstimate, StepEstimate
from rivya_flows.language.expressions.values import ExpressionError, UsesNull
from rivya_flows.plans.names import short_label
from rivya_flows.queue.bought_again import EarlierRun, Sent, why_bought_again
from rivya_flows.queue.events import Why
from rivya_flows.queue.forks import sent_by
from rivya_flows.queue.items import TERMINAL, ItemState
from rivya_flows.queue.state import State

_Source = tuple[str, str]
"""A step that makes something new, and the sentence about it."""


def with_reasons(
    found: Estimate, state: State, read: Callable[[State], EarlierRun | None]
) -> Estimate:
    """The plan of a rehearsed state with the reasons of what it buys; `read` gives the earlier run."""
    if not any(_is_bought(item) for step in found.steps for item in step.items):
        return found
    earlier = read(state)
    if earlier is None:
        return found
    reasons = _Reasons(state, earlier)
    return replace(found, steps=tuple(map(reasons.of_step, found.steps)))


def _is_bought(one: ItemEstimate) -> bool:
    return not one.cached and one.price.max != 0


@dataclass(frozen=True)
class _Reasons:
    """Reasons of the steps of a plan, asked for in its order; `new` has what is new of them, by step and key."""

    state: State
    earlier: EarlierRun
    new: dict[str, dict[str, _Source]] = field(default_factory=dict)

    def of_step(self, step: StepEstimate) -> StepEstimate:
        known, sent = self.state.steps[step.id].items, None
        with suppress(UsesNull, ExpressionError):
            sent = sent_by(self.state, self.state.planned_step(step.id))
        items = list[ItemEstimate]()
        for one in step.items:
            item = known.get(one.key)
            if item is None or item.phase in TERMINAL:
                items.append(one)
            elif any(bought.status != "planned" for bought in item.purchases):
                items.append(one)  # its own run buys it once more, since somebody asks for it
                if one.price.min:
                    self._note(step.id, item.key, "is bought again")
            else:
                bought = _is_bought(one)
                items.append(replace(one, why=self._why(step.id, item, sent, bought=bought)))
        return replace(step, items=tuple(items))

    def _why(self, step_id: str, item: ItemState, sent: Sent | None, *, bought: bool) -> Why | None:
        """Why an item is bought; notes in `new` what those that use it read."""
        source, found = self._source(step_id, item.key), None
        if bought:
            earlier = self.earlier
            found = why_bought_again(self.state, step_id, item, earlier, sent)
            is_known = (step_id, item.key) in earlier.bought
            if found is None and source and is_known:
                found = Why(run_id=earlier.run_id, what=f"steps.{source[0]}", text=source[1])
            again = "is bought again" if found else "is new"
            source = None
            if found or not is_known:
                self._note(step_id, item.key, again)
        if source:
            self.new.setdefault(step_id, {})[item.key] = source
        return found

    def _note(self, step_id: str, key: str, again: str) -> None:
        """Notes what those that use an item read of it."""
        text = f"it uses {short_label(step_id, key)}, which {again}"
        self.new.setdefault(step_id, {})[key] = (step_id, text)

    def _source(self, step_id: str, key: str) -> _Source | None:
        """The first new thing that an item reads: that of its key, where it follows a step item by item."""
        planned = self.state.planned_step(step_id)
        for name in sorted(planned.upstream & self.new.keys()):
            made = self.new[name]
            if name == planned.itemwise:
                found = made.get(key)
            elif planned.pick is not None and len(made) < len(self.state.steps[name].items):
                found = None  # it may choose the same again
            else:
                found = next(iter(made.values()))
            if found is not None:
                return found
        return None
