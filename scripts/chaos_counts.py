"""What an experiment of `chaos.py` counts: its table, its record and its violations."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from audit import Audit

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Experiment:
    """What is asked of an experiment; `seed` decides what is killed, and when."""

    commit: str | None
    setting: str
    profile: str
    seed: int
    items: int = 0


@dataclass
class Tally:
    """Counts of an experiment.

    Attributes:
        kills: By the name of what was killed.
        clocks: Moves of a clock by their offset; None if libfaketime is not installed.
        runs: That wrote anything.
        executions: Of the command line.
        completed: Runs, by their journal.
        by_hand: Runs of a deployment that did not complete by themselves, and were resumed on the command line.
        restarted: Services that ended though nothing killed them, and were started again.
        flow_runs: Of a deployment, by the name of their last state.
        webhooks: Events that the receiver stored.
        uncertain: Items whose purchase was resubmitted.
        stuck: Runs that cannot finish.
    """

    kills: Counter[str] = field(default_factory=Counter)
    clocks: Counter[str] | None = None
    runs: int = 0
    executions: int = 0
    completed: int = 0
    by_hand: set[str] = field(default_factory=set)
    restarted: Counter[str] = field(default_factory=Counter)
    flow_runs: Counter[str] = field(default_factory=Counter)
    webhooks: int = 0
    uncertain: set[str] = field(default_factory=set)
    stuck: list[str] = field(default_factory=list)


def commit_here() -> str | None:
    """The commit of this repository; None if it is not known."""
    ask = ["git", "rev-parse", "--short=12", "HEAD"]
    found = subprocess.run(ask, cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def table(experiment: Experiment, tally: Tally, books: Audit, seconds: float) -> str:
    """The summary."""
    moved = "none: libfaketime is not installed" if tally.clocks is None else _parts(tally.clocks)
    lines = [
        ("kills", _parts(tally.kills)),
        ("clocks moved", moved),
        ("runs", f"{tally.runs} in {tally.executions} executions, {tally.completed} completed"),
    ]
    if experiment.setting == "cluster":
        lines += [
            ("flow runs", _parts(tally.flow_runs)),
            ("resumed by hand", f"{len(tally.by_hand)} of these"),
            ("ended by themselves", _parts(tally.restarted)),
            ("webhooks received", str(tally.webhooks)),
        ]
    lines += [
        ("purchases", f"{books.purchases} for {books.spent} credits"),
        ("wallet", f"{books.taken} credits taken"),
        ("duplicate purchases", str(len(books.duplicates))),
        ("credits unexplained", str(_sum_unexplained(books))),
        ("purchases unanswered", str(len(books.unanswered))),
        ("uncertain, resubmitted", str(len(tally.uncertain))),
        ("runs that cannot finish", str(len(tally.stuck))),
        ("time", f"{seconds:.0f} s"),
    ]
    width = max(len(name) for name, _ in lines)
    head = f"setting {experiment.setting}, profile {experiment.profile}, seed {experiment.seed}"
    return "\n".join([head, *(f"{name:<{width}}  {value}" for name, value in lines)])


def record(file: Path, experiment: Experiment, tally: Tally, books: Audit, seconds: float) -> None:
    """Append the counts to a file."""
    line = {
        **asdict(experiment),
        "kills": tally.kills.total(),
        "killed": dict(sorted(tally.kills.items())),
        "clocks_moved": None if tally.clocks is None else dict(sorted(tally.clocks.items())),
        "runs": tally.runs,
        "executions": tally.executions,
        "completed": tally.completed,
        "flow_runs": dict(sorted(tally.flow_runs.items())),
        "resumed_by_hand": len(tally.by_hand),
        "ended_by_themselves": dict(sorted(tally.restarted.items())),
        "webhooks": tally.webhooks,
        "purchases": books.purchases,
        "credits": books.spent,
        "taken": books.taken,
        "duplicates": len(books.duplicates),
        "unexplained": _sum_unexplained(books),
        "unanswered": len(books.unanswered),
        "uncertain": len(tally.uncertain),
        "stuck": len(tally.stuck),
        "seconds": round(seconds),
    }
    append(file, line)


def append(file: Path, counts: dict[str, Any]) -> None:
    """Append counts to a file, as a line of JSON."""
    line = {"date": datetime.now(UTC).isoformat(timespec="seconds"), **counts}
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as output:
        output.write(json.dumps(line) + "\n")


def violations(tally: Tally, books: Audit) -> list[str]:
    """Every broken promise."""
    found = [f"bought twice: {name}" for name in books.duplicates]
    found += [f"unexplained: {task} {amount}" for task, amount in books.unexplained.items()]
    found += [f"unanswered: {name}" for name in books.unanswered]
    return found + [f"cannot finish: {name}" for name in tally.stuck]


def _sum_unexplained(books: Audit) -> int:
    return sum(map(abs, books.unexplained.values()))


def _parts(counts: Counter[str]) -> str:
    parts = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    return f"{counts.total()} ({parts})" if parts else "0"
