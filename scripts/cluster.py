"""Kills a worker in the middle of ten campaigns on a cluster, and audits the results.

``scripts/cluster --runs 10`` exits with 1 if a run does not complete, anything was bought twice, a
credit is unexplained, or a task run is left open.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import click
from audit import Audit, audit
from cluster_processes import WORKERS, Cluster
from cluster_server import OVER
from members import MissingError
from sqlalchemy import func, select

from rivya_flows.store.database import reading
from rivya_flows.store.journal import Journal
from rivya_flows.store.tables import RECEIVED

END_SECONDS = 600
SETTLE_SECONDS = 180
LOOK_SECONDS = 0.5

SPEC = """\
version: 1
name: cluster
title: A short campaign
inputs:
  product: {type: string, default: Lamp}
budget: {credits: 60}
steps:
  script:
    uses: chat
    with:
      model: gemini-2-5-flash-chat
      message: Describe ${{ inputs.product }}
      expect: {visual: string, narration: string}
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "${{ steps.script.json.visual }}, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: first}
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: Slow push-in, references: ["${{ steps.hero.asset }}"]}
  spot:
    uses: compose
    with: {clips: "${{ steps.film.asset }}"}
outputs:
  spot: ${{ steps.spot.asset }}
deploy:
  - {name: proof}
