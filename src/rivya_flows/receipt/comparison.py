"""Two runs side by side, as a document and as a page: what differs, and what each made and cost."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rivya_flows.assets import assets_in, with_assets
from rivya_flows.plans.names import listed
from rivya_flows.queue.events import Stamped
from rivya_flows.receipt.embedding import AssetPath, Embedder, SheetMedium
from rivya_flows.receipt.from_journal import receipt
from rivya_flows.receipt.model import Item, Receipt, Step
from rivya_flows.receipt.pages import render, text_of

_MEDIUM = ("kind", "sha256", "mime_type", "width", "height", "duration_seconds")
_RUN = {"run_id", "name", "title", "subject", "status", "service", "started_at", "ended_at", "fork"}
_ITEM = ("status", "reason", "model", "prompt", "params", "credits", "taken_from", "text")


def comparison(*journals: Sequence[Stamped]) -> dict[str, Any]:
    """Two runs as one JSON document; each pair of values has that of the first run first.

    A medium has no path and no URL: it is the same if its bytes are.
    """
    made = [receipt(entries) for entries in journals]
    seconds = [_seconds(entries) for entries in journals]
    return {
        "runs": [_run(one) for one in made],
        "spec": {"equal": made[0].spec.text == made[1].spec.text, "diff": _diff(made)},
        "picks": _differing([_picks(one) for one in made]),
        "inputs": _differing([one.inputs for one in made]),
        "labels": _differing([one.labels for one in made]),
        "models": _models(made),
        "steps": _steps(made, seconds),
        "outputs": _outputs(made),
    }


def _run(made: Receipt) -> dict[str, Any]:
    took = None
    if made.ended_at is not None:
        took = round((made.ended_at - made.started_at).total_seconds(), 1)
    facts = made.model_dump(mode="json", include=_RUN)
    credits = {"spent": made.credits.spent, "saved": made.credits.saved}
    return {**facts, **credits, "seconds": took, "labels": made.labels}


def _diff(made: Sequence[Receipt]) -> list[str]:
    """The unified diff of the specs; empty if they are equal."""
    before, after = (f"{one.run_id} {one.spec.file}" for one in made)
    first, second = (one.spec.text.splitlines() for one in made)
    return list(difflib.unified_diff(first, second, before, after, lineterm=""))


def _differing(maps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    pairs = {name: [_plain(one.get(name)) for one in maps] for name in _names(maps)}
    return [{"name": name, "values": pair} for name, pair in pairs.items() if pair[0] != pair[1]]


def _picks(made: Receipt) -> dict[str, str]:
    """The keys that each pick chose, in words."""
    return {name: listed(choice.picked) for name, choice in made.choices() if choice.picked}


def _models(made: Sequence[Receipt]) -> list[dict[str, Any]]:
    """What was bought of each model, and what it cost."""
    found: defaultdict[str, dict[str, list[int]]]
    found = defaultdict(lambda: {"purchases": [0, 0], "credits": [0, 0]})
    for place, one in enumerate(made):
        for row in one.ledger:
            sums = found[row.model or row.step]
            sums["purchases"][place] += 1
            sums["credits"][place] += row.held
    return [{"model": model, **sums} for model, sums in found.items()]


def _steps(made: Sequence[Receipt], seconds: Sequence[Mapping[str, float]]) -> list[dict[str, Any]]:
    sides = [{step.id: step for step in one.steps} for one in made]
    return [
        _step(name, [one.get(name) for one in sides], [one.get(name) for one in seconds])
        for name in _names(sides)
    ]


def _step(name: str, pair: Sequence[Step | None], seconds: list[float | None]) -> dict[str, Any]:
    items = [{item.key: item for item in step.items} if step else {} for step in pair]
    return {
        "id": name,
        "uses": next(step.uses for step in pair if step),
        "status": [step and step.status for step in pair],
        "credits": [step and step.credits for step in pair],
        "saved": [step and step.saved for step in pair],
        "seconds": seconds,
        "items": [_items(key, [one.get(key) for one in items]) for key in _names(items)],
    }


def _items(key: str, pair: Sequence[Item | None]) -> dict[str, Any]:
    sides = [None if item is None else _item(item) for item in pair]
    results = [one and [one["assets"], one["text"], one["json"], one["picked"]] for one in sides]
    return {"key": key, "same": results[0] == results[1], "runs": sides}


def _item(item: Item) -> dict[str, Any]:
    document = item.model_dump(mode="json", include={*_ITEM, "json_value", "assets"})
    return {
        **{name: document[name] for name in _ITEM},
        "json": _plain(document["json"]),
        "picked": list(item.choice.picked) if item.choice else None,
        "assets": _plain(document["assets"]),
    }


def _outputs(made: Sequence[Receipt]) -> list[dict[str, Any]]:
    pair = [one.outputs for one in made]
    values = {name: [_plain(one.get(name)) for one in pair] for name in _names(pair)}
    return [{"name": n, "same": v[0] == v[1], "values": v} for n, v in values.items()]


def _plain(value: Any) -> Any:
    """The value with each medium by its content alone."""
    return with_assets(value, lambda one: {name: getattr(one, name) for name in _MEDIUM})


def _names(maps: Sequence[Iterable[str]]) -> list[str]:
    """The names of all, in the order of the first, then of the second."""
    return list(dict.fromkeys(name for one in maps for name in one))


def _seconds(entries: Sequence[Stamped]) -> dict[str, float]:
    """From the first to the last entry of each step, with what it waited in between."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    for entry in entries:
        if isinstance(step := getattr(entry.event, "step", None), str):
            times[step].append(entry.at)
    return {step: round(max(at) - min(at), 1) for step, at in times.items()}


