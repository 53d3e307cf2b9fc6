"""What a store need not keep: of runs that ended long ago, and of a run that its user removes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rivya_flows.engine.cache import Pruned, delete_unused_media, named_media, prune
from rivya_flows.errors import UsageError
from rivya_flows.plans.names import BATCH_LABEL
from rivya_flows.queue.queue import replay
from rivya_flows.receipt.outcomes import update_outcomes
from rivya_flows.receipt.phrases import credits_of, open_jobs, uncollected_purchases
from rivya_flows.receiver.notification import prune_received
from rivya_flows.runs.connect import forget_results, is_lost
from rivya_flows.runs.lookup import find_run, receipt_run
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.charges import spent_by
from rivya_flows.store.journal import Journal, RunRow
from rivya_flows.store.leases import Leases
from rivya_flows.store.run_list import ListedRun, forget_failed_starts, listed_runs

_HALF = "removed in part"  # the status of a run whose removal was interrupted
LOOKED_UP_SECONDS = 5.0  # in which a run that found a result before it was deleted names its media


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

    And results of the sandbox and records of failed flow runs of that time. Journals stay, and the media that a
    younger run, one that has not ended or is owed something, a younger result or a deployed spec names. Under a
    day, a medium that a run downloads at this moment may be deleted.
    """
    limit = now - older_than
    entries = prune(assets, journal, now=now, older_than=older_than, pretend=pretend).entries
    if entries and not pretend:
        time.sleep(LOOKED_UP_SECONDS)
    ended = journal.ended_before(limit.timestamp())
    old = [data / "runs" / run_id for run_id in sorted(ended)]
    old = [folder for folder in old if folder.is_dir() and not folder.is_symlink()]
    if not pretend:
        for folder in old:
            shutil.rmtree(folder, ignore_errors=True)
        prune_received(journal.engine)
        forget_failed_starts(journal.engine, limit.timestamp())
    named = named_media(journal, {entry.cache_key for entry in entries}, ended)
    pruned = Pruned(
        entries,
        runs=tuple(sorted(ended)),
        folders=tuple(str(folder) for folder in old),
        sandbox_bytes=forget_results(data / "sandbox", limit, pretend=pretend),
    )
    return delete_unused_media(pruned, assets, named, limit, pretend=pretend)


@dataclass(frozen=True)
class PrunedRun:
    """A run that loses media; `linked_bytes` of them are in folders of runs too, and not freed."""

    run: ListedRun
    size_bytes: int
    linked_bytes: int


def losing(journal: Journal, assets: AssetStore, pruned: Pruned) -> tuple[PrunedRun, ...]:
    """The runs that lose media, the oldest first."""
    gone, found = frozenset(pruned.media), []
    sizes = {one.sha256: one for one in assets.listing() if one.sha256 in gone}
    for run_id in pruned.runs:
        if lost := [sizes[one] for one in journal.mentioned_hashes(of=run_id) if one in sizes]:
            [run] = listed_runs(journal.engine, run_id=run_id, limit=1)
            linked = sum(one.size_bytes for one in lost if one.linked)
            found.append(PrunedRun(run, sum(one.size_bytes for one in lost), linked))
    return tuple(sorted(found, key=lambda one: one.run.row.started_at))


@dataclass(frozen=True)
class RemovedRun:
    """A run that is or would be removed; `batch` is that whose row it is, `media` are those that nothing else needs."""

    run_id: str
    name: str
    status: str
    spent: int
    batch: str | None
    folder: Path | None
    media: tuple[str, ...] = ()
    results: int = 0
    freed_bytes: int = 0
    uncollected: tuple[str, ...] = ()


