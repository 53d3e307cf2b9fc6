"""What expressions see of a run: the fields of settled steps and items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rivya_flows.plan.expand import PlannedStep
from rivya_flows.plan.state import TERMINAL, ItemState, Phase, State, StepState, step_status

FIELDS: dict[str, tuple[str, ...]] = {
    "upload": ("asset", "id", "url"),
    "chat": ("text", "json", "session_id", "usage"),
    "generate": ("asset", "assets", "task_id"),
    "pick": ("asset", "key", "item"),
    "compose": ("asset",),
    "notify": (),
}
"""Output fields of each kind of step; all have `status` and `credits` too."""


def scope_of(state: State, names: Iterable[str], variables: Mapping[str, Any]) -> dict[str, Any]:
    """The scope of one item: inputs, the named steps, and its loop variables."""
    steps = {name: step_fields(state.planned(name), state.steps[name]) for name in names}
    return {"inputs": state.plan.inputs, "steps": steps, **variables}


def step_fields(planned: PlannedStep, step: StepState) -> dict[str, Any]:
    """The output fields of a step; all null where it was skipped or failed."""
    status = step_status(planned, step)
    items = [] if step.items is None else list(step.items)
    spent = sum(item.credits for item in items)
    if not planned.step.fans_out:
        fields = item_fields(planned, items[0]) if items else {}
        return {**fields, "status": status, "credits": spent}
    shown = [item_fields(planned, item) for item in items if item.phase in TERMINAL]
    if status == "skipped" and planned.skipped:
        return {"items": None, "assets": None, "by": None, "status": status, "credits": 0}
    return {
        "items": shown,
        "assets": [asset for fields in shown for asset in _assets(fields)],
        "by": {fields["key"]: fields for fields in shown},
        "status": status,
        "credits": spent,
    }


def item_fields(planned: PlannedStep, item: ItemState) -> dict[str, Any]:
    """The output fields of one item; null where it did not complete."""
    fields: dict[str, Any] = dict.fromkeys(FIELDS[planned.step.uses])
    if item.phase is Phase.COMPLETED and item.outputs is not None:
        fields.update(item.outputs)
    if planned.step.fans_out:
        fields["key"] = item.key
    return {**fields, "status": item_status(item), "credits": item.credits}


def item_status(item: ItemState) -> str:
    """How an item ended, in the words of the commands; `running` before that."""
    if item.phase is Phase.COMPLETED:
        return "cached" if item.cached else "completed"
    return item.phase.value if item.phase in TERMINAL else "running"


def _assets(fields: Mapping[str, Any]) -> list[Any]:
    if fields.get("assets"):
        return list(fields["assets"])
    return [fields["asset"]] if fields.get("asset") else []
