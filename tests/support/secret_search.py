"""Looks for secrets in files, databases and what a Prefect server tells."""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from support.prefect_workers import Server


def forms(canary: str) -> set[bytes]:
    """A secret as it is, percent-encoded, in JSON, and in base64 at each of its three places."""
    plain = canary.encode()
    found = {plain, quote(canary, safe="").encode(), quote(canary).encode()}
    found |= {
        json.dumps(canary)[1:-1].encode(),
        json.dumps(json.dumps(canary)[1:-1])[1:-1].encode(),
    }
    for shift in range(3):
        # Without the letters that what stands ahead and behind has a share in.
        whole = base64.b64encode(b"x" * shift + plain + b"x" * 3)
        found.add(whole[-(-shift * 8 // 6) + (shift > 0) : (shift + len(plain)) * 8 // 6 - 1])
    return found


@dataclass(frozen=True)
class Search:
    """Looks for canaries.

    Attributes:
        canaries: By what they are.
    """

    canaries: Mapping[str, str]

    def of(self, places: Iterable[tuple[str, bytes]]) -> list[str]:
        """What was found where."""
        wanted = [(name, one) for name, canary in self.canaries.items() for one in forms(canary)]
        return [
            f"{name} in {place} as {form!r}"
            for place, content in places
            for name, form in wanted
            if form in content
        ]


def files(*folders: Path) -> Iterator[tuple[str, bytes]]:
    """All files, and of databases all rows too: a row may lie in pieces."""
    for folder in folders:
        for path in folder.rglob("*"):
            if not path.is_file():
                continue
            yield str(path), path.read_bytes()
            if path.suffix in (".sqlite", ".db"):
                yield f"rows of {path}", rows(path)


def rows(path: Path) -> bytes:
    parts: list[bytes] = []
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        database.text_factory = bytes
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            with contextlib.suppress(sqlite3.OperationalError):  # a table of an extension
                for row in database.execute(f'SELECT * FROM "{table.decode()}"'):
                    parts += [one if isinstance(one, bytes) else str(one).encode() for one in row]
    return b"\n".join(parts)


def prefect_rows(server: Server) -> Iterator[tuple[str, bytes]]:
    """What the server tells anyone who may ask, page after page."""
    for kind in ("flows", "flow_runs", "task_runs", "logs", "artifacts", "deployments"):
        offset = 0
        while found := server.ask("POST", f"/{kind}/filter", {"limit": 200, "offset": offset}):
            yield f"{kind} of Prefect", told(found)
            offset += len(found)
    page = server.ask("POST", "/events/filter", {"filter": {}, "limit": 50})
    while True:
        yield "events of Prefect", told(page["events"])
        if not page["next_page"]:
            return
        page = server.ask("GET", page["next_page"].partition("/api")[2])


def told(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()
