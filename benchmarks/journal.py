"""Measures how long a purchase takes to be durable: ``python -m benchmarks.journal [--json]``.

One task for each job in flight submits an entry and waits until it is on disk. The peer inserts the same
row into the same table with plain `sqlite3` or `psycopg` and commits each row. Blocks of both alternate
in one run, so both see the same disk.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

import psycopg
from benchmarks.metrics import events_of
from benchmarks.postgresql import running

from rivya_flows.queue.events import PurchaseIntended, RunFrozen, dump
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases

IN_FLIGHT = (1, 10, 100, 400)
BLOCKS = 5
ENTRIES = 400
"""Of one block; with few in flight fewer."""
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_PROMPT = "A brass desk lamp on oak, warm light, quiet evening. " * 8
_NUMBERS = itertools.count(1)

Insert = Callable[[PurchaseIntended], None]


@dataclass(frozen=True)
class Row:
    """Milliseconds from submission to disk, entries each second, entries of one commit, and
    milliseconds of this program's processor time for each entry.
    """

    database: str
    in_flight: int
    median_ms: float
    p99_ms: float
    each_second: float
    group: float
    processor_ms: float
    plain_median_ms: float
    plain_each_second: float
    plain_processor_ms: float


def purchase() -> PurchaseIntended:
    """The next purchase."""
    return PurchaseIntended(
        step="stills",
        key="neon",
        n=next(_NUMBERS),
        route="generation",
        idempotency_key="rf-0123456789abcdef",
        body=json.dumps({"model": "z-image", "prompt": _PROMPT}),
        reserve=1,
        at=NOON,
    )


def begun(journal: Journal, run_id: str) -> int:
    """Creates a run; gives the fence of its lease."""
    frozen = next(events_of(run_id))
    assert isinstance(frozen, RunFrozen)
    journal.create(frozen, Path("/runs"))
    return Leases(journal.engine).acquire(run_id).fence


async def entered(journal: Journal, fence: int, in_flight: int, entries: int) -> list[float]:
    """Seconds that each entry took."""
    seconds: list[float] = []

    async def enter() -> None:
        for _ in range(entries // in_flight):
            event, began = purchase(), time.perf_counter()
            await asyncio.wrap_future(journal.submit("run", (event,), fence))
            seconds.append(time.perf_counter() - began)

    await asyncio.gather(*(enter() for _ in range(in_flight)))
    return seconds


def inserted(insert: Insert, entries: int) -> list[float]:
    """Seconds that each insert and commit took."""
    seconds: list[float] = []
    for _ in range(entries):
        event, began = purchase(), time.perf_counter()
        insert(event)
        seconds.append(time.perf_counter() - began)
    return seconds


def _values(event: PurchaseIntended) -> tuple[object, ...]:
    return ("plain", event.n, event.kind, 0.0, f"purchase {event.n}", dump(event))


@contextmanager
def _plain_sqlite(file: Path) -> Iterator[Insert]:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=FULL")

        def insert(event: PurchaseIntended) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", _values(event))
            connection.execute("COMMIT")

        yield insert


@contextmanager
def _plain_postgresql(url: str) -> Iterator[Insert]:
    with psycopg.connect(url) as connection:

        def insert(event: PurchaseIntended) -> None:
            connection.execute("INSERT INTO events VALUES (%s, %s, %s, %s, %s, %s)", _values(event))
            connection.commit()

        yield insert


def measured(database: str, url: str, insert: Insert) -> Iterator[Row]:
    """A row for each number in flight."""
    commits: list[int] = []
    with closing(Journal(url, on_write=commits.append)) as journal:
        fence = begun(journal, "run")
        for in_flight in IN_FLIGHT:
            entries = max(in_flight, min(ENTRIES, 100 * in_flight))
            own: list[float] = []
            plain: list[float] = []
            own_wall = plain_wall = own_used = plain_used = 0.0
            commits.clear()
            for _ in range(BLOCKS):
                began, used = time.perf_counter(), time.process_time()
                own += asyncio.run(entered(journal, fence, in_flight, entries))
                own_wall += time.perf_counter() - began
                own_used += time.process_time() - used
                began, used = time.perf_counter(), time.process_time()
                plain += inserted(insert, entries // 4)
                plain_wall += time.perf_counter() - began
                plain_used += time.process_time() - used
            yield Row(
                database,
                in_flight,
                1000 * median(own),
                1000 * quantiles(own, n=100)[98],
                len(own) / own_wall,
                len(own) / sum(number > 0 for number in commits),
                1000 * own_used / len(own),
                1000 * median(plain),
                len(plain) / plain_wall,
                1000 * plain_used / len(plain),
            )


def rows() -> Iterator[Row]:
    """All rows."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "journal.sqlite"
        Journal(f"sqlite:///{file}").close()
        with _plain_sqlite(file) as insert:
            yield from measured("SQLite", f"sqlite:///{file}", insert)
    with running() as server:
        if server is not None:
            Journal(server.url).close()
            with _plain_postgresql(server.url) as insert:
                yield from measured("PostgreSQL", server.url, insert)


def main() -> None:
    """Print the table of the docs, or the rows as JSON."""
    if "--json" in sys.argv[1:]:
        print(json.dumps([asdict(row) for row in rows()], indent=2))
        return
    print(
        "| | in flight | median | 99 of 100 | each second | a commit | processor"
        " | plain | each second | processor |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows():
        print(
            f"| {row.database} | {row.in_flight} | {row.median_ms:.2f} ms | {row.p99_ms:.1f} ms"
            f" | {row.each_second:,.0f} | {row.group:.0f} | {row.processor_ms:.2f} ms"
            f" | {row.plain_median_ms:.2f} ms | {row.plain_each_second:,.0f}"
            f" | {row.plain_processor_ms:.2f} ms |"
        )


if __name__ == "__main__":
    main()
