"""The command `scripts/bench`."""

from __future__ import annotations

import json
import random
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from benchmarks.bench import pages
from benchmarks.bench.companions import COMPANIONS, companion
from benchmarks.bench.contenders import CONTENDERS
from benchmarks.bench.machine import machine, versions
from benchmarks.bench.measure import measured
from benchmarks.bench.scenarios import SCENARIOS, Scenario
from benchmarks.bench.summary import table
from benchmarks.bench.webhooks import webhooks

WEBHOOKS = "webhooks"
ALL = (*SCENARIOS, WEBHOOKS, *COMPANIONS)
QUICK = ("fan-out-1", "fan-out-10", "fan-out-100", "chain-10")


@click.command()
@click.option(
    "--only",
    "names",
    multiple=True,
    metavar="NAME",
    help="This work, or one of " + ", ".join((WEBHOOKS, *COMPANIONS)) + "; repeatable.",
)
@click.option("--peers", default=",".join(CONTENDERS), show_default=True, help="Who does the work.")
@click.option("--repetitions", type=click.IntRange(1), help="Default: that of each scenario.")
@click.option("--quick", is_flag=True, help="Small scenarios once each.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the order.")
@click.option("--timeout", type=float, default=1800, show_default=True, help="Seconds each.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write the results here.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path, exists=True),
    help="Measure nothing: fill docs/performance.md and draw its plots from this file.",
)
@click.option("--keep", type=click.Path(path_type=Path), help="Work here, and leave it there.")
def main(
    names: tuple[str, ...],
    peers: str,
    repetitions: int | None,
    quick: bool,
    seed: int,
    timeout: float,
    out: Path | None,
    plot: Path | None,
    keep: Path | None,
) -> None:
    """Measure rivya-flows and its peers on the same work, in turns."""
    if plot is not None:
        pages.write(plot)
        return
    # However this ends, its processes end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = names or (QUICK if quick else ALL)
    who = peers.split(",")
    for name in chosen:
        if name not in ALL:
            raise click.BadParameter(f"{name!r} is none of {', '.join(ALL)}")
    for name in who:
        if name not in CONTENDERS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(CONTENDERS)}")
    document: dict[str, Any] = {
        "machine": machine(),
        "versions": versions(),
        "options": {"only": chosen, "peers": who, "seed": seed, "timeout": timeout},
        "results": [],
        "companions": {},
    }

    def save() -> None:
        if out is not None:
            out.write_text(json.dumps(document, indent=1) + "\n")

    with tempfile.TemporaryDirectory(prefix="rivya-flows-bench-") as temporary:
        folder = keep.absolute() if keep else Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for scenario, name, repetition in turns(
            [SCENARIOS[one] for one in chosen if one in SCENARIOS],
            who,
            1 if quick else repetitions,
            seed,
        ):
            result = measured(scenario, CONTENDERS[name], repetition, folder, timeout)
            document["results"].append(result)
            click.echo(
                f"{scenario.name} {name} {repetition}: {result['seconds']:.1f} s, processor "
                f"{result['processor']:.1f} s{'' if result['ended'] else ', DID NOT END'}",
                err=True,
            )
            save()
        if WEBHOOKS in chosen:
            document["companions"][WEBHOOKS] = webhooks(folder, timeout)
            save()
    for name in (one for one in chosen if one in COMPANIONS):
        click.echo(f"benchmarks/{name}.py", err=True)
        found = companion(name, timeout)
        if found is None:
            click.echo(f"benchmarks/{name}.py is not there: skipped", err=True)
        else:
            document["companions"][name] = found
            save()
    click.echo(table(document))


def turns(
    scenarios: Sequence[Scenario], peers: Sequence[str], repetitions: int | None, seed: int
) -> Iterator[tuple[Scenario, str, int]]:
    """Who does what in which order: each repetition in an order of its own, so that nobody always has a warm cache."""
    chance = random.Random(seed)
    for scenario in scenarios:
        for repetition in range(1, (repetitions or scenario.repetitions) + 1):
            for name in chance.sample(list(peers), len(peers)):
                yield scenario, name, repetition


if __name__ == "__main__":
    main()
