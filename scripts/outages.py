"""Takes the service, a database or Prefect away in the middle of campaigns, and audits the results.

``scripts/outages --away service --how refused --seconds 45`` exits with 1 if a run does not complete
by itself, anything was bought twice, a credit is unexplained, a task run is left open, or an
end is announced wrongly.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Timer

import click
from audit import Audit, audit
from cluster_processes import WORKERS, Cluster
from members import MissingError

from cluster import (
    END_SECONDS,
    PURCHASES,
    SETTLE_SECONDS,
    await_ends,
    begin,
    is_in_the_middle,
    wait_for_task_runs,
)

MEMBER = {"service": "sandbox", "journal": "journal", "databases": "postgres", "prefect": "server"}
SLOW_SECONDS = 8.0
"""A slow service answers for a moment, and then not for so long."""

_POSTGRESQL = ("journal", "postgres")
_ANSWERS_SECONDS = 0.5
_LOOK_SECONDS = 0.2
_LATER = 3
"""One of so many runs begins in the outage, where Prefect can still be asked."""


def take_away(cluster: Cluster, name: str, how: str, seconds: float) -> None:
    """Keep a member of the cluster from answering for a time.

    Args:
        cluster: Running.
        name: The member.
        how: It is ``stopped`` and holds its connections; it is killed and connections are ``refused``;
            or it is ``slow``.
        seconds: For so long.
    """
    if how == "refused":
        # PostgreSQL's immediate shutdown, after which it has to recover.
        cluster.members.send(name, signal.SIGQUIT if name in _POSTGRESQL else signal.SIGKILL)
        time.sleep(seconds)
        cluster.members.restart(name)
        return
    give_up = time.monotonic() + seconds
    while (left := give_up - time.monotonic()) > 0:
        cluster.members.send(name, signal.SIGSTOP)
        time.sleep(min(left, SLOW_SECONDS) if how == "slow" else left)
        cluster.members.send(name, signal.SIGCONT)
        time.sleep(_ANSWERS_SECONDS)


def survive(
    cluster: Cluster, runs: int, away: str, how: str, seconds: float, tell: Callable[[str], None]
) -> list[str]:
    """Start runs, take something away, wait for the ends; gives the ids of the runs.

    Raises:
        SystemExit: Half of the runs never were in the middle, or the server did not come back.
    """
    outage = uuid.uuid4().hex  # Prefect starts no second run for an event that it knows

    def start(numbers: range) -> list[str]:
        return [
            cluster.server.start(
                "cluster/proof", f"{outage}-{number}", {"product": f"Lamp {number}"}
            )
            for number in numbers
        ]

    def are_in_the_middle() -> bool:
        begun = sum(is_in_the_middle(cluster.store, one) for one in flow_runs)
        return begun >= (runs - later) // 2

    later = 0 if away in ("databases", "prefect") else runs // _LATER
    flow_runs = start(range(runs - later))
    _wait_until(are_in_the_middle, "half of the runs in the middle")
    tell(f"{how}: {away}, for {seconds:g} s")
    with contextlib.ExitStack() as stack:
        if later:
            timer = Timer(2, lambda: flow_runs.extend(start(range(runs - later, runs))))
            timer.start()
            stack.callback(timer.join)
        take_away(cluster, MEMBER[away], how, seconds)
    _wait_until(cluster.server.answers, "an answer of the server")
    tell("it answers again")
    await_ends(cluster, flow_runs, tell)
    tell(f"executions: {dict(Counter(executions(cluster, flow_runs)))}")
    return flow_runs


def _wait_until(happens: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + END_SECONDS
    while not happens():
        if time.monotonic() > give_up:
            raise SystemExit(f"{what} never came in {END_SECONDS} s")
        time.sleep(_LOOK_SECONDS)


def violations(cluster: Cluster, flow_runs: Sequence[str], books: Audit) -> list[str]:
    """Every broken promise, of all runs of the cluster."""
    states = cluster.server.states(flow_runs)
    wrong = [f"{run}: {one['name']} {one['message']}" for run, one in states.items()]
    wrong = [line for line in wrong if ": Completed" not in line]
    wrong += [f"left open: {name}" for name in wait_for_task_runs(cluster, flow_runs)]
    message = ends(cluster, len(flow_runs))
    # A process whose predecessor may have died announces the end again; a message is sent once.
    if {*message} != {"rivya-flows.run.completed"} or message.total() < len(flow_runs):
        wrong.append(f"announced: {dict(message)}")
    wrong += [f"bought twice: {name}" for name in books.duplicates]
    wrong += [f"unexplained: {task} {amount}" for task, amount in books.unexplained.items()]
    wrong += [f"unanswered: {name}" for name in books.unanswered]
    if books.purchases != PURCHASES * len(flow_runs) or books.spent != books.taken:
        wrong.append(f"{books.purchases} purchases, {books.spent} and {books.taken} credits")
    return wrong


def ends(cluster: Cluster, runs: int) -> Counter[str]:
    """The events of ends, after the services had time to store one of each run."""
    give_up = time.monotonic() + SETTLE_SECONDS
    while (found := cluster.server.events("rivya-flows.run.")).total() < runs:
        if time.monotonic() > give_up:
            break
        time.sleep(_ANSWERS_SECONDS)
    return found


def executions(cluster: Cluster, flow_runs: list[str]) -> list[int]:
    """How often each flow run was executed."""
    rows = cluster.server.ask(
        "POST", "/flow_runs/filter", {"flow_runs": {"id": {"any_": flow_runs}}}
    )
    return sorted(row["run_count"] for row in rows)


@click.command()
@click.option("--runs", type=click.IntRange(2), default=24, show_default=True)
@click.option("--away", type=click.Choice([*MEMBER]), default="service", show_default=True)
@click.option("--how", type=click.Choice(["stopped", "refused", "slow"]), default="refused")
@click.option("--seconds", type=float, default=45.0, show_default=True, help="Of the outage.")
@click.option("--time-scale", type=float, default=1.0, show_default=True, help="Of the sandbox.")
@click.option("--keep", type=click.Path(path_type=Path), help="Work here, and leave it there.")
def main(
    runs: int, away: str, how: str, seconds: float, time_scale: float, keep: Path | None
) -> None:
    """Run campaigns, take something away from all of them, and audit every credit.

    Exits with 0 if every promise is kept, 1 if one is broken, 2 if a program is missing.
    """
    began = time.monotonic()
    # However this ends, its processes end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def tell(line: str) -> None:
        click.echo(f"{time.monotonic() - began:5.0f} s  {line}", err=True)

    with contextlib.ExitStack() as stack:
        made = tempfile.TemporaryDirectory(prefix="rivya-flows-outages-")
        folder = keep.absolute() if keep else Path(stack.enter_context(made))
        folder.mkdir(parents=True, exist_ok=True)
        limit = -(-runs // len(WORKERS))
        try:
            cluster = stack.enter_context(
                Cluster(folder, time_scale=time_scale, limit=limit, journal_apart=away == "journal")
            )
        except MissingError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(2)
        begin(cluster)
        flow_runs = survive(cluster, runs, away, how, seconds, tell)
        books = audit(cluster.store, cluster.sandbox)
        wrong = violations(cluster, flow_runs, books)
    click.echo(
        f"{away} {how} for {seconds:g} s: {runs} runs, {books.purchases} purchases,"
        f" {len(books.duplicates)} twice; {books.spent} credits by the journals, {books.taken} by the"
        f" wallet; {len(wrong)} promises broken; {time.monotonic() - began:.0f} s"
    )
    for line in wrong:
        click.echo(f"violation: {line}", err=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
