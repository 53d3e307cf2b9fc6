"""Checks that the fan-out members which expressions name will exist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jinja2 import nodes

from rivya_flows.language.expressions.output_types import ANY, Made, Unknown, is_place, list_of
from rivya_flows.language.expressions.resolve import (
    ExpressionError,
    UsesNull,
    as_reference,
    expressions_in,
    is_computed,
    whole_reference,
)
from rivya_flows.language.expressions.values import as_text
from rivya_flows.language.wording import cut, shown
from rivya_flows.plans.plan import PlannedStep, RunPlan
from rivya_flows.plans.requests import Scope, known_result, written_arguments
from rivya_flows.queue.state import State, item_range
from rivya_flows.spec.includes import inlined_name
from rivya_flows.spec.names import NamesInScope
from rivya_flows.spec.written import WrittenSpec

_MAX_SHOWN = 20


def missing_members(plan: RunPlan, space: str, written: Any) -> Iterator[str]:
    """Why a value cannot be evaluated: members that a fan-out does not have; one message for each.

    Only certain reads count: no branch of a choice. What `default` or a test guards may be missing,
    and may be no key that several items share.

    Args:
        plan: Of the run.
        space: Name of the `include` step that the value is in; "" for the run's own spec.
        written: Any value of that spec.
    """
    named: dict[tuple[str, ...], bool] = {}
    for tree, guarded in _certain_chains(written):
        reference = as_reference(tree)
        if reference is not None and reference.namespace == "steps" and len(reference.path) > 2:
            path = reference.path[:3]
            named[path] = named.get(path, True) and guarded
    for path, guarded in sorted(named.items()):
        yield from _absent(plan, space, path, guarded=guarded)


def missing_computed_members(
    plan: RunPlan, space: str, written: Any, scope: Scope
) -> Iterator[str]:
    """As `missing_members`, for keys and places that are computed from what is known: the scope."""
    for tree, guarded in _certain_chains(written):
        while isinstance(tree, nodes.Getattr | nodes.Getitem):
            holder, argument = tree.node, getattr(tree, "arg", None)
            if argument is not None and not isinstance(argument, nodes.Const | nodes.Slice):
                held = as_reference(holder)
                if (
                    held is not None
                    and held.namespace == "steps"
                    and len(held.path) == 2
                    and (name := _known_name(argument, scope)) is not None
                ):
                    yield from _absent(plan, space, (*held.path, name), guarded=guarded)
            tree = holder


def _known_name(argument: nodes.Expr, scope: Scope) -> str | None:
    try:
        name = known_result(argument, scope)
    except (ExpressionError, UsesNull):
        return None  # a null skips what reads it; a mistake is reported with the argument
    return as_text(name) if isinstance(name, str | int | float) else None


def as_planned(state: State, planned: PlannedStep, written: Any, known: Any) -> Any:
    """What the plan says of a value that is all items or media of a step; the value if it is no such one."""
    named = whole_reference(written) if isinstance(known, Unknown) else None
    if named is None or named.namespace != "steps" or named.path[1:] not in _WHOLE:
        return known
    name = inlined_name(planned.space, named.path[0])
    source = state.plan.steps.get(name)
    if source is None:
        return known
    names = NamesInScope(WrittenSpec({}), state.plan.catalogue)
    single = source.kind.gives(written_arguments(source.step), names)
    member = (single.fields or {}).get("asset", ANY) if named.path[1] == "assets" else single
    least, most = item_range(state, name)
    # An item may make several media; one that may fail counts as none.
    made = Made(name, least if source.items and _is_whole(state.plan, source) else 0, most)
    return Unknown(list_of(member), made=made)


_WHOLE = (("items",), ("assets",))


def _is_whole(plan: RunPlan, source: PlannedStep) -> bool:
    """Whether all of its items must complete, and those that they follow."""
    if source.skipped or source.conditional or source.step.allow_failures:
        return False
    return source.itemwise is None or _is_whole(plan, plan.steps[source.itemwise])


def _certain_chains(value: Any) -> Iterator[tuple[nodes.Node, bool]]:
    """The names with their fields and items that a value reads whatever the values are.

    And whether each is guarded: it may be missing.
    """
    for expression in expressions_in(value):
        yield from _certain_reads(expression.tree)


def _certain_reads(tree: nodes.Node, *, guarded: bool = False) -> Iterator[tuple[nodes.Node, bool]]:
    if as_reference(tree) is not None:
        yield tree, guarded
        return
    inside = guarded
    match tree:
        case nodes.CondExpr():
            parts: list[Any] = [tree.test]
        case nodes.And() | nodes.Or():
            parts = [tree.left]
        case nodes.Compare():
            parts = [tree.expr, tree.ops[0].expr]
        case nodes.Test():
            parts, inside = [tree.node], True
        case nodes.Filter() if tree.name == "default":
            parts, inside = [tree.node], True
        case _:
            parts = list(tree.iter_child_nodes())
    # Where something guarded is missing, what comes after it is not read.
    for part in parts[:1] if guarded else parts:
        yield from _certain_reads(part, guarded=inside)


def _absent(plan: RunPlan, space: str, path: tuple[str, ...], *, guarded: bool) -> Iterator[str]:
    step_id, held, name = path
    source = plan.steps.get(inlined_name(space, step_id))
    # What reads a skipped step is skipped too.
    if source is None or source.skipped or source.conditional:
        return
    formats = _formats(source)
    if not guarded and held == "assets" and is_place(name) and formats and source.items is not None:
        count = len(formats) * len(source.items)
        if not -count <= int(name) < count:
            yield f"steps.{step_id}.assets has {_members(count)}, so there is no [{name}]"
    if not source.step.fans_out:  # `by` has formats
        if (
            held == "by"
            and formats
            and not guarded
            and name not in formats
            and not is_computed(formats)
        ):
            yield f"steps.{step_id}.by has no {shown(name)}; it has: {', '.join(formats)}"
        return
    if source.items is None or source.keys is None:
        return
    if held == "by" and name in source.shared_keys:
        yield f"steps.{step_id}.by[{shown(name)}]: {source.shared_keys[name]}"
    elif guarded:
        return
    elif held == "by" and name not in source.keys:
        known = ", ".join(item.key for item in source.items[:_MAX_SHOWN])
        yield f"steps.{step_id}.by has no {shown(name)}; it has: {cut(known, 300)}"
    elif held == "items" and is_place(name):
        count = len(source.items)
        if not -count <= int(name) < count:
            yield f"steps.{step_id}.items has {_members(count)}, so there is no [{name}]"


def _members(count: int) -> str:
    return f"{count} member{'' if count == 1 else 's'}"


def _formats(source: PlannedStep) -> list[Any]:
    """The formats of each item of a composition, as written; empty if that is not known."""
    written = getattr(source.step.with_, "formats", None)
    return list(written) if isinstance(written, list | tuple) else []
