"""Lives through random histories of runs in a simulated world, and checks what must hold in each.

``scripts/simulate --seconds 60`` exits with 1 if an invariant is violated, and names the seeds.
``scripts/simulate --replay SEED`` repeats one history exactly, and prints its story.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice
from multiprocessing.util import Finalize
from pathlib import Path

import click
from chaos_counts import append, commit_here

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from rivya_flows.store.database import open_engine
from simulation.history import Site, live, replacements

MEMORY = Path("/dev/shm")  # where there is one, since every history commits often
AT_ONCE = 25
"""Histories of one call of a worker."""


@dataclass
class Tally:
    """What histories came to.

    Attributes:
        violations: What is wrong, by seed.
    """

    histories: int = 0
    events: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    violations: dict[int, str] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Counts other histories too."""
        self.histories += other.histories
        self.events += other.events
        self.faults += other.faults
        self.violations |= other.violations


@contextmanager
def site() -> Iterator[Site]:
    """An empty store, in memory where possible."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        engine = open_engine(f"sqlite:///{folder}/journal.sqlite")
        try:
            with replacements():
                yield Site(engine, Path(folder))
        finally:
            engine.dispose()


_SITES = list[Site]()


def _open_site() -> None:
    opened = site()
    _SITES.append(opened.__enter__())
    # At the end of the worker.
    Finalize(opened, opened.__exit__, (None, None, None), exitpriority=10)


def _live_through(fail_fast: bool, seeds: range) -> Tally:
    tally = Tally()
    gc.disable()  # a collection takes as long as a history
    for seed in seeds:
        history, error = live(seed, _SITES[0])
        tally.histories += 1
        tally.events += history.world.events
        tally.faults += history.world.faults
        if error is not None:
            tally.violations[seed] = f"{type(error).__name__}: {error}"
            if fail_fast:
                break
    gc.collect()
    return tally


def simulate(seed: int, seconds: float, most: int | None, workers: int, fail_fast: bool) -> Tally:
    """Lives through the histories of `seed` and those after it, for a time or up to a number."""
    tally, began, last = Tally(), time.monotonic(), None if most is None else seed + most
    chunks = (
        range(first, first + AT_ONCE if last is None else min(first + AT_ONCE, last))
        for first in (count(seed, AT_ONCE) if last is None else range(seed, last, AT_ONCE))
    )
    live_through = partial(_live_through, fail_fast)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _open_site) as pool:
        running = {pool.submit(live_through, chunk) for chunk in islice(chunks, workers)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for one in done:
                tally.add(one.result())
                is_over = most is None and time.monotonic() > began + seconds
                if is_over or (fail_fast and tally.violations):
                    continue
                running |= {pool.submit(live_through, chunk) for chunk in islice(chunks, 1)}
    return tally


def replay(seed: int) -> bool:
    """Repeats a history, and prints its story; tells whether all invariants held."""
    with site() as place:
        history, error = live(seed, place)
    click.echo("\n".join(history.world.story))
    if error is not None:
        click.echo("".join(traceback.format_exception(error)), err=True)
    click.echo(f"events {history.world.events}, violations {int(error is not None)}")
    return error is None


@click.command()
@click.option("--seconds", type=click.FloatRange(0), default=60, show_default=True)
@click.option("--count", "most", type=click.IntRange(1), help="So many instead of a time.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The first.")
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
@click.option("--fail-fast", is_flag=True, help="Stop at the first violation.")
@click.option(
    "--record",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Append the counts to this file, as a line of JSON.",
)
@click.option("--replay", "replayed", type=click.IntRange(0), metavar="SEED", help="Print one.")
def main(
    seconds: float,
    most: int | None,
    seed: int,
    workers: int,
    fail_fast: bool,
    file: Path | None,
    replayed: int | None,
) -> None:
    """Live through random histories of runs, and check what must hold in each."""
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of a set is part of a history
        os.execve(
            sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"}
        )
    if replayed is not None:
        sys.exit(0 if replay(replayed) else 1)
    began = time.monotonic()
    tally = simulate(seed, seconds, most, workers, fail_fast)
    for one, what in sorted(tally.violations.items()):
        click.echo(f"violation: seed {one}: {what}", err=True)
    if tally.violations:
        click.echo(f"scripts/simulate --replay {min(tally.violations)} prints its story", err=True)
    faults = ", ".join(f"{number} {name}" for name, number in tally.faults.most_common())
    click.echo(f"seeds from {seed}; faults: {faults}")
    violations = len(tally.violations)
    if file is not None:
        took = round(time.monotonic() - began)
        counts = {"histories": tally.histories, "events": tally.events, "violations": violations}
        append(file, {"commit": commit_here(), "seed": seed, **counts, "seconds": took})
    click.echo(f"histories {tally.histories}, events {tally.events}, violations {violations}")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
