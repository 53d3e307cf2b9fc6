"""Two runs side by side, as a document and as a page: what differs, and what each made and cost."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rivya_flows.assets import assets_in, with_assets
from rivya_flows.plans.names import join_keys
from rivya_flows.queue.events import Stamped
from rivya_flows.receipt.embedding import AssetPath, Embedder, SheetMedium
from rivya_flows.receipt.from_journal import receipt
from rivya_flows.receipt.model import Item, Receipt, Step
from rivya_flows.receipt.pages import render, value_text

_MEDIUM = ("kind", "sha256", "mime_type", "width", "height", "duration_seconds")
_RUN = {"run_id", "name", "title", "subject", "status", "service", "started_at", "ended_at", "fork"}
_RESULTS = ("assets", "text", "json", "picked")
_ITEM = ("status", "reason", "model", "prompt", "params", "credits", "taken_from", "text")


def comparison(*journals: Sequence[Stamped]) -> dict[str, Any]:
    """Two runs as one JSON document; each pair of values has that of the first run first.

    A medium has no path and no URL: it is the same if its bytes are.
    """
    receipts = [receipt(entries) for entries in journals]
    seconds = [_seconds(entries) for entries in journals]
    steps = [{step.id: step for step in one.steps} for one in receipts]
    outputs = _pairs([one.outputs for one in receipts])
    before, after = (f"{one.run_id} {one.spec.file}" for one in receipts)
    first, second = (one.spec.text.splitlines() for one in receipts)
    picks = [
        {name: join_keys(choice.picked) for name, choice in one.choices() if choice.picked}
        for one in receipts
    ]
    return {
        "runs": [_run(one) for one in receipts],
        "spec": {
            "equal": receipts[0].spec.text == receipts[1].spec.text,
            "diff": [*difflib.unified_diff(first, second, before, after, lineterm="")],
        },
        "picks": _differing(picks),
        "inputs": _differing([one.inputs for one in receipts]),
        "labels": _differing([one.labels for one in receipts]),
        "models": _models(receipts),
        "steps": [
            _step(name, [one.get(name) for one in steps], [one.get(name) for one in seconds])
            for name in _names(steps)
        ],
        "outputs": [
            {"name": name, "same": pair[0] == pair[1], "values": pair}
            for name, pair in outputs.items()
        ],
    }


def _run(one: Receipt) -> dict[str, Any]:
    took = None
    if one.ended_at is not None:
        took = round((one.ended_at - one.started_at).total_seconds(), 1)
    facts = one.model_dump(mode="json", include=_RUN)
    credits = {"spent": one.credits.spent, "saved": one.credits.saved}
    return {**facts, **credits, "seconds": took, "labels": one.labels}


def _pairs(maps: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [_plain(one.get(name)) for one in maps] for name in _names(maps)}


def _differing(maps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    pairs = _pairs(maps).items()
    return [{"name": name, "values": pair} for name, pair in pairs if pair[0] != pair[1]]


def _models(receipts: Sequence[Receipt]) -> list[dict[str, Any]]:
    """What was bought of each model, and what it cost."""
    found: defaultdict[str, dict[str, list[int]]]
    found = defaultdict(lambda: {"purchases": [0, 0], "credits": [0, 0]})
    for place, one in enumerate(receipts):
        for row in one.ledger:
            sums = found[row.model or row.step]
            sums["purchases"][place] += 1
            sums["credits"][place] += row.held
    return [{"model": model, **sums} for model, sums in found.items()]


def _step(name: str, pair: Sequence[Step | None], seconds: list[float | None]) -> dict[str, Any]:
    items = [{item.key: item for item in step.items} if step else {} for step in pair]
    compared = []
    for key in _names(items):
        runs = [_item(one[key]) if key in one else None for one in items]
        results = [run and [run[name] for name in _RESULTS] for run in runs]
        compared.append({"key": key, "same": results[0] == results[1], "runs": runs})
    return {
        "id": name,
        "uses": next(step.uses for step in pair if step),
        "status": [step and step.status for step in pair],
        "credits": [step and step.credits for step in pair],
        "saved": [step and step.saved for step in pair],
        "seconds": seconds,
        "items": compared,
    }


def _item(item: Item) -> dict[str, Any]:
    document = item.model_dump(mode="json", include={*_ITEM, "json_value", "assets"})
    return {
        **{name: document[name] for name in _ITEM},
        "json": _plain(document["json"]),
        "picked": list(item.choice.picked) if item.choice else None,
        "assets": _plain(document["assets"]),
    }


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
    embedders = [Embedder([one], path) for one, path in zip(receipts, asset_paths, strict=True)]
    room = _MAX_BYTES // len(embedders)
    for embedder, one in zip(embedders, receipts, strict=True):
        embedder.small_bytes, embedder.left = _WHOLE_BYTES, room
        embedder.draw(asset.sha256 for asset in assets_in(one.outputs))
    outputs = []
    for output in comparison["outputs"]:
        sides = [*zip(embedders, output["values"], strict=True)]
        media = [embedder.media(value) for embedder, value in sides]
        texts = [
            "" if found else value_text(value) or "not made"
            for (_, value), found in zip(sides, media, strict=True)
        ]
        outputs.append((output, [*zip_longest(*media)], texts if any(texts) else []))
    outputs.sort(key=lambda one: (one[0]["same"], not any(map(_are_films, one[1]))))
    made = []
    for embedder, one in zip(embedders, receipts, strict=True):
        embedder.small_bytes = _SMALL_BYTES
        made.append(
            {
                (step.id, item.key): embedder.of_item(item.assets)
                for step, item in one.each()
                if step.uses not in ("pick", "review")  # what was picked stands where it was made
            }
        )
    steps = []
    for step in comparison["steps"]:
        items = [
            (item, [one.get((step["id"], item["key"]), []) for one in made])
            for item in step["items"]
            if any(run and run["status"] != "skipped" for run in item["runs"])
        ]
        if items:
            steps.append((step, items))
    view = {
        "titles": [*dict.fromkeys(one.title or one.name for one in receipts)],
        "subjects": [*dict.fromkeys(one.subject for one in receipts if one.subject)],
        "receipts": receipts,
        "comparison": comparison,
        "outputs": outputs,
        "steps": steps,
    }
    inside = sum(room - one.left for one in embedders) * 4 // 3
    return render("comparison.html", view, beside_media=inside)


def _are_films(media: Iterable[SheetMedium | None]) -> bool:
    return all(one is not None and one.kind == "video" for one in media)
