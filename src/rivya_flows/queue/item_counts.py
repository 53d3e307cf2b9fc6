"""How many items a step has, at least and at most: exact once its list is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from jinja2 import nodes

from rivya_flows.language.answers import AnswerField, read_expect
from rivya_flows.language.expressions.output_types import is_place
from rivya_flows.language.expressions.resolve import (
    Reference,
    is_whole,
    literal_reference,
    template,
)
from rivya_flows.language.matrix import MAX_ITEMS, SPECIAL
from rivya_flows.plans.plan import PlannedStep, RunPlan
from rivya_flows.queue.list_sizes import ListReader, Sizes, Value, as_list
from rivya_flows.queue.state import State
from rivya_flows.spec.inlining import inlined_name


def item_range(state: State, step_id: str) -> tuple[int, int]:
    """The least and the most members of ``steps.NAME.items``, as far as that is known now."""
    return _Counts(state).of(step_id)


class _Counts:
    """The counts of the steps of one state, each found once."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.reader = ListReader(state, self.of)
        self.found: dict[str, tuple[int, int]] = {}

    def of(self, step_id: str) -> tuple[int, int]:
        if step_id not in self.found:
            self.found[step_id] = self._count(step_id)
        return self.found[step_id]

    def _count(self, step_id: str) -> tuple[int, int]:
        planned, step = self.state.planned_step(step_id), self.state.steps[step_id]
        if planned.skipped:
            return 0, 0
        if planned.pick and not planned.step.fans_out:
            return planned.pick.count, planned.pick.count
        if step.expanded:
            return len(step.items), len(step.items)
        has_open_limit = planned.step.limit is not None and planned.limit is None
        if planned.itemwise is not None and planned.step.key is None:
            found = self.of(planned.itemwise)
            own = planned.most if "max_items" in planned.step.model_fields_set else MAX_ITEMS
            own = own if planned.limit is None else min(own, planned.limit)
            return 0 if has_open_limit else min(found[0], own), min(found[1], own)
        loop, written = planned.step.fan_out
        axes = {"": written} if loop == "foreach" else written
        lists, seen = list[Sizes](), dict[str, Value]()
        for axis, one in axes.items():
            if axis not in SPECIAL:
                lists.append(as_list(self.reader.read(planned, one, seen)) or Sizes())
                seen[axis] = lists[-1].member
        least, most = _rows(lists) if loop == "zip" else _product(lists)
        if axes.get("exclude") or has_open_limit:
            least = 0
        if axes.get("include") or most is None:
            most = planned.most
        return min(least, planned.most), min(most, planned.most)


def _rows(lists: Sequence[Sizes]) -> tuple[int, int | None]:
    tops = [one.most for one in lists if one.most is not None]
    return max((one.least for one in lists), default=0), min(tops, default=None)


def _product(lists: Sequence[Sizes]) -> tuple[int, int | None]:
    tops = [one.most for one in lists if one.most is not None]
    return prod(one.least for one in lists), prod(tops) if len(tops) == len(lists) else None


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
