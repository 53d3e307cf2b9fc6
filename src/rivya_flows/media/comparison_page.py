"""The page of two runs: one HTML file without links, with their results side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from rivya_flows.assets import assets_in
from rivya_flows.ledger.model import Receipt
from rivya_flows.media.contact_sheet import rendered
from rivya_flows.media.embedding import AssetPath, Embedder, SheetMedium
from rivya_flows.media.receipt_values import moment_text, text_of

_MAX_BYTES = 36_000_000
"""Of all media in the page."""

_WHOLE_BYTES, _SMALL_BYTES = 12_000_000, 2**20
"""A film or sound of at most this size is in the page itself, of an output and of a step, as far as
there is room."""

_OF_ITEM = dict.fromkeys(("status", "reason", "model", "credits", "taken_from", "picked"))
"""What only an item of a step has, and no output."""


def comparison_page(
    comparison: Mapping[str, Any],
    receipts: Sequence[Receipt],
    asset_paths: Sequence[AssetPath],
) -> str:
    """The page of a comparison.

    Args:
        receipts: Of the two runs, in the same order.
        asset_paths: Of each run: path of the asset with a SHA-256; may raise `KeyError` or `OSError`.
    """
    embedders = [Embedder.of([one], path) for one, path in zip(receipts, asset_paths, strict=True)]
    for embedder, one in zip(embedders, receipts, strict=True):
        embedder.small_bytes = _WHOLE_BYTES
        embedder.left = _MAX_BYTES // len(embedders)
        embedder.draw(asset.sha256 for asset in assets_in(one.outputs))
    sides = [_Shown(*pair) for pair in zip(embedders, receipts, strict=True)]
    outputs = [_output(one, sides) for one in comparison["outputs"]]
    outputs.sort(key=lambda one: (one["same"], not any(map(_has_films, one["duos"]))))
    for embedder in embedders:
        embedder.small_bytes = _SMALL_BYTES
    steps = [_step(one, sides) for one in comparison["steps"]]
    view = {
        "titles": [*dict.fromkeys(one.title or one.name for one in receipts)],
        "subjects": [*dict.fromkeys(one.subject for one in receipts if one.subject)],
        "runs": [
            {**run, "started": moment_text(one.started_at), "labels": _pairs(one.labels)}
            for run, one in zip(comparison["runs"], receipts, strict=True)
        ],
        "spec": comparison["spec"],
        "differences": [
            (kind, one["name"], [text_of(value) for value in one["values"]])
            for kind in ("picks", "inputs", "labels")
            for one in comparison[kind]
        ],
        "models": comparison["models"],
        "outputs": outputs,
        "steps": [one for one in steps if one["items"]],
    }
    inside = sum(_MAX_BYTES // len(embedders) - one.left for one in embedders) * 4 // 3
    return rendered("comparison.html", view, beside_media=inside)


def _output(output: Mapping[str, Any], sides: Sequence[_Shown]) -> dict[str, Any]:
    """An output, with what each run has of it: its media in pairs, or a text."""
    media = [shown.media(value) for value, shown in zip(output["values"], sides, strict=True)]
    texts = [
        "" if found else text_of(value) or "not made"
        for value, found in zip(output["values"], media, strict=True)
    ]
    duos = [*zip_longest(*media)]
    words: list[dict[str, Any]] = [{**_OF_ITEM, "media": [], "text": one} for one in texts]
    return {**output, "duos": duos, "runs": words if any(texts) else []}


def _has_films(duo: Sequence[Mapping[str, Any] | None]) -> bool:
    return all(one is not None and one["kind"] == "video" for one in duo)


def _step(step: Mapping[str, Any], sides: Sequence[_Shown]) -> dict[str, Any]:
    items = []
    for item in step["items"]:
        runs = [
            one and _side(step, item["key"], one, shown)
            for one, shown in zip(item["runs"], sides, strict=True)
        ]
        if any(one and one["status"] != "skipped" for one in runs):
            items.append({**item, "runs": runs})
    return {**step, "items": items}


def _side(
    step: Mapping[str, Any], key: str, item: Mapping[str, Any], shown: _Shown
) -> dict[str, Any]:
    # What was picked stands where it was made.
    media = [] if step["uses"] == "pick" else shown.of_item(step["id"], key)
    return {**item, "media": media, "picked": ", ".join(item["picked"] or ())}


class _Shown:
    """The media of one run, which are in the page themselves; without a script none can be shared.

    A film or sound is there once, its poster and a picture wherever they are shown.
    """

    def __init__(self, embedder: Embedder, receipt: Receipt) -> None:
        self._embedder = embedder
        self._assets = {(step.id, item.key): item.assets for step, item in receipt.each()}
        self._first: dict[str, SheetMedium] = {}

    def media(self, value: Any) -> list[dict[str, Any]]:
        """The media of an asset or of a list of them."""
        return [self._view(one) for one in self._embedder.media(value)]

    def of_item(self, step: str, key: str) -> list[dict[str, Any]]:
        """The media of an item."""
        return [self._view(one) for one in self._embedder.of_item(self._assets[step, key])]

    def _view(self, one: SheetMedium) -> dict[str, Any]:
        first = self._first.setdefault(one.anchor, one)
        inside = first.source.startswith("data:") and (one.first or one.kind == "image")
        source, gone = first.source if inside else "", not first.source
        return {**vars(one), "source": source, "poster": first.poster, "gone": gone}


def _pairs(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels.items())
