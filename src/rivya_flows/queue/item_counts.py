"""How many items a step has, at least and at most: exact once its list is known."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from jinja2 import nodes

from rivya_flows.language.answers import AnswerField, read_expect
from rivya_flows.language.expressions.output_types import is_place
from rivya_flows.language.expressions.resolve import (
    ExpressionError,
    Reference,
    UsesNull,
    evaluate,
    is_whole,
    literal_reference,
    template,
)
from rivya_flows.language.matrix import MAX_ITEMS, SPECIAL
from rivya_flows.plans.plan import PlannedStep, RunPlan
from rivya_flows.queue.scope import known_scope
from rivya_flows.queue.state import State
from rivya_flows.spec.inlining import inlined_name

_Range = tuple[int, int | None]
"""The least and the most members of a list; None if there may be any number."""


def item_range(state: State, step_id: str) -> tuple[int, int]:
    """The least and the most members of ``steps.NAME.items``, as far as that is known now."""
    planned, step = state.planned_step(step_id), state.steps[step_id]
    if planned.pick and not planned.step.fans_out:
        return planned.pick.count, planned.pick.count
    if step.expanded:
        return len(step.items), len(step.items)
    has_open_limit = planned.step.limit is not None and planned.limit is None
    if planned.itemwise is not None and planned.step.key is None:
        found = item_range(state, planned.itemwise)
        own = planned.most if "max_items" in planned.step.model_fields_set else MAX_ITEMS
        own = own if planned.limit is None else min(own, planned.limit)
        return 0 if has_open_limit else min(found[0], own), min(found[1], own)
    loop, written = planned.step.fan_out
    axes = {"": written} if loop == "foreach" else written
    lists = [
        _range_of_list(state, planned, one) for axis, one in axes.items() if axis not in SPECIAL
    ]
    leasts, tops = [least for least, _ in lists], [most for _, most in lists if most is not None]
    if loop == "zip":
        least, most = max(leasts, default=0), min(tops, default=None)
    else:
        least, most = prod(leasts), prod(tops) if len(tops) == len(lists) else None
    if axes.get("exclude") or has_open_limit:
        least = 0
    if axes.get("include") or most is None:
        most = planned.most
    return min(least, planned.most), min(most, planned.most)


def _range_of_list(state: State, planned: PlannedStep, written: Any) -> _Range:
    try:
        known = evaluate(written, known_scope(state, planned))
    except (ExpressionError, UsesNull):
        known = written
    if isinstance(known, list | tuple):
        return len(known), len(known)
    if not is_whole(written):
        return 0, None
    return _range_of(state, planned, template(written).expressions[0].tree)


def _range_of(state: State, planned: PlannedStep, tree: nodes.Node) -> _Range:
    """Of all items of a step, and of a slice with literal ends."""
    if isinstance(tree, nodes.Getitem) and isinstance(tree.arg, nodes.Slice):
        least, most = _range_of(state, planned, tree.node)
        start, stop = _place(tree.arg.start, 0), _place(tree.arg.stop, MAX_ITEMS)
        if start is None or stop is None or tree.arg.step is not None:
            return 0, most
        ends = stop if most is None else min(stop, most)
        return max(0, min(least, stop) - start), max(0, ends - start)
    reference = literal_reference(tree)
    if reference is None or reference.namespace != "steps" or not reference.path:
        return 0, None
    if reference.path[1:] == ("items",):
        return item_range(state, inlined_name(planned.space, reference.path[0]))
    found = answer_field(state.plan, planned, reference)
    if found is None or found.type != "list":
        return 0, None
    least = int(found.min or 0) if found.required else 0
    return least, None if found.max is None else int(found.max)


def answer_field(plan: RunPlan, planned: PlannedStep, named: Reference) -> AnswerField | None:
    """What a chat is asked for where a step reads its answer, such as `steps.script.json.scenes`; None of all else."""
    if named.namespace != "steps" or named.path[1:2] != ("json",):
        return None
    source = plan.steps.get(inlined_name(planned.space, named.path[0]))
    expect = source.kind.expects(source.step.with_) if source else None
    return field_at(read_expect(expect)[0], named.path[2:]) if expect else None


def answer_member(plan: RunPlan, planned: PlannedStep, written: Any) -> AnswerField | None:
    """The members of a list in an answer, or of a slice of it, over which a step loops; None of any other list."""
    tree = template(written).expressions[0].tree if is_whole(written) else None
    if isinstance(tree, nodes.Getitem) and isinstance(tree.arg, nodes.Slice):
        tree = tree.node
    named = None if tree is None else literal_reference(tree)
    found = None if named is None else answer_field(plan, planned, named)
    return None if found is None else found.member


def field_at(field: AnswerField, path: tuple[str, ...]) -> AnswerField | None:
    """A part of an answer, required only if all parts around it are."""
    found: AnswerField | None = field
    for name in path:
        if found is None:
            return None
        inner = found.member if is_place(name) else found.fields.get(name)
        found = inner and replace(inner, required=inner.required and found.required)
    return found


def _place(tree: nodes.Expr | None, otherwise: int) -> int | None:
    """A literal place from the start of a list; None for any other."""
    if tree is None:
        return otherwise
    value = tree.value if isinstance(tree, nodes.Const) else None
    return value if isinstance(value, int) and value >= 0 else None
