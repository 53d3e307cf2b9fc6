"""Where each medium of a run came from: a card for each one that was given or made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rivya_flows.assets import Asset, Outputs, as_asset, assets_in, output_assets
from rivya_flows.language.canonical import canonical
from rivya_flows.queue.items import ItemState, Phase
from rivya_flows.queue.state import State
from rivya_flows.receipt.model import Card, Maker, Upload, recorded
from rivya_flows.receipt.phrases import is_sandbox
from rivya_flows.steps.kind import Kind

Recorded = Mapping[str, Asset]
"""The media that the journal of a run recorded, by SHA-256.

Specs, answers of models and functions may write any map; what is not recorded is not a medium of
the run, whatever it looks like.
"""


def provenance(state: State) -> tuple[Card, ...]:
    """A card for each medium, and each item that made it: first what the run was given, then in plan order."""
    found = (*_given(state), *_made(state))
    known = {card.sha256 for card in found}
    return found + tuple(card for card in _fetched(state) if card.sha256 not in known)


def media_of(state: State) -> dict[str, Asset]:
    """The media of a run so far, by SHA-256."""
    return recorded(provenance(state))


def recorded_asset(value: object, media: Recorded) -> Asset | None:
    """The medium of the run that a value describes; None if it describes none."""
    asset = as_asset(value)
    return media.get(asset.sha256) if asset else None


def shown_assets(kind: Kind, outputs: Outputs, media: Recorded) -> tuple[Asset | Upload, ...]:
    """The media of an item of a kind of step that are media of its run."""
    # Of an asset that is passed on, only the hash comes from the step that made it.
    found: list[Asset | Upload] = [
        media[asset.sha256] if kind.passes_on else asset
        for asset in output_assets(outputs)
        if asset.sha256 in media
    ]
    remote = outputs.get("asset")
    if kind.fetches and isinstance(remote, dict) and remote.get("file_id"):
        found.append(Upload.model_validate(remote))
    return tuple(found)


def parents_of(item: ItemState) -> tuple[str, ...]:
    """SHA-256 of the media that an item was made from, each once."""
    if item.request is None:
        return ()
    # A file that the spec names by its path is among the uploads only.
    uploads = [upload.asset for upload in item.request.uploads]
    found = assets_in([item.request.arguments, uploads])
    return tuple(dict.fromkeys(asset.sha256 for asset in found))


def as_text(value: object) -> str | None:
    """A value that a function may have named as it likes, as text; None for None."""
    return value if value is None or isinstance(value, str) else canonical(value)


def as_map(value: object) -> dict[str, Any] | None:
    """The same as a map; None for anything else."""
    return dict(value) if isinstance(value, Mapping) else None


def _given(state: State) -> Iterator[Card]:
    named = [(f"inputs.{name}", value) for name, value in state.plan.inputs.items()]
    for given_as, value in [*named, *state.plan.files.items()]:
        for one in value if isinstance(value, list) else [value]:
            if asset := as_asset(one):
                yield _card(asset, given_as=given_as)


def _made(state: State) -> Iterator[Card]:
    for step_id in state.plan.order:
        kind = state.planned(step_id).kind
        if kind.passes_on or kind.fetches:
            continue
        # A function names its outputs as it likes.
        own = "asset" in kind.outputs
        for item in _completed(state, step_id):
            outputs, maker = item.outputs or {}, None
            for asset in output_assets(outputs) if own else assets_in(outputs):
                maker = maker or _maker(state, step_id, kind.uses, item)
                yield _card(asset, made_by=maker)


def _fetched(state: State) -> Iterator[Card]:
    """Media that `upload` steps were given by URL."""
    for step_id in state.plan.order:
        if state.planned(step_id).kind.fetches:
            for item in _completed(state, step_id):
                for asset in output_assets(item.outputs or {}):
                    yield _card(asset, given_as=f"steps.{step_id}")


def _completed(state: State, step_id: str) -> Iterator[ItemState]:
    every = state.steps[step_id].items.values()
    return (one for one in every if one.phase is Phase.COMPLETED)


def _card(asset: Asset, *, given_as: str | None = None, made_by: Maker | None = None) -> Card:
    return Card(**vars(asset), given_as=given_as, made_by=made_by)


def _maker(state: State, step_id: str, uses: str, item: ItemState) -> Maker:
    arguments = item.request.arguments if item.request else {}
    task_id = (item.outputs or {}).get("task_id")
    paid = [p.held for p in item.purchases if p.task_id is not None and p.task_id == task_id]
    return Maker(
        run_id=state.run_id,
        step=step_id,
        key=item.key,
        uses=uses,
        model=item.request.model if item.request else None,
        prompt=as_text(arguments.get("prompt")),
        params=as_map(arguments.get("params")),
        task_id=as_text(task_id),
        credits=sum(paid),
        cached=item.cached,
        parents=parents_of(item),
        service=state.service,
        sandbox=is_sandbox(state.service),
    )
