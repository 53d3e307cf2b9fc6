"""The budgets of a run and of its steps: what they are for the inputs of a run."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, TypeVar

from pydantic import ValidationError

from rivya_flows.errors import UsageError
from rivya_flows.language.expressions.resolve import (
    ExpressionError,
    UsesNull,
    evaluate,
    is_computed,
    references,
)
from rivya_flows.language.field_types import EVALUATED, SpecModel
from rivya_flows.language.wording import preview
from rivya_flows.language.workflow import Budget, Deploy, Inputs, Workflow

_B = TypeVar("_B", bound=SpecModel)


def run_budget(workflow: Workflow, inputs: Inputs) -> Budget | None:
    """The budget of a spec with its expressions evaluated; `UsageError` if one gives no budget."""
    if workflow.budget is None:
        return None
    return evaluate_budget(workflow.budget, {"inputs": dict(inputs)}, "budget")


def run_cap(workflow: Workflow, inputs: Inputs, deployment: str | None = None) -> int | None:
    """The most credits of a run by its spec, or by the `deploy` entry that starts it; None for no cap."""
    entry = next((one for one in workflow.deploy if one.name == deployment), None)
    if entry is not None and entry.budget is not None:
        scope = {"inputs": dict(inputs)}
        return evaluate_budget(entry.budget, scope, f"the budget of {deployment}").credits
    budget = run_budget(workflow, inputs)
    return None if budget is None else budget.credits


def deployed_cap(workflow: Workflow, entry: Deploy | None) -> int | None:
    """The most credits of each run that a deployment starts by itself; None if there is no such number.

    What people give in its form, and what an event names, may be any number.
    """
    limit = (entry and entry.budget) or workflow.budget
    if limit is not None and not is_computed(limit.credits):
        return limit.credits
    if limit is None or entry is None:
        return None
    defaults = {name: one.default for name, one in workflow.inputs.items()} | entry.inputs
    starts = [defaults] if any(one.active for one in entry.schedules) else []
    starts += [defaults | one.inputs for one in entry.triggers if one.active]
    read = {name for one in references(limit.credits) for name in one.path[:1]}
    if not starts or any(is_computed(one.get(name)) for one in starts for name in read):
        return None
    try:
        found = [evaluate_budget(limit, {"inputs": inputs}, "").credits for inputs in starts]
    except UsageError:
        return None
    return max(found)


def evaluate_budget(budget: _B, scope: Mapping[str, Any], what: str) -> _B:
    """A budget with its expressions evaluated, credits rounded down; `UsageError` if one gives none."""
    try:
        given = evaluate(budget.model_dump(exclude_unset=True), scope)
    except (ExpressionError, UsesNull) as error:
        raise UsageError(f"{what}: {error}", "a budget may use inputs alone") from error
    for key in ("credits", "per_item"):
        if isinstance(value := given.get(key), float) and isfinite(value):
            given[key] = int(value)
    try:
        return type(budget).model_validate(given, context=EVALUATED)
    except ValidationError as error:
        key = str(error.errors()[0]["loc"][0])
        wanted = "0 to 1" if key == "warn_at" else "a number of credits, 0 or more"
        message = f"{what}: {key!r} must be {wanted}, not {preview(given[key])}"
        raise UsageError(message, "change the input that it reads, or the expression") from error
