"""Measures `insights` and `spend` on a large store: ``python -m benchmarks.insights [RUNS]``.

Runs one spec in the sandbox, a pick whose candidates a judge scores, and copies its rows under other
ids, 2,000 by default. Then each command is called as a person calls it, in a process of its own, and
its total is compared with the receipt of the run, times the number of runs. CPU seconds are user and
system time of that process, which other work on the machine hardly changes; the best of five counts.
Last, the outcomes of 20 runs are forgotten, as if these runs had been killed.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import Table, insert, select, update

from rivya_flows.store.journal import Journal
from rivya_flows.store.tables import CHARGES, EVENTS, OUTCOMES, RUNS

KILLED = 20
SPEC = """
version: 1
name: judged
budget: {credits: 40}
labels: {client: acme}
steps:
  stills:
    uses: generate
    matrix: {place: [oak, stone, glass, linen], light: [morning, evening, neon]}
    with: {model: z-image, prompt: "A brass desk lamp on ${{ matrix.place }}, ${{ matrix.light }} light"}
  hero:
    uses: pick
    with:
      from: ${{ steps.stills.items }}
      mode: judge
      judge: {model: gemini-2-5-flash-chat, criteria: [The whole lamp is in the picture]}
outputs: {hero: "${{ steps.hero.asset }}"}
"""
COMMAND = [sys.executable, "-m", "rivya_flows"]


def call(folder: Path, *arguments: str) -> tuple[str, float, float]:
    """What a command prints, its CPU seconds, and its seconds."""
    env = {**os.environ, "RIVYA_FLOWS_DATA": str(folder / "data")}
    env.pop("RIVYA_API_KEY", None)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=env, check=True, capture_output=True, text=True
    )
    took = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, cpu, took


def copy_runs(journal: Journal, runs: int) -> None:
    with journal.engine.begin() as connection:
        for table in (RUNS, EVENTS, CHARGES, OUTCOMES):
            [*rows] = (dict(row._mapping) for row in connection.execute(select(table)))
            for first in range(1, runs, 100):
                numbers = range(first, min(first + 100, runs))
                copies = [{**row, "run_id": f"run-{n}"} for n in numbers for row in rows]
                connection.execute(insert(table), copies)


def count(journal: Journal, table: Table) -> int:
    with journal.engine.connect() as connection:
        return len(connection.execute(select(table.c.run_id)).all())


def best(folder: Path, *arguments: str) -> None:
    tried = [call(folder, *arguments) for _ in range(5)]
    cpu, took = min(one[1] for one in tried), min(one[2] for one in tried)
    print(f"{' '.join(arguments)}: {cpu:.2f} s of CPU, {took:.2f} s")


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "judged.yaml").write_text(SPEC, "utf-8")
        spent = json.loads(call(folder, "run", "judged.yaml", "--sandbox", "--json")[0])["credits"]
        [store] = (folder / "data").glob("*.sqlite*")
        with closing(Journal(f"sqlite:///{store}")) as journal:
            copy_runs(journal, runs)
            print(
                f"{runs} runs, {count(journal, EVENTS)} entries, {count(journal, CHARGES)} charges"
            )
            for command in ("insights", "spend"):
                total = json.loads(call(folder, command, "--json")[0])["total"]["credits"]
                assert total == runs * spent["spent"], (command, total)
            for arguments in (
                ["insights"],
                ["insights", "--by", "prompt"],
                ["insights", "--by", "label:client"],
                ["insights", "--since", "30d"],
                ["spend"],
                ["spend", "--by", "model"],
            ):
                best(folder, *arguments)
            with journal.engine.begin() as connection:
                killed = [f"run-{number}" for number in range(1, KILLED + 1)]
                forgotten = update(RUNS).where(RUNS.c.run_id.in_(killed)).values(outcomes_seq=0)
                connection.execute(forgotten)
            _, cpu, took = call(folder, "insights")
            print(f"insights after {KILLED} killed runs: {cpu:.2f} s of CPU, {took:.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