"""
PURCHASES = 4
"""Purchases of one run: a chat turn, two stills, a film."""
JOBS = 3
"""Purchases whose end the service reports by a webhook."""


@dataclass
class Proof:
    """The result of the experiment.

    Attributes:
        flow_runs: Ids of the flow runs.
        doubles: Duplicate events that started no run.
        killed: Processes that were killed.
        victims: Flow runs that they executed.
        states: Name of the last state of each flow run.
        open_task_runs: Names of unfinished task runs.
        webhooks: Events that the receiver got from the service.
    """

    flow_runs: list[str]
    doubles: int
    killed: int
    victims: set[str]
    states: dict[str, str]
    open_task_runs: list[str]
    webhooks: int


def begin(cluster: Cluster) -> None:
    """Deploy the spec, and start the receiver and the workers."""
    (cluster.folder / "specs" / "cluster.yaml").write_text(SPEC)
    cluster.set_up()
    cluster.start_receiver()
    for name in WORKERS:
        cluster.start_worker(name)


def prove(cluster: Cluster, runs: int, *, victim: str | None, tell: Callable[[str], None]) -> Proof:
    """Start all runs at once, kill in the middle, and wait for the ends.

    Args:
        cluster: Has begun.
        runs: Number of runs.
        victim: ``worker`` kills a worker with all its runs, as if its machine died; ``run``
            kills the process of a run; None kills nothing.
        tell: Reports progress.
    """
    flow_runs, doubles = start_runs(cluster, runs)
    tell(f"{runs} runs started on {len(WORKERS)} workers, {doubles} doubled events dropped")
    victims: set[str] = set()
    killed = 0
    if victim is not None:
        inside, middle = await_middle(cluster, WORKERS[0], max(1, runs // 4))
        if victim == "worker":
            victims, killed = inside, cluster.members.kill_machine(WORKERS[0])
        else:
            victims, killed = cluster.kill_host(middle[0]), 1
        tell(f"killed a {victim}: {killed} processes with {len(victims)} runs in the middle")
    await_ends(cluster, flow_runs, tell)
    return Proof(
        flow_runs=flow_runs,
        doubles=doubles,
        killed=killed,
        victims=victims,
        states={run: str(one["name"]) for run, one in cluster.server.states(flow_runs).items()},
        open_task_runs=wait_for_task_runs(cluster, flow_runs),
        webhooks=wait_for_events(cluster.store, JOBS * runs),
    )


def start_runs(cluster: Cluster, runs: int) -> tuple[list[str], int]:
    """Request every flow run twice; returns the ids of the runs, and the duplicates."""
    asked = [
        cluster.server.start("cluster/proof", f"event-{number}", {"product": f"Lamp {number}"})
        for number in range(runs)
        for _ in range(2)
    ]
    flow_runs = list(dict.fromkeys(asked))
    return flow_runs, len(asked) - len(flow_runs)


def await_middle(cluster: Cluster, name: str, least: int) -> tuple[set[str], list[str]]:
    """Wait until a number of a worker's runs have bought something and are not finished.

    Returns all runs of the worker, and these.
    """
    give_up = time.monotonic() + END_SECONDS
    while time.monotonic() < give_up:
        inside = cluster.executing(name)
        middle = [run for run in inside if is_in_the_middle(cluster.store, run)]
        if len(middle) >= least:
            return inside, middle
        time.sleep(LOOK_SECONDS / 5)
    raise SystemExit(f"{name} never was in the middle of {least} runs")


def is_in_the_middle(store: str, flow_run: str) -> bool:
    """Whether a run has bought something and is not finished, by its journal."""
    with closing(Journal(store)) as journal:
        kinds = {entry.event.kind for entry in journal.entries(f"run-{flow_run}")}
    return "purchase.intended" in kinds and "run.ended" not in kinds


def wait_for_events(store: str, wanted: int) -> int:
    """Number of stored webhook events, after waiting for so many."""
    give_up = time.monotonic() + SETTLE_SECONDS
    with closing(Journal(store)) as journal:
        while True:
            with reading(journal.engine) as connection:
                found = int(connection.scalar(select(func.count()).select_from(RECEIVED)) or 0)
            if found >= wanted or time.monotonic() > give_up:
                return found
            time.sleep(LOOK_SECONDS)


def await_ends(cluster: Cluster, flow_runs: Sequence[str], tell: Callable[[str], None]) -> None:
    """Wait until all runs have ended, and report every change.

    A run that crashed or was found dead has not ended: an automation restarts it.
    """
    give_up = time.monotonic() + END_SECONDS
    seen = ""
    while time.monotonic() < give_up:
        text = ", ".join(
            f"{count} {name}" for name, count in sorted(cluster.server.counts(flow_runs).items())
        )
        if text != seen:
            tell(text)
            seen = text
        states = cluster.server.states(flow_runs).values()
        if all(one["type"] in OVER - {"CRASHED"} for one in states):
            return
        time.sleep(LOOK_SECONDS)


def wait_for_task_runs(cluster: Cluster, flow_runs: Sequence[str]) -> list[str]:
    """Task runs still open after the recorder had time to write the last ones."""
    give_up = time.monotonic() + SETTLE_SECONDS
    while (found := cluster.server.open_task_runs(flow_runs)) and time.monotonic() < give_up:
        time.sleep(LOOK_SECONDS)
    return found


def violations(proof: Proof, books: Audit, runs: int) -> list[str]:
    """Every broken promise."""
    found = [f"{run}: {name}" for run, name in proof.states.items() if name != "Completed"]
    found += [f"bought twice: {name}" for name in books.duplicates]
    found += [f"unexplained: {task} {amount}" for task, amount in books.unexplained.items()]
    found += [f"unanswered: {name}" for name in books.unanswered]
    found += [f"left open: {name}" for name in proof.open_task_runs]
    if proof.webhooks < JOBS * runs:
        found.append(f"{proof.webhooks} webhooks came for {JOBS * runs} jobs")
    if len(proof.flow_runs) != runs or proof.doubles != runs:
        found.append(f"{len(proof.flow_runs)} runs of {runs} events that came twice")
    if books.purchases != PURCHASES * runs or books.spent != books.taken:
        found.append(f"{books.purchases} purchases, {books.spent} and {books.taken} credits")
    return found


def summary(proof: Proof, books: Audit, seconds: float) -> str:
    """One line."""
    completed = sum(name == "Completed" for name in proof.states.values())
    back = sum(proof.states[run] == "Completed" for run in proof.victims)
    return (
        f"{completed} of {len(proof.flow_runs)} runs completed; {proof.killed} processes killed, "
        f"{back} of {len(proof.victims)} runs came back; {books.purchases} purchases, "
        f"{len(books.duplicates)} twice; {proof.webhooks} webhooks; {books.spent} credits by the journals, {books.taken} by "
        f"the wallet; {len(proof.open_task_runs)} task runs left open; {seconds:.0f} s"
    )


@click.command()
@click.option("--runs", type=click.IntRange(2), default=10, show_default=True)
@click.option("--kill/--no-kill", default=True, show_default=True)
@click.option(
    "--victim",
    type=click.Choice(["worker", "run"]),
    default="worker",
    show_default=True,
    help="What is killed: a worker with all that it executes, or the process of one run.",
)
@click.option("--time-scale", type=float, default=1.0, show_default=True, help="Of the sandbox.")
@click.option("--keep", type=click.Path(path_type=Path), help="Work here, and leave it there.")
def main(runs: int, kill: bool, victim: str, time_scale: float, keep: Path | None) -> None:
    """Run campaigns on a cluster, kill a worker with kill -9, and audit every credit.

    Exits with 0 if every promise is kept, 1 if one is broken, 2 if a program is missing.
    """
    began = time.monotonic()
    # However this ends, its processes end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def tell(line: str) -> None:
        click.echo(f"{time.monotonic() - began:5.0f} s  {line}", err=True)

    with contextlib.ExitStack() as stack:
        folder = keep.absolute() if keep else None
        if folder is None:
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="rivya-flows-cluster-"))
            )
        folder.mkdir(parents=True, exist_ok=True)
        try:
            cluster = stack.enter_context(
                Cluster(folder, time_scale=time_scale, limit=-(-runs // len(WORKERS)))
            )
        except MissingError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(2)
        tell("PostgreSQL, Redis, S3, Prefect server and services are up")
        begin(cluster)
        proof = prove(cluster, runs, victim=victim if kill else None, tell=tell)
        books = audit(cluster.store, cluster.sandbox)
        wrong = violations(proof, books, runs)
        if not cluster.server.refuses_strangers():
            wrong.append("the server answers without its password")
    click.echo(summary(proof, books, time.monotonic() - began))
    for line in wrong:
        click.echo(f"violation: {line}", err=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
