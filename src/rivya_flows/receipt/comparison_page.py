"""The page of two runs: one HTML file without links, with their results side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from rivya_flows.assets import assets_in
from rivya_flows.receipt.embedding import AssetPath, Embedder, SheetMedium
from rivya_flows.receipt.model import Receipt
from rivya_flows.receipt.pages import rendered, text_of

_MAX_BYTES = 36_000_000
"""Of all media in the page."""

_WHOLE_BYTES, _SMALL_BYTES = 12_000_000, 2**20
"""A film or sound of at most this size is in the page itself, of an output and of a step, as far as
there is room."""


def comparison_page(
    comparison: Mapping[str, Any], receipts: Sequence[Receipt], asset_paths: Sequence[AssetPath]
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
    sides = [_Side(*pair) for pair in zip(embedders, receipts, strict=True)]
    outputs = [_output(one, sides) for one in comparison["outputs"]]
    outputs.sort(key=lambda one: (one[0]["same"], not any(map(_has_films, one[1]))))
    for embedder in embedders:
        embedder.small_bytes = _SMALL_BYTES
    steps = [(step, [*_items(step, sides)]) for step in comparison["steps"]]
    view = {
        "titles": [*dict.fromkeys(one.title or one.name for one in receipts)],
        "subjects": [*dict.fromkeys(one.subject for one in receipts if one.subject)],
        "receipts": receipts,
        "comparison": comparison,
        "outputs": outputs,
        "steps": [(step, items) for step, items in steps if items],
    }
    inside = sum(_MAX_BYTES // len(embedders) - one.left for one in embedders) * 4 // 3
    return rendered("comparison.html", view, beside_media=inside)


class _Side:
    """The media of one run, which are in the page themselves; without a script none can be shared.

    A film or sound is there once, its poster and a picture wherever they are shown.
    """

    def __init__(self, embedder: Embedder, receipt: Receipt) -> None:
        self.embedder = embedder
        self.assets = {(step.id, item.key): item.assets for step, item in receipt.each()}
        self._first: dict[str, SheetMedium] = {}

    def shown(self, media: Sequence[SheetMedium]) -> list[SheetMedium]:
        """The same media as this page shows them."""
        return [self._shown(one) for one in media]

    def _shown(self, one: SheetMedium) -> SheetMedium:
        first = self._first.setdefault(one.anchor, one)
        inside = first.source.startswith("data:") and (one.first or one.kind == "image")
        source = first.source if inside else ""
        return replace(one, source=source, poster=first.poster, gone=not first.source)


_Duo = tuple[SheetMedium | None, ...]


def _output(
    output: Mapping[str, Any], sides: Sequence[_Side]
) -> tuple[Mapping[str, Any], list[_Duo], list[str]]:
    """An output, its media in pairs, and the texts of the runs that have none of it."""
    pairs = [*zip(output["values"], sides, strict=True)]
    media = [side.shown(side.embedder.media(value)) for value, side in pairs]
    texts = [
        "" if found else text_of(value) or "not made"
        for (value, _), found in zip(pairs, media, strict=True)
    ]
    return output, [*zip_longest(*media)], texts if any(texts) else []


def _has_films(duo: _Duo) -> bool:
    return all(one is not None and one.kind == "video" for one in duo)


def _items(
    step: Mapping[str, Any], sides: Sequence[_Side]
) -> Iterator[tuple[Mapping[str, Any], list[list[SheetMedium]]]]:
    """The items that are not skipped in both runs, and the media of each run."""
    for item in step["items"]:
        media: list[list[SheetMedium]] = []
        for one, side in zip(item["runs"], sides, strict=True):
            # What was picked stands where it was made.
            makes = one and step["uses"] != "pick"
            assets = side.assets[step["id"], item["key"]] if makes else ()
            media.append(side.shown(side.embedder.of_item(assets)))
        if any(one and one["status"] != "skipped" for one in item["runs"]):
            yield item, media
