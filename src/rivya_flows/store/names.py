"""Names in a store on SQLite, for completion; SQLAlchemy would take too long to import."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

_WAIT_SECONDS = 0.05
_MOST_RUNS = 100

_RUNS = """
SELECT runs.run_id, runs.name, runs.labels, leases.expires_at, (
    SELECT body FROM events WHERE events.run_id = runs.run_id
    AND kind IN ('run.resumed', 'run.waits', 'run.ended') ORDER BY seq DESC LIMIT 1
) FROM runs LEFT JOIN leases ON leases.run_id = runs.run_id
WHERE substr(runs.run_id, 1, length(:start)) = :start AND runs.removed_at IS NULL
ORDER BY runs.started_at DESC, runs.run_id DESC LIMIT :most
"""


@dataclass(frozen=True)
class NamedRun:
    """A run with the name of its spec; `status` is nearly that of `ListedRun`."""

    run_id: str
    spec: str
    labels: dict[str, str]
    status: str


@contextmanager
def open_store(url: str) -> Iterator[sqlite3.Connection]:
    """A connection that reads and hardly waits; `ValueError` if the store is not on SQLite."""
    scheme, slashes, path = url.partition(":///")
    if not slashes or scheme.partition("+")[0] != "sqlite":
        raise ValueError("not a file of SQLite")
    place = quote(str(Path(path.partition("?")[0]).absolute()))
    with closing(
        sqlite3.connect(f"file:{place}?mode=ro", uri=True, timeout=_WAIT_SECONDS)
    ) as connection:
        yield connection


def runs(store: sqlite3.Connection, start: str = "") -> list[NamedRun]:
    """The newest runs whose id begins with `start`, newest first."""
    rows = store.execute(_RUNS, {"start": start, "most": _MOST_RUNS})
    return [
        NamedRun(run_id, name, json.loads(labels), _status(turn, expires_at))
        for run_id, name, labels, expires_at, turn in rows
    ]


def _status(turn: str | None, expires_at: float | None) -> str:
    body = json.loads(turn or "{}")
    if body.get("kind") == "run.ended":
        return str(body["status"])
    if expires_at is not None and expires_at > time.time():
        return "running"
    return "waiting" if body.get("kind") == "run.waits" else "killed"


def events(store: sqlite3.Connection, run_id: str, *kinds: str) -> Iterator[dict[str, Any]]:
    """The events of these kinds in the journal of a run, as JSON, oldest first."""
    marks = ",".join("?" * len(kinds))
    found = store.execute(
        f"SELECT body FROM events WHERE run_id = ? AND kind IN ({marks}) ORDER BY seq",
        (run_id, *kinds),
    )
    for (body,) in found:
        yield json.loads(body)


def pools(store: sqlite3.Connection) -> list[str]:
    return [name for (name,) in store.execute("SELECT name FROM pools ORDER BY name")]
