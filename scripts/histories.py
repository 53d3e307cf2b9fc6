"""Executes random histories of runs in this process, and audits every credit.

``scripts/histories --count 10000 --seed 1`` exits with 1 if anything was bought twice, or ledger, jobs
and wallet differ. With ``--kills``, executions are also stopped at journal writes and paid requests.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.hostile_histories import HistoryError, Seen, histories, local_service

TOGETHER = 20
"""Histories of one wallet, whose books are compared at once."""

FOLDER = Path("/dev/shm")  # where there is one, since every execution commits often


async def _execute(folder: Path, count: int, seed: int, kills: bool) -> tuple[Seen, list[str]]:
    total, wrong = Seen(), list[str]()
    async with local_service(folder / "service") as service:
        for first in range(seed, seed + count, TOGETHER):
            seeds = range(first, min(first + TOGETHER, seed + count))
            try:
                total.add(await histories(seeds, service, folder / str(first), kills=kills))
            except HistoryError as error:
                wrong.append(str(error))
                click.echo(f"violation: {error}", err=True)
    return total, wrong


@click.command()
@click.option("--count", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--kills", is_flag=True, help="Also stop executions, as kill -9 does.")
def main(count: int, seed: int, kills: bool) -> None:
    """Execute histories, and audit every credit."""
    logging.disable(logging.CRITICAL)  # what the kills leave behind
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=FOLDER if FOLDER.is_dir() else None) as folder:
        seen, wrong = asyncio.run(_execute(Path(folder), count, seed, kills))
    requests, broken = seen.breaks.total(), seen.breaks.total() - seen.breaks["left alone"]
    lines = [
        ("histories", f"{seen.histories}, the first of seed {seed}"),
        ("executions", f"{seen.executions}, {seen.kills} of them killed, {seen.absences} gave way"),
        ("paid requests in trouble", f"{requests}, {broken} of them broken"),
        ("purchases", f"{seen.purchases} for {seen.spent} credits"),
        ("uncertain, resubmitted", str(seen.uncertain)),
        ("wrong books", str(len(wrong))),
        ("time", f"{time.monotonic() - began:.0f} s"),
    ]
    click.echo("\n".join(f"{name:<24}  {value}" for name, value in lines))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
