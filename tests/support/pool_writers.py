"""A process whose runs buy from a pool until it is empty: ``python -m support.pool_writers URL NAME HOLD_AT``.

It waits for a line on stdin before it buys.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path

from rivya_flows.errors import PoolExceededError
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from support.journal_entries import frozen, intent

RUNS = 20
FIRST = 3
"""Runs whose intents are written before the others'."""


def main(url: str, name: str, hold_at: int) -> None:
    """Buys with `RUNS` runs.

    Args:
        url: Of the store.
        name: Begins the ids of the runs.
        hold_at: Number of the journal entry, counted from 1, ahead of whose commit it waits to be
            killed; 0 for none.
    """

    def on_write(number: int) -> None:
        if hold_at and number >= hold_at:
            print("held", flush=True)
            time.sleep(600)

    with closing(Journal(url, on_write=on_write)) as journal:
        fences = {}
        for number in range(RUNS):
            run_id = f"{name}-{number}"
            run = frozen(run_id).model_copy(update={"labels": {"client": "acme"}})
            journal.create(run, Path("/runs"))
            fences[run_id] = Leases(journal.engine).acquire(run_id).fence
        print("ready", flush=True)
        sys.stdin.readline()
        runs = list(fences)
        for some in (runs[:FIRST], runs[FIRST:]):
            waiting = [journal.submit(run_id, (intent(),), fences[run_id]) for run_id in some]
            errors = [one.exception(300) for one in waiting]
            assert all(isinstance(one, PoolExceededError | None) for one in errors), errors
        print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
