"""Kills what runs need at seeded times, moves clocks, resumes, and audits every credit.

``scripts/chaos --kills 200 --seed 7 --profile hostile`` exits with 1 if anything was bought twice, a
credit is unexplained, or a run cannot finish. With ``--items 200``, 200 jobs are in flight. With
``--setting cluster``, the databases, Prefect, workers and the receiver are killed too.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from pathlib import Path

import click
from chaos_counts import Experiment, commit_here, record, table, violations
from chaos_local import experiment_locally
from members import MissingError


@click.command()
@click.option("--kills", type=click.IntRange(1), default=200, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--profile", type=click.Choice(["friendly", "hostile"]), default="friendly", show_default=True
)
@click.option(
    "--setting",
    type=click.Choice(["local", "cluster"]),
    default="local",
    show_default=True,
    help="Runs and a sandbox on SQLite; or PostgreSQL, Redis, Prefect, workers and a receiver.",
)
@click.option(
    "--items",
    type=click.IntRange(0, 10_000),
    default=0,
    help="Run two steps of so many items with 200 jobs in flight, instead of a small campaign; local only.",
)
@click.option(
    "--record",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Append the counts to this file, as a line of JSON.",
)
@click.option("--keep", type=click.Path(path_type=Path), help="Work in this folder, and keep it.")
def main(
    kills: int,
    seed: int,
    profile: str,
    setting: str,
    items: int,
    file: Path | None,
    keep: Path | None,
) -> None:
    """Kill what runs need, resume, and audit every credit.

    Exits with 0 if every promise is kept, 1 if one is broken, 2 if a program is missing,
    3 if one does not start.
    """
    began = time.monotonic()
    # However this ends, its processes end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def tell(line: str) -> None:
        click.echo(f"{time.monotonic() - began:5.0f} s  {line}", err=True)

    experiment = Experiment(commit_here(), setting, profile, seed, items)
    if items and setting == "cluster":
        raise click.UsageError("--items is for --setting local")
    with tempfile.TemporaryDirectory(prefix="rivya-flows-chaos-") as temporary:
        folder = keep.absolute() if keep else Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if setting == "local":
                tally, books = experiment_locally(folder, experiment, kills)
            else:
                from chaos_cluster import experiment_on_cluster

                tally, books = experiment_on_cluster(folder, experiment, kills, tell)
        except MissingError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(2)
    seconds = time.monotonic() - began
    click.echo(table(experiment, tally, books, seconds))
    if file is not None:
        record(file, experiment, tally, books, seconds)
    wrong = violations(tally, books)
    for line in wrong:
        click.echo(f"violation: {line}", err=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
