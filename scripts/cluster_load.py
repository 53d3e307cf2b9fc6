"""Measures how many runs a minute a cluster takes, and which of its processes take the time.

``scripts/cluster-load --runs 200 --workers 1,2,4,10`` queues the runs while the work pool is paused, lets
the workers go, and waits for the last run; then the same with more workers. Exits with 1 if a run does not
complete or anything was bought twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import psutil
from audit import audit
from cluster_processes import Cluster
from cluster_server import OVER
from members import MissingError

from rivya_flows.preparation.deploy_blocks import WORK_POOL

DEPLOYMENT = "load/load"
JOB_SECONDS = 2.0
PICTURE_SECONDS = 7.0
"""Of a picture of the sandbox at the time scale 1."""
LOOK_SECONDS = 0.5
START_SECONDS = 120
PURCHASES = 2

SPEC = """\
version: 1
name: load
title: Two pictures
inputs:
  product: {type: string, default: Lamp}
budget: {credits: 10}
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "${{ inputs.product }}, ${{ matrix.style }}"}
outputs:
  stills: ${{ steps.stills.assets }}
deploy:
  - {name: load}
"""


@dataclass(frozen=True)
class Stage:
    """What a number of workers did.

    Attributes:
        workers: Their number.
        runs: Queued runs.
        queueing: Seconds to queue them.
        seconds: From the moment when workers may take runs to the end of the last.
        completed: Runs that completed.
        a_minute: Runs that ended a minute, from the first tenth of them to the ninth.
        processor: Processor seconds of all processes of a kind. ``runs`` are the processes that
            workers start, one for each run.
        peak_mb: Most memory of all processes of a kind together, by samples.
        busy: Part of all cores that was used, by everything on the machine.
    """

    workers: int
    runs: int
    queueing: float
    seconds: float
    completed: int
    a_minute: float
    processor: Mapping[str, float]
    peak_mb: Mapping[str, float]
    busy: float


def kind_of(name: str) -> str:
    """The kind of a process of the cluster, by its name."""
    return "worker" if name.startswith("worker-") else name


def processor_times(members: Mapping[str, int]) -> dict[str, float]:
    """Processor seconds so far, by kind, with all children that run or were awaited."""
    found: dict[str, float] = {}
    for name, pid in members.items():
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(pid)
            own = root.cpu_times()
            below = own.children_user + own.children_system
            for child in root.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    below += sum(child.cpu_times()[:4])
            kind = kind_of(name)
            under = "runs" if kind == "worker" else kind
            found[kind] = found.get(kind, 0) + own.user + own.system
            found[under] = found.get(under, 0) + below
    return found


def memory(members: Mapping[str, int]) -> dict[str, float]:
    """Resident MB now, by kind. Pages that processes share count for each of them."""
    found: dict[str, float] = {}
    for name, pid in members.items():
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(pid)
            for process in (root, *root.children(recursive=True)):
                kind = kind_of(name)
                if kind == "worker" and process != root:
                    kind = "runs"
                with contextlib.suppress(psutil.Error):
                    found[kind] = found.get(kind, 0) + process.memory_info().rss / 2**20
    return found


def measure(
    cluster: Cluster, workers: int, runs: int, timeout: float, tell: Callable[[str], None]
) -> Stage:
    """Execute so many runs with so many workers."""
    server = cluster.server
    names = [f"worker-{number}" for number in range(1, workers + 1)]
    server.pause(WORK_POOL, paused=True)
    before = {types: server.count(DEPLOYMENT, types) for types in (("COMPLETED",), tuple(OVER))}
    began = time.monotonic()
    for number in range(runs):
        server.start(DEPLOYMENT, f"load-{workers}-{number}", {"product": f"Lamp {number}"})
    queueing = time.monotonic() - began
    for name in names:
        cluster.start_worker(name)
    give_up = time.monotonic() + START_SECONDS
    while not server.online(WORK_POOL).issuperset(names):
        if time.monotonic() > give_up:
            raise SystemExit("a worker did not start")
        time.sleep(LOOK_SECONDS)
    tell(f"{workers} workers: {runs} runs queued in {queueing:.0f} s")
    members = cluster.members.pids()
    used, peaks, marks = processor_times(members), dict[str, float](), list[tuple[float, int]]()
    psutil.cpu_percent()
    began = time.monotonic()
    server.pause(WORK_POOL, paused=False)
    over = 0
    while over < runs and time.monotonic() < began + timeout:
        time.sleep(LOOK_SECONDS)
        over = server.count(DEPLOYMENT, tuple(OVER)) - before[tuple(OVER)]
        marks.append((time.monotonic() - began, over))
        now = memory(members)
        peaks = {kind: max(value, peaks.get(kind, 0)) for kind, value in now.items()}
    seconds = time.monotonic() - began
    busy = psutil.cpu_percent() / 100
    after = processor_times(members)
    for name in names:
        cluster.members.stop(name)
    stage = Stage(
        workers=workers,
        runs=runs,
        queueing=round(queueing, 1),
        seconds=round(seconds, 1),
        completed=server.count(DEPLOYMENT, ("COMPLETED",)) - before[("COMPLETED",)],
        a_minute=round(pace(marks, runs), 1),
        processor={kind: round(value - used.get(kind, 0), 1) for kind, value in after.items()},
        peak_mb={kind: round(value) for kind, value in peaks.items()},
        busy=round(busy, 2),
    )
    tell(f"{stage.completed} completed in {stage.seconds:.0f} s, {stage.a_minute} a minute")
    return stage


def pace(marks: Sequence[tuple[float, int]], runs: int) -> float:
    """Runs a minute between the first tenth and the ninth; over all if there are few.

    Args:
        marks: Seconds, and runs that have ended by then.
        runs: Number of all.
    """
    inner = [mark for mark in marks if 0.1 * runs <= mark[1] <= 0.9 * runs]
    first, last = (inner[0], inner[-1]) if len(inner) > 1 else ((0.0, 0), marks[-1])
    if last[1] == first[1]:
        first, last = (0.0, 0), marks[-1]
    return (last[1] - first[1]) / (last[0] - first[0]) * 60


@click.command()
@click.option("--runs", type=click.IntRange(1), default=200, show_default=True, help="Each time.")
@click.option("--workers", default="1,2,4,10", show_default=True, help="Numbers of workers.")
@click.option("--limit", type=click.IntRange(1), default=2, show_default=True, help="Of a worker.")
@click.option("--timeout", type=float, default=3600, show_default=True, help="Seconds each time.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write the results here.")
@click.option("--keep", type=click.Path(path_type=Path), help="Work here, and leave it there.")
def main(
    runs: int, workers: str, limit: int, timeout: float, out: Path | None, keep: Path | None
) -> None:
    """Queue runs, and measure how fast 1, 2, 4 and 10 workers execute them.

    Exits with 0 if all completed and nothing was bought twice, 1 if not, 2 if a program is missing.
    """
    numbers = [int(number) for number in workers.split(",")]
    began = time.monotonic()
    # However this ends, its processes end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def tell(line: str) -> None:
        click.echo(f"{time.monotonic() - began:5.0f} s  {line}", err=True)

    stages: list[Stage] = []
    with contextlib.ExitStack() as stack:
        folder = keep.absolute() if keep else None
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rivya-load-")))
        names = [f"worker-{number}" for number in range(1, max(numbers) + 1)]
        scale = JOB_SECONDS / PICTURE_SECONDS
        try:
            cluster = stack.enter_context(
                Cluster(folder, time_scale=scale, limit=limit, workers=names)
            )
        except MissingError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(2)
        (folder / "specs" / "load.yaml").write_text(SPEC)
        cluster.set_up()
        cluster.start_receiver()
        tell("the cluster is up")
        for number in numbers:
            stages.append(measure(cluster, number, runs, timeout, tell))
            if out is not None:
                document = {
                    "cores": os.cpu_count(),
                    "load": [round(one, 2) for one in os.getloadavg()],
                    "options": {"runs": runs, "limit": limit, "jobs": PURCHASES},
                    "stages": [asdict(stage) for stage in stages],
                }
                out.write_text(json.dumps(document, indent=1) + "\n")
        books = audit(cluster.store, cluster.sandbox)
    lost = sum(stage.runs - stage.completed for stage in stages)
    click.echo(
        f"{len(books.duplicates)} of {books.purchases} purchases bought twice; "
        f"{lost} runs did not complete"
    )
    sys.exit(1 if lost or books.duplicates else 0)


if __name__ == "__main__":
    main()
