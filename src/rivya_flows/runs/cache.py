"""Results of equal requests of earlier runs, as long as their media are whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rivya_flows.errors import StoreError
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.results import Results


def look_up(
    results: Results, assets: AssetStore, cache_key: str
) -> tuple[dict[str, Any], int] | None:
    """Outputs and cost of an equal request; None, and the entry forgotten, if media are gone."""
    found = results.find(cache_key)
    if found is None:
        return None
    try:
        for asset in media_of(found.outputs):
            assets.local_path(asset["sha256"])
    except StoreError:
        results.forget(cache_key)
        return None
    return dict(found.outputs), found.credits


def media_of(outputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All assets among the outputs of an item, each once."""
    listed = [outputs.get("asset"), *(outputs.get("assets") or ())]
    found = {one["sha256"]: one for one in listed if isinstance(one, dict) and one.get("sha256")}
    return list(found.values())
