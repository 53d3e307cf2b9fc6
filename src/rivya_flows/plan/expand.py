"""Workflow and inputs -> Plan: the steps in order, their items, and what each waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import TopologicalSorter
from typing import Any

from rivya_flows.catalogue.models import Catalogue
from rivya_flows.plan.spaces import (
    Known,
    Space,
    inputs_in,
    scope_in,
    space_of_include,
    steps_in,
)
from rivya_flows.spec.expressions import (
    ExpressionError,
    UsesNull,
    condition,
    evaluate,
    references,
)
from rivya_flows.spec.including import inlined_name
from rivya_flows.spec.matrix import combinations, item_keys
from rivya_flows.spec.parts import PARTS, Part
from rivya_flows.spec.workflow import Step, Workflow

Variables = Mapping[str, Any]
"""What an item adds to the scope: ``{"matrix": {…}}``, ``{"zip": {…}}`` or ``{"item": …}``."""


@dataclass(frozen=True)
class PlannedItem:
    """One item of a step: its key and loop variables."""

    key: str
    variables: Variables = field(hash=False)


@dataclass(frozen=True)
class PlannedStep:
    """A step with what is known of it before the run.

    Attributes:
        items: Its items, or None where a `foreach` (or an axis) is known only during the run.
        skipped: Why it will not run, where a condition on inputs decided that; else None.
        upstream: Steps that it refers to or needs.
        whole: Those of them that must be settled before any of its items.
        itemwise: The step whose items it follows one by one, or None.
        conditional: Its `if` depends on other steps.
        part: Which map of the spec it stands in, and so when it runs.
        space: Name of the `include` step that it comes from; "" for the run's own.
        reads: Inputs of its spec that it reads.
    """

    step: Step
    items: tuple[PlannedItem, ...] | None
    skipped: str | None
    upstream: frozenset[str]
    whole: frozenset[str]
    itemwise: str | None
    conditional: bool
    part: Part = "steps"
    space: str = ""
    reads: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Plan:
    """What a run will do, as far as that is known before it.

    Attributes:
        steps: In the order of execution: each after all that it waits for.
        files: Assets by the path that the spec wrote, from its folder.
        spaces: The specs inside the run by the name of the step that includes them; "" its own.
    """

    workflow: Workflow
    inputs: Mapping[str, Any] = field(hash=False)
    catalogue: Catalogue = field(hash=False)
    steps: Mapping[str, PlannedStep] = field(hash=False)
    files: Mapping[str, Any] = field(hash=False)
    spaces: Mapping[str, Space] = field(hash=False)

    def files_of(self, planned: PlannedStep) -> Mapping[str, Any]:
        """Assets by the path that the spec of a step wrote, from its own folder."""
        folder = self.spaces[planned.space].folder
        if not folder:
            return self.files
        return {
            path.removeprefix(folder): asset
            for path, asset in self.files.items()
            if path.startswith(folder)
        }

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Step ids in the order of execution."""
        return tuple(self.steps)

    @cached_property
    def parts(self) -> Mapping[Part, tuple[str, ...]]:
        """Step ids of each part, in the order of execution."""
        return {
            part: tuple(name for name, planned in self.steps.items() if planned.part == part)
            for part in PARTS
        }


def expand(
    workflow: Workflow,
    inputs: Mapping[str, Any],
    catalogue: Catalogue,
    files: Mapping[str, Any] | None = None,
) -> Plan:
    """The plan of one run.

    Args:
        workflow: A checked workflow.
        inputs: Resolved inputs.
        catalogue: Frozen with the run.
        files: Assets by the path that the spec wrote.
    """
    spaces = {"": Space("", workflow)}
    known = Known(inputs, files or {}, _nothing_yet)
    planned: dict[str, PlannedStep] = {}
    for part in PARTS:
        placed = _placed(spaces[""], workflow.part(part), spaces)
        upstream = {name: upstream_of(space, step, name) for name, (space, step) in placed.items()}
        for name in _ordered(upstream):
            space, step = placed[name]
            planned[name] = _plan_step(part, space, step, upstream[name], known, planned)
    return Plan(workflow, inputs, catalogue, planned, files or {}, spaces)


def _nothing_yet(name: str) -> Mapping[str, Any]:
    raise KeyError(name)


def _placed(
    space: Space, steps: Mapping[str, Step], spaces: dict[str, Space]
) -> dict[str, tuple[Space, Step]]:
    """All steps by their names in the plan, included ones before what includes them."""
    placed: dict[str, tuple[Space, Step]] = {}
    for step_id, step in steps.items():
        name = inlined_name(space.id, step_id)
        inner = space_of_include(space, step_id, name)
        if inner is not None:
            spaces[name] = inner
            placed |= _placed(inner, inner.workflow.steps, spaces)
        placed[name] = (space, step)
    return placed


def upstream_of(space: Space, step: Step, name: str) -> frozenset[str]:
    """Names of the steps that a step refers to or needs.

    Args:
        space: Where it stands.
        step: The step.
        name: Its own name in the plan.
    """
    return _whole(space, step, name) | steps_in(space, [step.matrix, step.foreach, step.zip_])


def _whole(space: Space, step: Step, name: str) -> frozenset[str]:
    """Steps named anywhere but in the fan-out; for an `include`, all that it includes."""
    named = steps_in(space, [step.key, step.if_])
    named |= {inlined_name(space.id, one) for one in step.needs}
    inner = space_of_include(space, step.id, name) if step.uses == "include" else None
    if inner is not None:
        named |= {inlined_name(name, one) for one in inner.workflow.steps}
    else:
        named |= steps_in(space, step.with_.model_dump())
    for outer, include in space.enclosing():
        named |= steps_in(outer, include.if_)
        named |= {inlined_name(outer.id, one) for one in include.needs}
    return named


