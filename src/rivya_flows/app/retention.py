"""What a store need not keep of runs that ended long ago."""

from __future__ import annotations

import shutil
import time
from datetime import datetime, timedelta
from pathlib import Path

from rivya_flows.app.cache import Pruned, named_media, prune, without_media
from rivya_flows.app.local_sandbox import forget_results
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.cache_index import CacheIndex
from rivya_flows.store.failed_starts import forget_failed_starts
from rivya_flows.store.journal import Journal
from rivya_flows.store.received_events import Received

LOOKED_UP_SECONDS = 5.0
"""A run that found a result just before it was deleted names its media within this time."""


def prune_store(
    journal: Journal,
    assets: AssetStore,
    *,
    now: datetime,
    older_than: timedelta,
    data: Path,
    pretend: bool = False,
) -> Pruned:
    """Deletes what only runs that ended long ago need: their media, cached results and folders.

    And the results that the sandbox of the data folder made at that time, and the records of flow runs
    that failed before their run began.

    Their journals stay, with all that was bought, and so do the media that a younger run, a run that
    has not ended or is owed something, a younger result or a deployed spec names.

    Args:
        journal: Of the store.
        assets: The media.
        now: UTC.
        older_than: What is younger stays. Under a day, a medium that a run downloads at this moment
            and has not named may be deleted.
        data: The data folder; runs of deployments had folders there in earlier versions.
        pretend: Delete nothing; only tell what would be deleted.

    Raises:
        StoreError: Something cannot be reached or deleted; earlier deletions stay.
    """
    limit, results = now - older_than, CacheIndex(journal.engine)
    entries = prune(
        results, assets, journal, now=now, older_than=older_than, pretend=pretend
    ).entries
    if entries and not pretend:
        time.sleep(LOOKED_UP_SECONDS)
    ended = journal.ended_before(limit.timestamp())
    old = [data / "runs" / run_id for run_id in sorted(ended)]
    old = [folder for folder in old if folder.is_dir() and not folder.is_symlink()]
    if not pretend:
        for folder in old:
            shutil.rmtree(folder, ignore_errors=True)
        Received(journal.engine).prune()
        forget_failed_starts(journal.engine, limit.timestamp())
    named = named_media(results, journal, {entry.cache_key for entry in entries}, ended)
    pruned = Pruned(
        entries,
        runs=tuple(sorted(ended)),
        folders=tuple(str(folder) for folder in old),
        sandbox_bytes=forget_results(data / "sandbox", limit, pretend=pretend),
    )
    return without_media(pruned, assets, named, limit, pretend=pretend)
