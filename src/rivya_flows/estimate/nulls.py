"""Which outputs of an `include` may be null, as a condition inside decides, and what then skips a step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rivya_flows.language.expressions.evaluation import PartlyKnown
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull
from rivya_flows.language.outputs import read_output
from rivya_flows.plans.names import RUNTIME
from rivya_flows.plans.plan import PlannedStep
from rivya_flows.plans.requests import alternatives_of, known_arguments, known_part
from rivya_flows.queue.items import ItemState
from rivya_flows.queue.scope import item_scope, known_scope
from rivya_flows.queue.state import State
from rivya_flows.spec.inlining import inlined_name


@dataclass(frozen=True)
class Nulls:
    """The outputs that may be null, by `include` step and key of its item; asked for in the order of the plan."""

    _outputs: defaultdict[str, dict[str, PartlyKnown]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def add(self, state: State, include: PlannedStep, unsure: Collection[str]) -> None:
        """Finds those of an `include` from the steps inside that are `unsure` to be made, or skipped."""
        name = inlined_name(include.space, include.step.id)
        for key, space in include.inside.items():
            names = state.plan.steps_of[space]
            scope = {"steps": self._fields(state, names, unsure)}
            written = state.plan.spaces[space].workflow.outputs.items()
            nulls = {one: None for one, value in written if _is_null(read_output(value)[0], scope)}
            self._outputs[name][key] = PartlyKnown(outputs=PartlyKnown(nulls))

    def skippable_items(
        self, state: State, planned: PlannedStep, items: Iterable[ItemState]
    ) -> Iterator[ItemState]:
        """The items that are skipped if all outputs that they read and that may be null are."""
        own, source = planned.step.as_, self._outputs.get(planned.itemwise or "", {})
        includes = [one for one in planned.upstream if one in self._outputs]
        here = [one for one in includes if state.planned_step(one).space == planned.space]
        if not here:
            return
        try:
            scope = known_scope(state, planned)
        except (UsesNull, ExpressionError):
            return  # the run reports it
        scope["steps"] = {**self._fields(state, here, ()), **scope["steps"]}
        for item in items:
            seen = item
            if nulls := source.get(item.key) or source.get(RUNTIME):
                known = PartlyKnown({**item.variables.get(own, {}), **nulls})
                seen = item._replace(variables={own: known})
            around = item_scope(state, planned, seen, scope)
            wrong = (known_arguments(one, around)[1] for one in alternatives_of(planned.step))
            if any(isinstance(one, UsesNull) for found in wrong for one in found):
                yield item

    def _fields(
        self, state: State, names: Collection[str], unsure: Collection[str]
    ) -> dict[str, PartlyKnown]:
        """What may be null of the results of steps, by their names in their spec."""
        found = dict[str, PartlyKnown]()
        for name in names:
            planned = state.planned_step(name)
            if planned.step.fans_out:
                continue
            if name in unsure or planned.skipped or state.steps[name].status == "skipped":
                found[planned.step.id] = PartlyKnown(dict.fromkeys(planned.kind.outputs))
            elif name in self._outputs:
                found[planned.step.id] = self._outputs[name].get("", PartlyKnown())
        return found


def _is_null(written: Any, scope: Mapping[str, Any]) -> bool:
    try:
        return known_part(written, scope) is None
    except UsesNull:
        return True
    except ExpressionError:
        return False  # the run reports it
