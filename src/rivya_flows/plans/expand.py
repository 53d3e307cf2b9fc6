"""Expands a workflow and its inputs into a plan: steps in order, items, dependencies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from graphlib import TopologicalSorter
from typing import Any, TypeVar

from rivya_client.catalogue.catalogue import Catalogue
from rivya_flows.assets import Asset
from rivya_flows.language.expressions.evaluation import evaluated_together
from rivya_flows.language.expressions.output_types import has_unknown
from rivya_flows.language.expressions.resolve import (
    ExpressionError,
    UsesNull,
    condition,
    evaluate,
    items_named,
    references,
)
from rivya_flows.language.lineage import (
    NONE as NO_LINEAGE,
    Lineage,
    hidden_values,
    lineage_of,
    lineage_of_pick,
)
from rivya_flows.language.matrix import OwnKey, item_keys, rows_of
from rivya_flows.language.workflow import PARTS, Inputs, Part, Step, Workflow
from rivya_flows.plans.names import round_name
from rivya_flows.plans.plan import (
    NamespaceFacts,
    PlannedItem,
    PlannedStep,
    RunPlan,
    Space,
    inputs_in,
    own_fields,
    own_values,
    scope_in,
    space_of_include,
    steps_in,
)
from rivya_flows.plans.requests import PartlyKnown, known_part
from rivya_flows.spec.files import inlined_name
from rivya_flows.steps.pick import MODES, Mode, PickWith, mode_of
from rivya_flows.steps.registry import kind_of_step

T = TypeVar("T")


def expand(
    workflow: Workflow,
    inputs: Inputs,
    catalogue: Catalogue,
    files: Mapping[str, Asset] | None = None,
) -> RunPlan:
    """The plan of one run of a checked workflow; `files` are assets by the path that it wrote."""
    # No step has outputs yet.
    facts = NamespaceFacts(inputs, files or {}, dict[str, Mapping[str, Any]]().__getitem__)
    expansion = _Expansion(workflow, facts)
    for part in PARTS:
        expansion.add(part)
    return RunPlan(workflow, inputs, catalogue, expansion.steps, files or {}, expansion.spaces)


class _Expansion:
    """The steps of a plan, as far as they are planned, and the specs that they come from."""

    def __init__(self, workflow: Workflow, known: NamespaceFacts) -> None:
        self.spaces = {"": Space("", workflow)}
        self.steps: dict[str, PlannedStep] = {}
        self._known = known
        self._lineages: defaultdict[str, dict[str, Lineage]] = defaultdict(dict)  # by space

    def add(self, part: Part) -> None:
        """Plans the steps of a part of the spec."""
        placed = dict(self._steps_of(self.spaces[""], self.spaces[""].workflow.part(part)))
        upstream = {
            name: _whole(space, step, name) | steps_in(space, step.fan_out[1])
            for name, (space, step) in placed.items()
        }
        for name in _sort_steps(upstream):
            space, step = placed[name]
            planned = self._plan_step(part, space, step, upstream[name])
            rounds = self._plan_rounds(space, name, planned)
            self.steps |= rounds
            self.steps[name] = replace(planned, rounds=tuple(rounds))

    def _steps_of(
        self, space: Space, steps: Mapping[str, Step]
    ) -> Iterator[tuple[str, tuple[Space, Step]]]:
        """All steps by their names in the plan, included steps before their `include`."""
        for step_id, step in steps.items():
            name = inlined_name(space.id, step_id)
            inner = space_of_include(space, step_id, name)
            if inner is not None:
                self.spaces[name] = inner
                yield from self._steps_of(inner, inner.workflow.steps)
            yield name, (space, step)

    def _plan_step(
        self, part: Part, space: Space, step: Step, upstream: frozenset[str]
    ) -> PlannedStep:
        loop = ("matrix", "zip", "item", step.as_)
        conditional = any(one.namespace in loop for one in references(step.if_))
        skipped = None
        for place, guard in ((space, step), *space.enclosing()):
            if guard.if_ is None or (guard is step and conditional):
                continue
            if steps_in(place, guard.if_):
                conditional = True
            elif not self._try(place, guard.if_, partial(condition, guard.if_), True):
                whose = "its condition" if guard is step else f"the condition of {guard.id}"
                skipped = f"{whose} is false for these inputs"
        itemwise = _items_of(space, step.foreach)
        items: tuple[PlannedItem, ...] | None = None
        written = step.fan_out[1]
        if not step.fans_out:
            items = (PlannedItem("", {}),)
        elif itemwise is not None:
            # With the keys of the source; their loop variables follow during the run.
            source = self.steps[itemwise].items if step.key is None else None
            items = source and tuple(PlannedItem(one.key, {}, one.repeats) for one in source)
        elif not steps_in(space, written):
            items = self._try(
                space, [written, step.key], lambda scope: items_from(step, scope), None
            )
        name, read = inlined_name(space.id, step.id), [*_arguments_of(step), written]
        return PlannedStep(
            step,
            items,
            skipped,
            upstream,
            upstream if itemwise is None else _whole(space, step, name),
            itemwise,
            conditional,
            part,
            space.id,
            inputs_in(space, read),
            upstream - _steps_before(space, step, read, more_than_status=True),
            lineage=self._lineage_of(space, step),
            same=frozenset(
                inlined_name(space.id, one.path[0])
                for one in references(_arguments_of(step))
                if one.namespace == "steps" and one.path[1:2] == ("same",)
            ),
        )

    def _lineage_of(self, space: Space, step: Step) -> Lineage:
        known = self._lineages[space.id]
        if step.fans_out:
            hidden = hidden_values(kind_of_step(step).outputs)
            known[step.id] = lineage_of(*step.fan_out, step.as_, hidden, known)
        elif isinstance(step.with_, PickWith):
            known[step.id] = lineage_of_pick(step.with_.from_, known)
        return known.get(step.id, NO_LINEAGE)

    def _plan_rounds(self, space: Space, name: str, pick: PlannedStep) -> dict[str, PlannedStep]:
        """The steps that buy the candidates of a pick again, one for each round."""
        if (with_ := pick.pick) is None or pick.step.fans_out or pick.skipped:
            return {}
        source = _items_of(space, with_.from_) or ""
        first = self.steps.get(source)
        written = with_.mode
        unknown: Mode | None = MODES["human"]
        mode = self._try(space, written, lambda scope: mode_of(evaluate(written, scope)), unknown)
        # A rule rejects no candidates.
        if first is None or mode is None or mode.decides == "rule":
            return {}
        again: dict[str, PlannedStep] = {}
        for number in range(1, with_.rounds + 1):
            step_id = round_name(pick.step.id, first.step.id, number)
            again[inlined_name(space.id, step_id)] = replace(
                first,
                step=first.step.model_copy(update={"id": step_id}),
                part=pick.part,
                round_of=(name, number),
                repeats=source,
            )
        return again

    def _try(self, space: Space, value: Any, use: Callable[[dict[str, Any]], T], otherwise: T) -> T:
        """What inputs alone decide; else, or on a null or an error, which the queue reports, `otherwise`."""
        try:
            return use(scope_in(space, value, self._known))
        except (ExpressionError, UsesNull, KeyError):
            return otherwise


def _whole(space: Space, step: Step, name: str) -> frozenset[str]:
    """Steps named outside the fan-out; for an `include`, all steps inside too."""
    inner = space_of_include(space, step.id, name)
    if inner is None:
        return _steps_before(space, step, _arguments_of(step))
    inside = {inlined_name(name, one) for one in inner.workflow.steps}
    return _steps_before(space, step, [step.key, step.if_]) | inside


def _steps_before(
    space: Space, step: Step, values: Any, *, more_than_status: bool = False
) -> frozenset[str]:
    """The steps that values of a step read, and that it or an `include` around it needs."""
    named = steps_in(space, values, more_than_status=more_than_status)
    named |= {inlined_name(space.id, one) for one in step.needs}
    for outer, include in space.enclosing():
        named |= steps_in(outer, include.if_, more_than_status=more_than_status)
        named |= {inlined_name(outer.id, one) for one in include.needs}
    return named


def _arguments_of(step: Step) -> list[Any]:
    """What is evaluated for the items of a step, with the arguments that it falls back to."""
    taken = [step.with_.model_dump(), *(one.model_dump() for one in step.fallback)]
    return [taken, step.key, step.if_]


def _items_of(space: Space, value: Any) -> str | None:
    """The step with a fan-out whose items a value is; None for any other, such as a pick."""
    source = space.workflow.all_steps.get(items_named(value) or "")
    return inlined_name(space.id, source.id) if source is not None and source.fans_out else None


def _sort_steps(upstream: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """Names in topological order; ties keep the order of the file."""
    place = {name: index for index, name in enumerate(upstream)}
    # Steps of earlier parts come first anyway.
    sorter = TopologicalSorter(
        {name: sorted(before & upstream.keys()) for name, before in upstream.items()}
    )
    sorter.prepare()
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=place.__getitem__)
        order += ready
        sorter.done(*ready)
    return tuple(order)


def items_from(step: Step, scope: Mapping[str, Any]) -> tuple[PlannedItem, ...]:
    """The items of a fan-out; `UsesNull` if a list or a key is null."""
    loop, written = step.fan_out
    with evaluated_together():
        rows = rows_of(loop, written, scope)
        if loop == "foreach" and len(rows) > step.max_items:
            raise ExpressionError(
                f"{len(rows)} items, but max_items is {step.max_items}: raise it, or take the first"
                f" with [0:{step.max_items}] after the list"
            )
        made = [
            {step.as_: row.values["item"]} if loop == "foreach" else {loop: row.values}
            for row in rows
        ]
        keys = None
        if step.key is not None:
            keys = [
                evaluate(step.key, {**scope, **one, **own_fields(place)})
                for place, one in enumerate(made)
            ]
    named = item_keys([row.values for row in rows], keys, [row.places for row in rows])
    return tuple(
        PlannedItem(key.text, one, key.repeats, row.places)
        for key, one, row in zip(named, made, rows, strict=True)
    )


def with_followed_items(plan: RunPlan) -> RunPlan:
    """The plan with the keys and the known variables of items that follow others, where these are certain."""
    steps = dict(plan.steps)
    for name, planned in plan.steps.items():
        if planned.itemwise is not None:
            items = _items_that_follow(plan, planned, steps)
            steps[name] = planned if items is None else replace(planned, items=items)
    return replace(plan, steps=steps)


def _items_that_follow(
    plan: RunPlan, planned: PlannedStep, steps: Mapping[str, PlannedStep]
) -> tuple[PlannedItem, ...] | None:
    source, step = steps[planned.itemwise or ""], planned.step
    if not source.items or source.conditional or source.skipped:
        return None
    members = [
        PartlyKnown({**_known_values(source, item), "key": OwnKey(item.key)})
        for item in source.items
    ]
    if step.key is None:
        return tuple(
            PlannedItem(item.key, {step.as_: member}, item.repeats)
            for item, member in zip(source.items, members, strict=True)
        )
    scope: dict[str, Any] = {} if planned.space else {"inputs": plan.inputs}
    try:
        if has_unknown(known_part(step.key, {**scope, step.as_: members[0], **own_fields(0)})):
            return None
        return items_from(step, {**scope, "steps": {source.step.id: {"items": members}}})
    except (ExpressionError, UsesNull):
        return None  # the run, or what reads the item, reports it


def _known_values(source: PlannedStep, item: PlannedItem) -> dict[str, Any]:
    """The loop values of an item, without those that are only partly known."""
    own = own_values(source, item.variables)
    known = source.lineage.loop_values(own)
    return {name: one for name, one in known.items() if not isinstance(own.get(name), PartlyKnown)}
