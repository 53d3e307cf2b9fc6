"""Names in a store on SQLite, for completion; SQLAlchemy would take too long to import."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

_WAIT_SECONDS = 0.05
_RUNS = """
SELECT run_id, name FROM runs
WHERE substr(run_id, 1, length(?)) = ? AND removed_at IS NULL
ORDER BY started_at DESC, run_id DESC LIMIT 100
"""


def runs(url: str, start: str = "") -> list[tuple[str, str]]:
    """The newest runs whose id begins with `start`, newest first, each with the name of its spec."""
    return _read(url, _RUNS, start, start)


def pools(url: str) -> list[str]:
    """The names of all pools."""
    return [name for (name,) in _read(url, "SELECT name FROM pools ORDER BY name")]


def _read(url: str, query: str, *values: str) -> list[Any]:
    """Reads and hardly waits; `ValueError` if the store is not on SQLite."""
    scheme, slashes, path = url.partition(":///")
    if not slashes or scheme.partition("+")[0] != "sqlite":
        raise ValueError("not a file of SQLite")
    place = quote(str(Path(path.partition("?")[0]).absolute()))
    file = f"file:{place}?mode=ro"
    with closing(sqlite3.connect(file, uri=True, timeout=_WAIT_SECONDS)) as connection:
        return connection.execute(query, values).fetchall()
