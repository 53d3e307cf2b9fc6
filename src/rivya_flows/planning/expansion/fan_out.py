"""Expands a fan-out into items: their keys and loop variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rivya_flows.language.expressions.resolve import ExpressionError, evaluate
from rivya_flows.language.matrix import combinations, item_keys, unequal
from rivya_flows.language.workflow import Step
from rivya_flows.planning.plan import PlannedItem


def items_from(step: Step, evaluated: Any, scope: Mapping[str, Any]) -> tuple[PlannedItem, ...]:
    """The items of a fan-out, from what `fan_out_of` gave; `key` sees `scope` and loop variables.

    Raises:
        UsesNull: A list or a key is null.
        ExpressionError: The values are not a valid fan-out.
    """
    rows, variables = _rows(step, evaluated)
    written = None
    if step.key is not None:
        written = [evaluate(step.key, {**scope, **one}) for one in variables]
    elif step.foreach is not None and rows and all(_has_key(row["item"]) for row in rows):
        written = [row["item"]["key"] for row in rows]
    keys = item_keys(rows, written)
    return tuple(
        PlannedItem(key.text, one, key.repeats) for key, one in zip(keys, variables, strict=True)
    )


def _rows(step: Step, evaluated: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The values that name each item, and the loop variables of each."""
    if step.matrix is not None:
        combos = list(combinations(evaluated))
        return combos, [{"matrix": combo} for combo in combos]
    if step.zip_ is not None:
        sizes = {axis: len(_listed(values)) for axis, values in evaluated.items()}
        if len(set(sizes.values())) > 1:
            raise ExpressionError(unequal(sizes))
        columns = zip(*evaluated.values(), strict=True)
        zipped = [dict(zip(evaluated, column, strict=True)) for column in columns]
        return zipped, [{"zip": row} for row in zipped]
    members = _listed(evaluated)
    if len(members) > step.max_items:
        raise ExpressionError(
            f"{len(members)} items, but max_items is {step.max_items}: raise it, or take the first"
            f" with [0:{step.max_items}] after the list"
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
