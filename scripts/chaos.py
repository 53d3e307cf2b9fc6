"""Kills runs and the sandbox at seeded times, resumes, and audits every credit.

``scripts/chaos --kills 200 --seed 7 --profile hostile`` exits with 1 if anything was bought twice, a
credit is unexplained, or a run cannot finish. With ``--items 200``, 200 jobs are in flight.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
from audit import Audit, answers, audit, status_of
from chaos_processes import Driver, JournalReader, SandboxProcess, driver_environment, spec, until

from rivya_flows.flows.server.local_server import LocalServer

EXECUTION_SECONDS = 240
"""An execution that takes longer without being killed hangs."""

MOST_RESUMES = 8
"""Resumes after which a run that is not killed must be done."""


@dataclass
class Tally:
    """Counts of an experiment."""

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    executions: int = 0
    completed: int = 0
    uncertain: set[str] = field(default_factory=set)
    stuck: list[str] = field(default_factory=list)


class Chaos:
    """Executes runs, one after the other, and kills their processes.

    Args:
        folder: Of all data.
        sandbox: Running.
        seed: Decides what is killed, and when.
        kills: Total number.
        items: Of each of two steps, with 200 jobs in flight; 0 runs a small campaign.
    """

    def __init__(
        self, folder: Path, sandbox: SandboxProcess, seed: int, kills: int, items: int = 0
    ) -> None:
        self._folder = folder
        self._sandbox = sandbox
        self._environment = driver_environment(folder, sandbox)
        self._chance = random.Random(seed)
        self._left = kills
        self._journal = JournalReader(folder / "data" / "journal.sqlite")
        self.store = f"sqlite:///{folder / 'data' / 'journal.sqlite'}"
        self.tally = Tally()
        self._most_entries = max(12, items)
        (folder / "chaos.yaml").write_text(spec(items))

    def execute(self) -> None:
        """Run until all kills are used, and finish every run."""
        while self._left > 0:
            kills = self.tally.kills.total()
            run_id = self._first_execution()
            if run_id is None and kills == self.tally.kills.total():
                raise SystemExit(f"a run does not start: see {self._folder / 'drivers.log'}")
            if run_id is None:
                continue  # killed before anything was written, so nothing was bought
            self.tally.runs += 1
            for _ in range(self._chance.randint(0, 5)):
                if self._left > 0 and status_of(self.store, run_id)[0] != "completed":
                    command = ["resume", run_id, *answers(self.store, run_id)]
                    self._execute(command, run_id, killable=True)
            self._finish(run_id)

    def _first_execution(self) -> str | None:
        known = set(self._journal.runs())
        self._execute(["run", "chaos.yaml"], None, killable=True)
        new = [run for run in self._journal.runs() if run not in known]
        return new[0] if new else None

    def _execute(self, arguments: list[str], run_id: str | None, *, killable: bool) -> None:
        self.tally.executions += 1
        driver = Driver(self._folder, self._environment, arguments)
        try:
            if killable:
                self._kill_during(driver, run_id)
            if not driver.wait(EXECUTION_SECONDS):
                self.tally.stuck.append(f"{run_id}: an execution hangs")
        finally:
            driver.kill()

    def _kill_during(self, driver: Driver, run_id: str | None) -> None:
        """Kill the sandbox any number of times, then the driver, unless it ends first."""
        known = set(self._journal.runs())
        while self._left > 0:
            victim = "sandbox" if self._chance.random() < 0.3 else "driver"
            more = self._chance.randint(0, self._most_entries)
            pause = self._chance.uniform(0, 0.15)
            down = self._chance.uniform(0, 1)
            goal = self._journal.entries(run_id) + more
            for _ in until(EXECUTION_SECONDS):
                if driver.is_over():
                    return
                if run_id is None:
                    run_id = next((run for run in self._journal.runs() if run not in known), None)
                if self._journal.entries(run_id) >= goal:
                    break
            time.sleep(pause)
            if driver.is_over():
                return
            self._left -= 1
            self.tally.kills[victim] += 1
            if victim == "driver":
                driver.kill()
                return
            self._sandbox.kill()
            time.sleep(down)
            self._sandbox.start()

    def _finish(self, run_id: str) -> None:
        for _ in range(MOST_RESUMES):
            status, failed = status_of(self.store, run_id)
            if status == "completed":
                self.tally.completed += 1
                return
            unsure = [name for name, code in failed.items() if code == "uncertain"]
            self.tally.uncertain.update(f"{run_id}/{name}" for name in unsure)
            options = [part for name in unsure for part in ("--resubmit", name)]
            options += answers(self.store, run_id)
            if "job_failed" in failed.values():
                options.append("--regenerate")
            self._execute(["resume", run_id, *options], run_id, killable=False)
        status, failed = status_of(self.store, run_id)
        if status == "completed":
            self.tally.completed += 1
        else:
            self.tally.stuck.append(f"{run_id}: {status} {failed}")


@contextmanager
def services(folder: Path, profile: str, seed: int) -> Iterator[SandboxProcess]:
    """A sandbox, and a Prefect server for all drivers: from PREFECT_API_URL, or a new one."""
    server = None if "PREFECT_API_URL" in os.environ else LocalServer.start(folder / "server")
    sandbox = SandboxProcess(folder, profile, seed)
    try:
        sandbox.start()
        if server is not None:
            asyncio.run(server.ready())
        yield sandbox
    finally:
        sandbox.kill()
        if server is not None:
            asyncio.run(server.stop())


def table(tally: Tally, books: Audit, seconds: float) -> str:
    """The summary."""
    lines = [
        ("kills", f"{tally.kills.total()} ({_parts(tally.kills)})"),
        ("runs", f"{tally.runs} in {tally.executions} executions, {tally.completed} completed"),
        ("purchases", f"{books.purchases} for {books.spent} credits"),
        ("wallet", f"{books.taken} credits taken"),
        ("duplicate purchases", str(len(books.duplicates))),
        ("credits unexplained", str(sum(map(abs, books.unexplained.values())))),
        ("purchases unanswered", str(len(books.unanswered))),
        ("uncertain, resubmitted", str(len(tally.uncertain))),
        ("runs that cannot finish", str(len(tally.stuck))),
        ("time", f"{seconds:.0f} s"),
    ]
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def _parts(kills: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(kills.items()))


def violations(tally: Tally, books: Audit) -> list[str]:
    """Every broken promise."""
    found = [f"bought twice: {name}" for name in books.duplicates]
    found += [f"unexplained: {task} {amount}" for task, amount in books.unexplained.items()]
    found += [f"unanswered: {name}" for name in books.unanswered]
    return found + [f"cannot finish: {name}" for name in tally.stuck]


@click.command()
@click.option("--kills", type=click.IntRange(1), default=200, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--profile", type=click.Choice(["friendly", "hostile"]), default="friendly", show_default=True
)
@click.option(
    "--items",
    type=click.IntRange(0, 10_000),
    default=0,
    help=("Run two steps of so many items with 200 jobs in flight, instead of a small campaign."),
)
@click.option("--keep", type=click.Path(path_type=Path), help="Work in this folder, and keep it.")
def main(kills: int, seed: int, profile: str, items: int, keep: Path | None) -> None:
    """Kill runs and the sandbox, resume, and audit every credit."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rivya-flows-chaos-") as temporary:
        folder = keep.absolute() if keep else Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with services(folder, profile, seed) as sandbox:
            chaos = Chaos(folder, sandbox, seed, kills, items)
            chaos.execute()
            books = audit(chaos.store, sandbox.data)
    click.echo(f"profile {profile}, seed {seed}")
    click.echo(table(chaos.tally, books, time.monotonic() - began))
    wrong = violations(chaos.tally, books)
    for line in wrong:
        click.echo(f"violation: {line}", err=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
