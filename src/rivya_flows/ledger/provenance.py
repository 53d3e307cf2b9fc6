"""Where each medium of a run came from: a card for every one that was made or given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rivya_flows.language.expressions.values import is_asset
from rivya_flows.planning.queue.state import ItemState, Phase, State

_FIELDS = ("sha256", "kind", "mime_type", "width", "height", "duration_seconds", "path", "url")
_PASSES_ON = ("chat", "pick", "include", "notify")
"""Kinds of step that make no medium: what looks like one in their outputs was made by another."""


def provenance(state: State) -> list[dict[str, Any]]:
    """A card for each medium: first what the run was given, then what it made, in plan order.

    A medium that two items made alike has two cards. What has no card is no medium of this run,
    whatever it looks like: specs, answers of models and functions may write any map.
    """
    found = [*_given(state), *_made(state)]
    known = {card["sha256"] for card in found}
    return found + [card for card in _fetched(state) if card["sha256"] not in known]


def recorded(cards: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The first card of each medium, by hash."""
    found: dict[str, Mapping[str, Any]] = {}
    for card in cards:
        found.setdefault(card["sha256"], card)
    return found


def card_of(value: Any, cards: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The card of the medium that a value of a spec is; None where it is none of this run.

    Args:
        value: Any value.
        cards: As `recorded` gives them.
    """
    return cards.get(str(value["sha256"])) if is_asset(value) else None


def assets_of(outputs: Mapping[str, Any]) -> list[Any]:
    """The media among the outputs of an item, as the item itself calls them."""
    if outputs.get("assets"):
        return list(outputs["assets"])
    return [outputs["asset"]] if outputs.get("asset") else []


def shown_assets(
    uses: str, outputs: Mapping[str, Any], cards: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The media of an item that are media of its run.

    Args:
        uses: Kind of its step.
        outputs: Its outputs.
        cards: As `recorded` gives them.
    """
    found = []
    for asset in assets_of(outputs):
        if card := card_of(asset, cards):
            # Of what is passed on, only the hash is what another step has made.
            found.append({**asset, **_medium(card)} if uses in _PASSES_ON else asset)
        elif uses == "upload" and isinstance(asset, dict) and asset.get("file_id"):
            found.append(asset)
    return found


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
        if uses in _PASSES_ON or uses == "upload":
            continue
        for item in _completed(state, step_id):
            outputs = item.outputs or {}
            # A function names its outputs as it likes.
            own = uses in ("generate", "compose")
            for asset in assets_of(outputs) if own else _assets_in(outputs):
                made_by = _maker(state, step_id, uses, item)
                yield {**_medium(asset), "given_as": None, "made_by": made_by}


def _fetched(state: State) -> Iterator[dict[str, Any]]:
    """What `upload` was given by an address."""
    for step_id in state.plan.order:
        if state.planned(step_id).step.uses == "upload":
            for item in _completed(state, step_id):
                for asset in _assets_in((item.outputs or {}).get("asset")):
                    yield {**_medium(asset), "given_as": f"steps.{step_id}", "made_by": None}


def _completed(state: State, step_id: str) -> Iterator[ItemState]:
    return (one for one in state.steps[step_id].items or () if one.phase is Phase.COMPLETED)


def _assets_in(value: Any) -> Iterator[Mapping[str, Any]]:
    if is_asset(value):
        if isinstance(value["sha256"], str):
            yield value
    elif isinstance(value, Mapping | list | tuple):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _assets_in(one)


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
