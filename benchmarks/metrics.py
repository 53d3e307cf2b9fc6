"""Measures a scrape of `/metrics`: ``python benchmarks/metrics.py``.

Writes stores of 10,000 and 100,000 entries in a temporary folder, as runs with 13 pictures write
them, reads each completely, and once more. Times are wall clock of one run.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert

from rivya_flows.queue.events import (
    Event,
    JobEnded,
    PurchaseAccepted,
    PurchaseIntended,
    RunEnded,
    RunFrozen,
    dump,
)
from rivya_flows.store.journal import Journal
from rivya_flows.store.tables import EVENTS
from rivya_flows.webhook_receiver import StoreMetrics

ENTRIES = (10_000, 100_000)
ITEMS = 13
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_PROMPT = "A brass desk lamp on oak, warm light, quiet evening. " * 8


def events_of(run_id: str) -> Iterator[Event]:
    """The events of a run with so many pictures, without wallet balances."""
    yield RunFrozen(
        run_id=run_id,
        spec_text="",
        spec_file="",
        inputs={},
        catalogue={},
        catalogue_date="2026-01-01",
        service="",
        started_at=NOON,
        nonce="",
        plan={"name": "pictures"},
    )
    for number in range(ITEMS):
        of = {"step": "stills", "key": str(number), "n": 1}
        body = f'{{"model": "z-image", "prompt": "{_PROMPT}"}}'
        yield PurchaseIntended(
            **of, route="generation", idempotency_key="", body=body, reserve=1, at=NOON
        )
        yield PurchaseAccepted(**of, task_id="task", reserved_credits=1)
        yield JobEnded(**of, status="succeeded", final_credits=1)
    yield RunEnded(status="completed", at=NOON)


def fill(journal: Journal, entries: int) -> int:
    """Write about so many entries; returns how many."""
    runs = entries // (3 * ITEMS + 2)
    rows = [
        {
            "run_id": f"run-{run}",
            "seq": seq,
            "kind": event.kind,
            "at": float(seq),
            "body": dump(event),
        }
        for run in range(runs)
        for seq, event in enumerate(events_of(f"run-{run}"), 1)
    ]
    with journal.engine.begin() as connection:
        connection.execute(insert(EVENTS), rows)
    return len(rows)


def _row(journal: Journal, entries: int) -> str:
    written = fill(journal, entries)
    pause = 0.0
    # Later scrapes come after a pause, so that they read the store.
    metrics = StoreMetrics(journal.engine, clock=lambda: time.monotonic() + pause)
    times: list[float] = []
    text = b""
    while b"runs_unread 0.0" not in text:
        began = time.perf_counter()
        text = metrics.text()
        times.append(time.perf_counter() - began)
    pause = 60.0
    began = time.perf_counter()
    metrics.text()
    later = time.perf_counter() - began
    return f"| {written:,} | {len(times)} | {max(times):.2f} s | {later * 1000:.0f} ms |"


def main() -> None:
    """Print the table of the docs."""
    print("| entries | scrapes until all is read | the longest of them | a later scrape |")
    print("| ---: | ---: | ---: | ---: |")
    for entries in ENTRIES:
        with (
            tempfile.TemporaryDirectory() as folder,
            closing(Journal(f"sqlite:///{Path(folder) / 'journal.sqlite'}")) as journal,
        ):
            print(_row(journal, entries))


if __name__ == "__main__":
    main()