def items_from(step: Step, evaluated: Any, scope: Mapping[str, Any]) -> tuple[PlannedItem, ...]:
    """The items of a fan-out, from its evaluated axes or list.

    Args:
        step: A step that fans out.
        evaluated: What `fan_out_of` gave in this scope.
        scope: What its `key` may use beside the loop variables.

    Raises:
        UsesNull: A list or a key is null.
        ExpressionError: The lists do not make a fan-out.
    """
    rows, variables = _rows(step, evaluated)
    written = None
    if step.key is not None:
        written = [evaluate(step.key, {**scope, **one}) for one in variables]
    elif step.foreach is not None and rows and all(_has_key(row["item"]) for row in rows):
        written = [row["item"]["key"] for row in rows]
    keys = item_keys(rows, written)
    return tuple(PlannedItem(key, one) for key, one in zip(keys, variables, strict=True))


def _rows(step: Step, evaluated: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What names each item, and the loop variables of each."""
    if step.matrix is not None:
        combos = list(combinations(evaluated))
        return combos, [{"matrix": combo} for combo in combos]
    if step.zip_ is not None:
        lengths = {len(_listed(values)) for values in evaluated.values()}
        if len(lengths) > 1:
            raise ExpressionError("the lists of `zip` differ in length")
        columns = zip(*evaluated.values(), strict=True)
        zipped = [dict(zip(evaluated, column, strict=True)) for column in columns]
        return zipped, [{"zip": row} for row in zipped]
    members = _listed(evaluated)
    if len(members) > step.max_items:
        raise ExpressionError(
            f"{len(members)} items, but max_items is {step.max_items}; raise it if that is meant"
        )
    return [{"item": member} for member in members], [{step.as_: member} for member in members]


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise ExpressionError(f"a fan-out needs a list, not {str(value)[:60]!r}")
    return list(value)


def _has_key(member: Any) -> bool:
    return isinstance(member, Mapping) and "key" in member


def fan_out_of(step: Step) -> Any:
    """The written axes or list of a fan-out step."""
    if step.matrix is not None:
        return step.matrix
    return step.zip_ if step.zip_ is not None else step.foreach


def _plan_step(
    part: Part,
    space: Space,
    step: Step,
    upstream: frozenset[str],
    known: Known,
    planned: Mapping[str, PlannedStep],
) -> PlannedStep:
    conditional = step.if_ is not None and _refers_to_loop(step)
    skipped = None
    for place, guard in ((space, step), *space.enclosing()):
        if guard.if_ is None or (guard is step and conditional):
            continue
        if steps_in(place, guard.if_):
            conditional = True
        elif not _holds(place, guard, known):
            whose = "its condition" if guard is step else f"the condition of {guard.id}"
            skipped = f"{whose} is false for these inputs"
    itemwise = _itemwise(space, step)
    items: tuple[PlannedItem, ...] | None
    if not step.fans_out:
        items = (PlannedItem("", {}),)
    elif itemwise is not None:
        items = _following(step, planned[itemwise])
    elif steps_in(space, fan_out_of(step)):
        items = None
    else:
        items = _known_items(space, step, known)
    name = inlined_name(space.id, step.id)
    whole = upstream if itemwise is None else _whole(space, step, name)
    return PlannedStep(
        step,
        items,
        skipped,
        upstream,
        whole,
        itemwise,
        conditional,
        part,
        space.id,
        inputs_in(space, [*_written(step), fan_out_of(step)]),
    )


def _written(step: Step) -> list[Any]:
    return [step.with_.model_dump(), step.key, step.if_]


def _holds(space: Space, step: Step, known: Known) -> bool:
    """Whether a condition on inputs holds; a mistake in it is left to the queue to tell."""
    try:
        return condition(step.if_, scope_in(space, step.if_, known))
    except (ExpressionError, UsesNull):
        return True


def _known_items(space: Space, step: Step, known: Known) -> tuple[PlannedItem, ...] | None:
    """Items that inputs alone decide; None leaves a null or a mistake to the queue to tell."""
    written = fan_out_of(step)
    try:
        scope = scope_in(space, [written, step.key], known)
        return items_from(step, evaluate(written, scope), scope)
    except (ExpressionError, UsesNull, KeyError):
        return None


def _following(step: Step, source: PlannedStep) -> tuple[PlannedItem, ...] | None:
    """Items with the keys of the source's; their loop variable is known when each is done."""
    if source.items is None or step.key is not None:
        return None
    return tuple(PlannedItem(item.key, {}) for item in source.items)


def _itemwise(space: Space, step: Step) -> str | None:
    """The step whose items `foreach` names as a whole: ``${{ steps.NAME.items }}``."""
    if not isinstance(step.foreach, str):
        return None
    written = step.foreach.strip()
    if not (written.startswith("${{") and written.endswith("}}")):
        return None
    inner = written[3:-2].strip()
    parts = inner.split(".")
    if len(parts) == 3 and parts[0] == "steps" and parts[2] == "items":
        return inlined_name(space.id, parts[1])
    return None


def _ordered(upstream: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """Names, each after those it waits for; ties keep the order of the file."""
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


def _refers_to_loop(step: Step) -> bool:
    return any(r.namespace in ("matrix", "zip", step.as_) for r in references(step.if_))
