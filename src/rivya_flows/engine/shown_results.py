"""What the results of calls show to people: their media, or words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rivya_client.types import ChatCompletion, Generation
from rivya_flows.assets import Asset, assets_in, output_assets, rendered_as
from rivya_flows.engine.files import Upload
from rivya_flows.engine.jobs import CollectedJob
from rivya_flows.steps.registry import known_kind


def media_of_result(stage: str, result: Any) -> list[Asset]:
    """The media that are shown of the result of a task."""
    if isinstance(result, CollectedJob):
        return [*result.assets]
    if isinstance(result, Upload):
        return [*assets_in(result.asset)]
    # Of a kind with media of its own: picked items, for one, have their other media too.
    kind = known_kind(stage)
    own = kind is not None and "asset" in kind.outputs and isinstance(result, Mapping)
    return output_assets(result) if own else [*assets_in(result)]


def words_of(result: Any) -> str:
    """What stands for a result without media: the answer of a model, the id of a job, a text."""
    if isinstance(result, ChatCompletion):
        return result.message.content or ""
    if isinstance(result, Generation):
        return result.id
    return result if isinstance(result, str) else ""


def titled(name: str, media: list[Asset], result: Any) -> Iterator[tuple[str, Asset]]:
    """Media below their titles: the name of the item, with the key that was picked or the format."""
    outputs = result if isinstance(result, Mapping) else {}
    formats, items = rendered_as(outputs), outputs.get("items")
    picked = [
        f": {one.get('key')}"
        for one in (items if isinstance(items, list) else ())
        if isinstance(one, Mapping) and one.get("asset")
    ]
    for number, asset in enumerate(media):
        own = picked[number] if number < len(picked) else ""
        yield " ".join([f"{name}{own}", *formats.get(asset.sha256, ())]), asset
