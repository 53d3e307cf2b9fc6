"""Items that follow those of another step, as far as they are known before the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rivya_flows.language.expressions.output_types import has_unknown
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull
from rivya_flows.language.matrix import OwnKey
from rivya_flows.planning.expansion.fan_out import items_from
from rivya_flows.planning.expansion.partial_evaluation import PartlyKnown, known_part
from rivya_flows.planning.plan import PlannedItem, PlannedStep, RunPlan


def with_followed_items(plan: RunPlan) -> RunPlan:
    """The plan with the keys and the known variables of items that follow others, where these are certain.

    Of the followed item, its key and its values of the matrix or zip are known; the run knows the rest.
    """
    steps = dict(plan.steps)
    for name, planned in plan.steps.items():
        if planned.itemwise is not None:
            items = _following(plan, planned, steps)
            steps[name] = planned if items is None else replace(planned, items=items)
    return replace(plan, steps=steps)


def _following(
    plan: RunPlan, planned: PlannedStep, steps: Mapping[str, PlannedStep]
) -> tuple[PlannedItem, ...] | None:
    source, step = steps[planned.itemwise or ""], planned.step
    if not source.items or source.conditional or source.skipped:
        return None
    members = [PartlyKnown(_known_fields(item)) for item in source.items]
    if step.key is None:
        return tuple(
            PlannedItem(item.key, {step.as_: member}, item.repeats)
            for item, member in zip(source.items, members, strict=True)
        )
    scope = {} if planned.space else {"inputs": plan.inputs}
    try:
        if has_unknown(known_part(step.key, {**scope, step.as_: members[0]})):
            return None
        return items_from(step, members, scope)
    except (ExpressionError, UsesNull):
        return None  # the run, or what reads the item, reports it


def _known_fields(item: PlannedItem) -> dict[str, object]:
    axes = {**item.variables.get("matrix", {}), **item.variables.get("zip", {})}
    return {**axes, "key": OwnKey(item.key)}
