"""Workflow and inputs -> Plan: the steps in order, their items, and what each waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import TopologicalSorter
from typing import Any

from rivya_flows.catalogue.models import Catalogue
from rivya_flows.spec.expressions import (
    ExpressionError,
    UsesNull,
    condition,
    evaluate,
    references,
)
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
    """

    step: Step
    items: tuple[PlannedItem, ...] | None
    skipped: str | None
    upstream: frozenset[str]
    whole: frozenset[str]
    itemwise: str | None
    conditional: bool
    part: Part = "steps"


@dataclass(frozen=True)
class Plan:
    """What a run will do, as far as that is known before it.

    Attributes:
        steps: In the order of execution: each after all that it waits for.
    """

    workflow: Workflow
    inputs: Mapping[str, Any] = field(hash=False)
    catalogue: Catalogue = field(hash=False)
    steps: Mapping[str, PlannedStep] = field(hash=False)
    files: Mapping[str, Any] = field(hash=False)

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
    planned: dict[str, PlannedStep] = {}
    for part in PARTS:
        steps = workflow.part(part)
        for step_id in _ordered(steps):
            planned[step_id] = _plan_step(part, steps[step_id], inputs, planned)
    return Plan(workflow, inputs, catalogue, planned, files or {})


def upstream_of(step: Step) -> frozenset[str]:
    """Ids of the steps that `step` refers to or needs."""
    return _whole(step) | _steps_in([step.matrix, step.foreach, step.zip_])


def _whole(step: Step) -> frozenset[str]:
    """Steps named anywhere but in the fan-out."""
    named = _steps_in([step.with_.model_dump(), step.key, step.if_])
    return named | frozenset(step.needs)


def _steps_in(value: Any) -> frozenset[str]:
    return frozenset(r.path[0] for r in references(value) if _is_step(r))


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
    part: Part, step: Step, inputs: Mapping[str, Any], planned: Mapping[str, PlannedStep]
) -> PlannedStep:
    upstream = upstream_of(step)
    scope = {"inputs": inputs}
    loops = _refers_to_loop(step)
    conditional = step.if_ is not None and (_refers_to_steps(step.if_) or loops)
    skipped = None
    if step.if_ is not None and not conditional and not condition(step.if_, scope):
        skipped = "its condition is false for these inputs"
    itemwise = _itemwise(step)
    items: tuple[PlannedItem, ...] | None
    if not step.fans_out:
        items = (PlannedItem("", {}),)
    elif itemwise is not None:
        items = _following(step, planned[itemwise])
    elif _refers_to_steps(fan_out_of(step)):
        items = None
    else:
        items = _known_items(step, scope)
    whole = upstream if itemwise is None else _whole(step)
    return PlannedStep(step, items, skipped, upstream, whole, itemwise, conditional, part)


def _known_items(step: Step, scope: Mapping[str, Any]) -> tuple[PlannedItem, ...] | None:
    """Items that inputs alone decide; None leaves a null or a mistake to the queue to tell."""
    try:
        return items_from(step, evaluate(fan_out_of(step), scope), scope)
    except (ExpressionError, UsesNull):
        return None


def _following(step: Step, source: PlannedStep) -> tuple[PlannedItem, ...] | None:
    """Items with the keys of the source's; their loop variable is known when each is done."""
    if source.items is None or step.key is not None:
        return None
    return tuple(PlannedItem(item.key, {}) for item in source.items)


def _itemwise(step: Step) -> str | None:
    """The step whose items `foreach` names as a whole: ``${{ steps.NAME.items }}``."""
    if not isinstance(step.foreach, str):
        return None
    written = step.foreach.strip()
    if not (written.startswith("${{") and written.endswith("}}")):
        return None
    inner = written[3:-2].strip()
    parts = inner.split(".")
    if len(parts) == 3 and parts[0] == "steps" and parts[2] == "items":
        return parts[1]
    return None


def _ordered(steps: Mapping[str, Step]) -> tuple[str, ...]:
    """Step ids, each after those it waits for; ties keep the order of the file."""
    place = {step_id: index for index, step_id in enumerate(steps)}
    # Steps of earlier parts come first anyway.
    sorter = TopologicalSorter(
        {name: sorted(upstream_of(step) & steps.keys()) for name, step in steps.items()}
    )
    sorter.prepare()
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=place.__getitem__)
        order += ready
        sorter.done(*ready)
    return tuple(order)


def _is_step(reference: Any) -> bool:
    return bool(reference.namespace == "steps" and reference.path)


def _refers_to_steps(value: Any) -> bool:
    return bool(_steps_in(value))


def _refers_to_loop(step: Step) -> bool:
    return any(r.namespace in ("matrix", "zip", step.as_) for r in references(step.if_))
