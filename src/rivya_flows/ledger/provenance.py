"""Where each medium of a run came from: a card for every one that was made or given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rivya_flows.plan.state import ItemState, Phase, State

_FIELDS = ("sha256", "kind", "mime_type", "width", "height", "duration_seconds", "path", "url")
_MAKERS = ("generate", "compose")


def provenance(state: State) -> list[dict[str, Any]]:
    """A card for each medium: first what the run was given, then what it made, in plan order.

    A medium that two items made alike has two cards.
    """
    return [*_given(state), *_made(state)]


def assets_of(outputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The media among the outputs of an item."""
    if outputs.get("assets"):
        return list(outputs["assets"])
    return [outputs["asset"]] if outputs.get("asset") else []


def parents_of(item: ItemState) -> list[str]:
    """SHA-256 of the media that an item was made from, each once."""
    if item.order is None:
        return []
    # A file that the spec names by its path stands among the uploads alone.
    found = [*_hashes(item.order.arguments), *_hashes([one.asset for one in item.order.uploads])]
    return list(dict.fromkeys(found))


def is_sandbox(service: str) -> bool:
    """Whether a service is the pretend one, whose media are renderings and whose credits are
    none.
    """
    return service.startswith("sandbox:")


def _given(state: State) -> Iterator[dict[str, Any]]:
    named = [(f"inputs.{name}", value) for name, value in state.plan.inputs.items()]
    for given_as, value in [*named, *state.plan.files.items()]:
        for asset in value if isinstance(value, list) else [value]:
            if isinstance(asset, Mapping) and isinstance(asset.get("sha256"), str):
                yield {**_medium(asset), "given_as": given_as, "made_by": None}


def _made(state: State) -> Iterator[dict[str, Any]]:
    for step_id in state.plan.order:
        uses = state.planned(step_id).step.uses
        if uses not in _MAKERS:
            continue
        for item in state.steps[step_id].items or ():
            if item.phase is not Phase.COMPLETED:
                continue
            for asset in assets_of(item.outputs or {}):
                made_by = _maker(state, step_id, uses, item)
                yield {**_medium(asset), "given_as": None, "made_by": made_by}


def _medium(asset: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asset.get(name) for name in _FIELDS}


def _maker(state: State, step_id: str, uses: str, item: ItemState) -> dict[str, Any]:
    arguments: Mapping[str, Any] = item.order.arguments if item.order else {}
    task_id = (item.outputs or {}).get("task_id")
    paid = [p.held for p in item.purchases if p.task_id is not None and p.task_id == task_id]
    return {
        "run_id": state.run_id,
        "step": step_id,
        "key": item.key,
        "uses": uses,
        "model": item.order.model if item.order else None,
        "prompt": arguments.get("prompt"),
        "params": arguments.get("params"),
        "task_id": task_id,
        "credits": sum(paid),
        "cached": item.cached,
        "parents": parents_of(item),
        "service": state.service,
        "sandbox": is_sandbox(state.service),
    }


def _hashes(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("sha256"), str):
            yield value["sha256"]
            return
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _hashes(inner)