_MAX_BYTES = 36_000_000
"""Of all media in the page."""

_WHOLE_BYTES, _SMALL_BYTES = 12_000_000, 2**20
"""A film or sound of at most this size is in the page itself, of an output and of a step, as far as
there is room."""


def comparison_page(
    comparison: Mapping[str, Any], receipts: Sequence[Receipt], asset_paths: Sequence[AssetPath]
) -> str:
    """The page of a comparison; receipts and paths are those of its two runs, in the same order."""
    embedders = [Embedder.of([one], path) for one, path in zip(receipts, asset_paths, strict=True)]
    for embedder, one in zip(embedders, receipts, strict=True):
        embedder.small_bytes = _WHOLE_BYTES
        embedder.left = _MAX_BYTES // len(embedders)
        embedder.draw(asset.sha256 for asset in assets_in(one.outputs))
    outputs = [_shown_output(one, embedders) for one in comparison["outputs"]]
    outputs.sort(key=lambda one: (one[0]["same"], not any(map(_has_films, one[1]))))
    for embedder in embedders:
        embedder.small_bytes = _SMALL_BYTES
    made = [
        {
            (step.id, item.key): embedder.of_item(item.assets)
            for step, item in one.each()
            if step.uses != "pick"  # what was picked stands where it was made
        }
        for embedder, one in zip(embedders, receipts, strict=True)
    ]
    steps = [(step, [*_shown_items(step, made)]) for step in comparison["steps"]]
    view = {
        "titles": [*dict.fromkeys(one.title or one.name for one in receipts)],
        "subjects": [*dict.fromkeys(one.subject for one in receipts if one.subject)],
        "receipts": receipts,
        "comparison": comparison,
        "outputs": outputs,
        "steps": [(step, items) for step, items in steps if items],
    }
    inside = sum(_MAX_BYTES // len(embedders) - one.left for one in embedders) * 4 // 3
    return render("comparison.html", view, beside_media=inside)


_Duo = tuple[SheetMedium | None, ...]


def _shown_output(
    output: Mapping[str, Any], embedders: Sequence[Embedder]
) -> tuple[Mapping[str, Any], list[_Duo], list[str]]:
    """An output, its media in pairs, and the texts of the runs that have none of it."""
    values = output["values"]
    media = [one.media(value) for one, value in zip(embedders, values, strict=True)]
    texts = [
        "" if found else text_of(value) or "not made"
        for value, found in zip(values, media, strict=True)
    ]
    return output, [*zip_longest(*media)], texts if any(texts) else []


def _has_films(duo: _Duo) -> bool:
    return all(one is not None and one.kind == "video" for one in duo)


def _shown_items(
    step: Mapping[str, Any], made: Sequence[Mapping[tuple[str, str], list[SheetMedium]]]
) -> Iterator[tuple[Mapping[str, Any], list[list[SheetMedium]]]]:
    """The items that are not skipped in both runs, and the media of each run."""
    for item in step["items"]:
        if any(run and run["status"] != "skipped" for run in item["runs"]):
            yield item, [one.get((step["id"], item["key"]), []) for one in made]
