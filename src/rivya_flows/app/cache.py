"""Results of equal requests of earlier runs, as long as their media are whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rivya_flows.assets import output_assets
from rivya_flows.errors import LostMediumError
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.cache_index import CachedResult, CacheIndex
from rivya_flows.store.journal import Journal

YOUNG = timedelta(days=1)
"""Media younger than this are never deleted: a run that is going on may not have named them yet."""


def look_up(
    results: CacheIndex, assets: AssetStore, cache_key: str
) -> tuple[dict[str, Any], int] | None:
    """Outputs and cost of an equal request; None where there is none, or its media are lost.

    Raises:
        StoreError: The index or the media cannot be read. That is no reason to buy anew.
    """
    found = results.find(cache_key)
    if found is None:
        return None
    try:
        for asset in output_assets(found.outputs):
            assets.local_path(asset.sha256)
    except LostMediumError:
        return None
    return dict(found.outputs), found.credits


@dataclass(frozen=True)
class CacheEntry:
    """One result that an equal request would get for nothing.

    Attributes:
        run_id: The run that bought it.
        credits: What it had cost, and would save.
        at: Unix seconds.
        media: SHA-256 of its media; empty for an answer of a chat.
        size_bytes: Of those that are here.
        whole: All its media are here.
    """

    cache_key: str
    run_id: str
    credits: int
    at: float
    media: tuple[str, ...]
    size_bytes: int
    whole: bool

    def as_json(self) -> dict[str, Any]:
        """The entry as `cache ls --json` prints it."""
        return {**vars(self), "media": list(self.media)}


@dataclass(frozen=True)
class Pruned:
    """What was taken out.

    Attributes:
        entries: CacheIndex, the oldest first.
        media: SHA-256 of the media that were deleted.
        size_bytes: Of those media.
    """

    entries: tuple[CacheEntry, ...]
    media: tuple[str, ...]
    size_bytes: int

    def as_json(self) -> dict[str, Any]:
        """The document of `cache prune --json`."""
        return {
            "entries": [entry.as_json() for entry in self.entries],
            "media": list(self.media),
            "size_bytes": self.size_bytes,
        }


def listing(results: CacheIndex, assets: AssetStore) -> tuple[CacheEntry, ...]:
    """Everything in the cache, newest first; media are looked for and not read.

    Raises:
        StoreError: The index or the media cannot be reached.
    """
    sizes = {kept.sha256: kept.size_bytes for kept in assets.listing()}
    return tuple(_entry(found, sizes) for found in results.all())


def prune(
    results: CacheIndex,
    assets: AssetStore,
    journal: Journal,
    *,
    now: datetime,
    older_than: timedelta | None,
    media: bool = False,
    pretend: bool = False,
) -> Pruned:
    """Takes results out of the cache, and when asked the media that nothing names any more.

    What a run has in its journal stays: runs that were made can be resumed and reported again.

    Args:
        results: The index.
        assets: The media.
        journal: All runs of the store; whatever hash any of them mentions is kept.
        now: UTC.
        older_than: CacheIndex of at least this age go; None takes them all.
        media: Delete media that no journal and no result names, once they are a day old.
        pretend: Only tell what would go.

    Raises:
        StoreError: Something cannot be reached or deleted; what was told of earlier is gone.
    """
    entries = listing(results, assets)
    limit = None if older_than is None else (now - older_than).timestamp()
    going = [entry for entry in reversed(entries) if limit is None or entry.at <= limit]
    if not pretend:
        for entry in going:
            results.forget(entry.cache_key)
    if not media:
        return Pruned(tuple(going), (), 0)
    gone = {entry.cache_key for entry in going}
    # The index is read anew: what was entered meanwhile is named too.
    still = {
        asset.sha256
        for found in results.all()
        if found.cache_key not in gone
        for asset in output_assets(found.outputs)
    }
    named = still | journal.mentioned_hashes()
    unnamed = [
        kept
        for kept in assets.listing()
        if kept.sha256 not in named
        and kept.changed_at is not None
        and kept.changed_at <= now - YOUNG
    ]
    if not pretend:
        for kept in unnamed:
            assets.remove(kept.sha256)
    return Pruned(
        tuple(going),
        tuple(kept.sha256 for kept in unnamed),
        sum(kept.size_bytes for kept in unnamed),
    )


def _entry(found: CachedResult, sizes: Mapping[str, int]) -> CacheEntry:
    media = tuple(dict.fromkeys(asset.sha256 for asset in output_assets(found.outputs)))
    return CacheEntry(
        found.cache_key,
        found.run_id,
        found.credits,
        found.at,
        media,
        sum(sizes.get(name, 0) for name in media),
        all(name in sizes for name in media),
    )
