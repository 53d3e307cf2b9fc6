"""Find runs in the store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rivya_flows.errors import UsageError
from rivya_flows.settings import Settings
from rivya_flows.store.journal import Journal, RunRow


@contextmanager
def open_journal(settings: Settings) -> Iterator[Journal]:
    """The journal, without a service.

    Raises:
        StoreError: The store cannot be opened.
    """
    journal = Journal(settings.store_url)
    try:
        yield journal
    finally:
        journal.close()


def find_run(journal: Journal, name: str) -> RunRow:
    """The run that a user names.

    Args:
        journal: The store.
        name: Its id, or the path of its folder, also after the folder was moved.

    Raises:
        UsageError: It is not in the store.
    """
    path = Path(name)
    row = journal.run(name) or (_run_in(journal, path.resolve()) if path.is_dir() else None)
    if row is not None:
        return row
    newest = [row.run_id for row in journal.runs()[:3]]
    hint = f"the newest are: {', '.join(newest)}" if newest else "it has no runs yet"
    if not newest:
        hint += "; RIVYA_FLOWS_STORE and RIVYA_FLOWS_DATA say where it is"
    raise UsageError(f"there is no run {name!r} in the store", hint)


def _run_in(journal: Journal, folder: Path) -> RunRow | None:
    """The run of a folder: rows of a batch have folders with names for people."""
    with suppress(OSError, ValueError, RecursionError, KeyError, TypeError):
        # Its receipt moves with it.
        told = json.loads((folder / "receipt.json").read_text("utf-8"))["run_id"]
        if isinstance(told, str) and (row := journal.run(told)):
            return row
    return journal.run(folder.name) or next(
        (row for row in journal.runs() if row.folder.resolve() == folder), None
    )
