"""Who does the work: rivya-flows and its peers, each as a command."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench.environment import bench_python
from benchmarks.bench.scenarios import ROOT, Scenario


@dataclass(frozen=True)
class Contender:
    """One of them.

    Attributes:
        name: On the command line and in tables.
        command: From the scenario and an empty folder; writes what the command reads.
        prefect: Whether it needs a Prefect server.
    """

    name: str
    command: Callable[[Scenario, Path], Sequence[str]]
    prefect: bool = False

    def environment(self, scenario: Scenario, folder: Path) -> Mapping[str, str]:
        """Variables that it reads beside those of the services."""
        return {
            "PYTHONPATH": str(ROOT),
            "RIVYA_FLOWS_DATA": str(folder / "data"),
            # As for the peers, the limit of the scenario is the only one.
            "RIVYA_FLOWS_MODEL_PARALLEL": str(scenario.jobs),
        }


def _rivya_flows(scenario: Scenario, folder: Path) -> Sequence[str]:
    spec = folder / "spec.yaml"
    spec.write_text(scenario.spec, encoding="utf-8")
    command = [sys.executable, "-m", "rivya_flows.cli.main", "run", str(spec)]
    return [*command, "--json", "--out", str(folder / "out")]


def _peer(module: str, python: Callable[[], str]) -> Callable[[Scenario, Path], Sequence[str]]:
    def command(scenario: Scenario, folder: Path) -> Sequence[str]:
        results = folder / "results"
        results.mkdir()
        work = folder / "work.json"
        work.write_text(scenario.work(), encoding="utf-8")
        return [python(), "-m", f"benchmarks.bench.peers.{module}", str(work), str(results)]

    return command


def _own_python() -> str:
    return sys.executable


OURS = "rivya-flows"
CONTENDERS = {
    one.name: one
    for one in (
        Contender(OURS, _rivya_flows, prefect=True),
        Contender("prefect", _peer("prefect_flow", _own_python), prefect=True),
        Contender("dbos", _peer("dbos_workflow", bench_python)),
        Contender("script", _peer("script", _own_python)),
    )
}


def run_ended_at(folder: Path) -> float | None:
    """When the journal of rivya-flows says that its run ended, in Unix seconds."""
    journal = folder / "data" / "journal.sqlite"
    if not journal.is_file():
        return None
    with closing(sqlite3.connect(journal)) as state:
        [at] = state.execute("SELECT max(at) FROM events WHERE kind = 'run.ended'").fetchone()
    return None if at is None else float(at)