def removable(journal: Journal, name: str, data: Path) -> RemovedRun:
    """What would be removed of a run, without its media; also of one whose removal was interrupted."""
    half = journal.run(receipt_run(Path(name)) or name, removed=True)
    if half and half.folder != Path():
        spent, _ = spent_by(journal.engine, half.run_id).get(half.run_id, (0, 0))
        batch, folder = _batch_of(half), _own_folder(half)
        return RemovedRun(half.run_id, half.name, _HALF, spent, batch, folder)
    row = find_run(journal, name)
    [listed] = listed_runs(journal.engine, run_id=row.run_id, limit=1)
    if listed.status in ("running", "waiting"):
        at = "is running" if listed.status == "running" else "waits and tries again by itself"
        raise UsageError(
            f"{row.run_id} {at}; nothing was removed",
            "end it with Ctrl-C where it runs, or cancel it in Prefect",
        )
    state = replay(entry.event for entry in journal.entries(row.run_id))
    owed = tuple(dict.fromkeys((*open_jobs(state), *uncollected_purchases(state))))
    if listed.open and not owed:
        owed = (f"{credits_of(listed.open)} of purchases that are not settled",)
    if owed and not is_lost(row.service, data / "sandbox"):
        raise UsageError(
            f"{row.run_id} has paid, or may have, for what it has not collected: {', '.join(owed)}",
            f"first collect it: rivya-flows resume {row.run_id}",
        )
    # A folder that the user named may be a copy: only the run's own goes.
    batch, folder = _batch_of(row), _own_folder(journal.run(row.run_id) or row)
    return RemovedRun(
        row.run_id, row.name, listed.status, listed.spent, batch, folder, uncollected=owed
    )


def remove_run(journal: Journal, assets: AssetStore, found: RemovedRun) -> RemovedRun:
    """Removes a run with its folder, its cached results and the media that nothing else names.

    What it spent stays counted. A removal that is interrupted can be done again.
    """
    leases, now = Leases(journal.engine), datetime.now(UTC)
    with ExitStack() as held:
        if found.batch:  # which reads its rows' runs once, and writes their sheet at its end
            held.callback(leases.release, leases.acquire(found.batch))
        lease = leases.acquire(found.run_id)
        held.callback(leases.release, lease)
        results = journal.hide(lease)
        if results or found.status == _HALF:
            time.sleep(LOOKED_UP_SECONDS)
        named = journal.mentioned_hashes(of=found.run_id)
        named -= named_media(journal, (), frozenset({found.run_id}))
        going = [one for one in assets.listing() if one.sha256 in named]
        local = [path for one in going if (path := assets.shared_path(one.sha256))]
        files = [one for one in (found.folder.rglob("*") if found.folder else ()) if one.is_file()]
        freed = _disk_bytes([*local, *files])
        media = [one for one in going if assets.remove(one.sha256, unchanged_since=now)]
        if not local:
            freed += sum(one.size_bytes for one in media)
        if found.folder:
            _delete_folder(found.folder)
        update_outcomes(journal, found.run_id)  # from then on nothing else knows them
        journal.remove(lease)
    hashes = tuple(one.sha256 for one in media)
    return replace(found, media=hashes, results=results, freed_bytes=freed)


def _batch_of(row: RunRow) -> str | None:
    batch = row.labels.get(BATCH_LABEL)
    return batch if batch and row.run_id.startswith(f"{batch}-") else None


def _own_folder(row: RunRow) -> Path | None:
    """Others may have written the path into a shared store: only the receipt tells whose folder it is."""
    return row.folder if receipt_run(row.folder) == row.run_id else None


def _delete_folder(folder: Path) -> None:
    """Deletes the receipt last: without it, a second removal would not know whose folder it is."""
    for one in folder.iterdir():
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one, ignore_errors=True)
        elif one.name != "receipt.json":
            one.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _disk_bytes(paths: Iterable[Path]) -> int:
    """What deleting these paths frees: a file that has another path somewhere else frees nothing."""
    found: dict[tuple[int, int], list[int]] = {}
    for path in paths:
        about = path.lstat()
        places = found.setdefault((about.st_dev, about.st_ino), [about.st_size, about.st_nlink])
        places[1] -= 1
    return sum(size for size, left in found.values() if left <= 0)
