"""Find runs in the store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from rivya_flows.errors import UsageError
from rivya_flows.language.diagnostic_report import suggest
from rivya_flows.plans.names import BATCH_LABEL
from rivya_flows.receipt.phrases import credits_of
from rivya_flows.scratch import scratch
from rivya_flows.settings import Settings
from rivya_flows.similar_names import nearest
from rivya_flows.store.charges import spent_by
from rivya_flows.store.journal import Journal as Journal, RunRow
from rivya_flows.store.run_list import ListedRun as ListedRun, listed_runs, unbegun_runs

if TYPE_CHECKING:
    from rivya_flows.store.assets import AssetStore


def open_journal(settings: Settings) -> closing[Journal]:
    """The journal, without a service."""
    return closing(Journal(settings.store_url))


@contextmanager
def open_assets(settings: Settings) -> Iterator[AssetStore]:
    """The media of the store."""
    from rivya_flows.store.assets import AssetStore  # heavy, and lists of runs need none

    with scratch() as copies:
        yield AssetStore(settings.assets_url, copies)


@contextmanager
def open_store(settings: Settings) -> Iterator[tuple[Journal, AssetStore]]:
    """The journal and the media, without a service."""
    with open_assets(settings) as assets, open_journal(settings) as journal:
        yield journal, assets


LAST = "last"
"""Names the run in which something happened last: it began, did something, was answered or ended."""

_MAX_RECEIPT = 128 << 20  # bytes; a larger receipt in a named folder is not read
_MOST_ALIKE = 500  # newest runs that a mistyped id is compared with


def find_run(journal: Journal, name: str, *, only_read: bool = False) -> RunRow:
    """The row of the run that a user names, with the folder that was named; `only_read`: or begins to name."""
    path = Path(name)
    row = journal.run(name) or (_run_in(journal, path.resolve()) if path.is_dir() else None)
    if row is not None:
        return row
    if name == LAST and (newest := journal.last()):
        return newest
    if gone := journal.run(name, removed=True):
        spent, _ = spent_by(journal.engine, name).get(name, (0, 0))
        raise UsageError(
            f"{name} was removed; its {credits_of(spent)} {'is' if spent == 1 else 'are'} in `spend`",
            ""
            if gone.folder == Path()
            else f"delete the rest of it: rivya-flows store remove {name}",
        )
    if called := _run_of_flow_run(journal, name):
        return called
    begun = journal.runs(name) if name else ()
    if only_read and len(begun) == 1:
        return begun[0]
    if rows := batch_runs(journal, name):
        batch = rows[0].labels[BATCH_LABEL]
        raise UsageError(
            f"{batch} is a batch of {len(rows)} runs, and no run",
            f"name one of them: `rivya-flows runs --label {BATCH_LABEL}={batch}` lists them",
        )
    for failed in unbegun_runs(journal.engine, run_id=name, name=None, since=0, limit=1):
        raise UsageError(f"{name} never began: {failed.reason}", to_begin(name))
    known = [row.run_id for row in begun or journal.runs()]
    near = known[0] if len(begun) == 1 else nearest(name, known[:_MOST_ALIKE], alike=0.9)
    if len(begun) > 1:
        more = f" and {len(known) - 3} more" if len(known) > 3 else ""
        hint = f"it is the beginning of: {', '.join(known[:3])}{more}"
    elif known:
        hint = f"did you mean {near!r}?" if near else f"the newest are: {', '.join(known[:3])}"
    else:
        hint = "it has no runs yet; RIVYA_FLOWS_STORE and RIVYA_FLOWS_DATA say where it is"
    raise UsageError(f"there is no run {name!r} in the store", hint)


def _run_of_flow_run(journal: Journal, name: str) -> RunRow | None:
    """The run of a flow run, or the only one that it called; None of any other name."""
    try:
        found = journal.runs(f"run-{UUID(name)}")
    except ValueError:
        return None
    if len(found) > 1:
        raise UsageError(
            f"flow run {name} called {len(found)} campaigns",
            f"name one of: {', '.join(row.run_id for row in found[:-13:-1])}",
        )
    return found[0] if found else None


def list_run(journal: Journal, run_id: str) -> ListedRun:
    """A run with its status and what it has spent."""
    [found] = listed_runs(journal.engine, run_id=run_id, limit=1)
    return found


def list_lines(
    journal: Journal,
    limit: int,
    *,
    grouped: bool,
    labels: Mapping[str, str],
    name: str | None = None,
    status: str | None = None,
    since: datetime | None = None,
) -> list[list[ListedRun]]:
    """The newest runs in up to one line more than `limit`; `grouped`: those of a batch in the line of its newest."""
    most = limit + 1
    while True:
        lines: dict[str, list[ListedRun]] = {}
        found = listed_runs(
            journal.engine, labels=labels, name=name, status=status, since=since, limit=most
        )
        for run in found:
            batch = run.row.labels.get(BATCH_LABEL) if grouped else None
            lines.setdefault(f"batch {batch}" if batch else run.row.run_id, []).append(run)
        if len(lines) > limit or len(found) < most:
            return [*lines.values()]
        most *= 4


def to_begin(run_id: str) -> str:
    """What to do about a run that never began, once the reason is known."""
    log = f"`rivya-flows prefect flow-run logs {run_id.removeprefix('run-')}`"
    return f"solve that, then Retry in its menu in Prefect; its log: {log}"


def batch_runs(journal: Journal, name: str) -> tuple[RunRow, ...]:
    """The runs of a batch that its id or its folder names, newest first; none if it names no batch."""
    batch = Path(name).resolve().name if Path(name).is_dir() else name
    rows = journal.runs(f"{batch}-")
    return tuple(row for row in rows if row.labels.get(BATCH_LABEL) == batch)


def which(name: str, row: RunRow) -> Iterator[str]:
    """Says which run is `LAST`, before anything is bought for it; nothing of another name."""
    if name == LAST:
        yield f"{LAST} is {row.run_id}, a run of {row.name} begun {row.started_at[:16].replace('T', ' ')} UTC"


def unknown_names(
    journal: Journal, labels: Mapping[str, str], spec: str | None = None
) -> Iterator[str]:
    """A line for each name of a filter that no run of the store has, with the likely one."""
    rows = journal.runs()
    pairs = [f"{name}={value}" for row in rows for name, value in row.labels.items()]
    wanted = [("spec", spec, [row.name for row in rows])] if spec else []
    wanted += [("label", f"{name}={value}", pairs) for name, value in labels.items()]
    for what, name, known in wanted:
        if name not in known:
            hint = suggest(name, dict.fromkeys(known))
            yield f"no run has the {what} {name!r}" + (f"; {hint}" if hint else "")


def receipt_run(folder: Path) -> str | None:
    """The run whose receipt lies in a folder; None without one."""
    with suppress(OSError, ValueError, RecursionError, KeyError, TypeError):
        file = folder / "receipt.json"
        if file.is_file() and file.stat().st_size <= _MAX_RECEIPT:
            run_id = json.loads(file.read_text("utf-8"))["run_id"]
            return run_id if isinstance(run_id, str) else None
    return None


def _run_in(journal: Journal, folder: Path) -> RunRow | None:
    """The run of a folder: rows of a batch have folders with names for people."""
    # Its receipt moves with it.
    if row := journal.run(receipt_run(folder) or folder.name) or journal.run(folder.name):
        return replace(row, folder=folder)
    return next((row for row in journal.runs() if row.folder.resolve() == folder), None)
