"""Checks that the fan-out members which expressions name will exist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jinja2 import nodes

from rivya_flows.language.expressions.output_types import is_place
from rivya_flows.language.expressions.resolve import (
    Reference,
    as_reference,
    expressions_in,
    whole_reference,
)
from rivya_flows.language.includes import inlined_name
from rivya_flows.planning.expansion.build_requests import alternatives_of
from rivya_flows.planning.expansion.fan_out import fan_out_of
from rivya_flows.planning.plan import PlannedStep, RunPlan

_MAX_SHOWN = 20


def missing_members(plan: RunPlan, planned: PlannedStep) -> Iterator[str]:
    """Why a step would fail on a member that a fan-out does not have; one message for each.

    Only certain reads count: no branch of a choice, nothing guarded by `default` or a test.
    """
    step = planned.step
    arguments = [one.with_.model_dump() for one in alternatives_of(step)]
    written = [*arguments, step.key, fan_out_of(step) if step.fans_out else None]
    named = {
        reference
        for expression in expressions_in(written)
        for reference in certain_reads(expression.tree)
        if reference.namespace == "steps" and len(reference.path) > 2
    }
    for reference in sorted(named):
        source = plan.steps.get(inlined_name(planned.space, reference.path[0]))
        # What reads a skipped step is skipped too.
        fans_out = source is not None and source.step.fans_out  # `by` of others has formats
        if source is not None and fans_out and not source.skipped and not source.conditional:
            yield from _absent(source, reference)


def least_media(plan: RunPlan, planned: PlannedStep, argument: str) -> int:
    """Minimum number of media in an argument that is all ``assets`` of one fan-out; else 0.

    An item may make several media; one that may fail counts as none.
    """
    named = whole_reference(getattr(planned.step.with_, argument))
    if named is None or named.namespace != "steps" or named.path[1:] != ("assets",):
        return 0
    source = plan.steps.get(inlined_name(planned.space, named.path[0]))
    if source is None or source.items is None:
        return 0
    return len(source.items) if _is_whole(plan, source) else 0


def _is_whole(plan: RunPlan, source: PlannedStep) -> bool:
    """Whether all of its items must complete, and those that they follow."""
    if source.skipped or source.conditional or source.step.allow_failures:
        return False
    return source.itemwise is None or _is_whole(plan, plan.steps[source.itemwise])


def certain_reads(tree: nodes.Node) -> Iterator[Reference]:
    """The names that are read whatever the values are."""
    reference = as_reference(tree)
    if reference is not None:
        yield reference
        return
    match tree:
        case nodes.CondExpr():
            parts: list[Any] = [tree.test]
        case nodes.And() | nodes.Or():
            parts = [tree.left]
        case nodes.Compare():
            parts = [tree.expr, tree.ops[0].expr]
        case nodes.Test():
            parts = []
        case nodes.Filter() if tree.name == "default":
            parts = []
        case _:
            parts = list(tree.iter_child_nodes())
    for part in parts:
        yield from certain_reads(part)


def _absent(source: PlannedStep, reference: Reference) -> Iterator[str]:
    step_id, held, name = reference.path[:3]
    if source.items is None or source.keys is None:
        return
    if held == "by" and name not in source.keys:
        known = ", ".join(item.key for item in source.items[:_MAX_SHOWN])
        yield f"steps.{step_id}.by has no {name!r}; it has: {known}"
    elif held == "items" and is_place(name):
        count = len(source.items)
        if not -count <= int(name) < count:
            held = f"{count} member{'' if count == 1 else 's'}"
            yield f"steps.{step_id}.items has {held}, so there is no [{name}]"
