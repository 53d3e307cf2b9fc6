"""Real processes under ``kill -9``, and the audit that would see what went wrong."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rivya_flows.receipt.model import Purchase

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The audit of `scripts/chaos`."""
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module("audit")


def row(task_id: str | None, held: int, status: str = "succeeded") -> Purchase:
    values: dict[str, Any] = {
        "task_id": task_id,
        "held": held,
        "status": status,
        "client_request_id": f"run-1/{task_id}#1",
    }
    return Purchase.model_construct(**values)


def service(*jobs: tuple[str, str, int]) -> dict[str, Any]:
    """The ledger of a service that sold these jobs: id, purchase, credits."""
    return {
        "movements": [
            {"task_id": None, "amount": 100},
            *({"task_id": task_id, "amount": -credits} for task_id, _, credits in jobs),
        ],
        "generations": [
            {"client_request_id": name, "idempotency_key": f"key of {name}"} for _, name, _ in jobs
        ],
    }


def test_the_audit_shows_what_was_sold_twice_and_what_nothing_explains(books: ModuleType) -> None:
    agreeing = service(("task_1", "a", 3), ("task_2", "b", 0))
    rows = [row("task_1", 3), row("task_2", 0, "failed"), row(None, 0, "refused")]
    found = books.compare(rows, agreeing)
    assert (found.spent, found.taken) == (3, 3)
    assert (found.duplicates, found.unexplained, found.unanswered) == ((), {}, ())

    twice = service(("task_1", "a", 3), ("task_9", "a", 3))
    found = books.compare([row("task_1", 3)], twice)
    assert found.duplicates == ("a x 2", "key of a x 2")
    assert found.unexplained == {"task_9": 3}

    unknown = [row("task_1", 3), row("task_2", 1)]
    found = books.compare(unknown, service(("task_1", "a", 2)))
    assert found.unexplained == {"task_1": -1, "task_2": -1}

    found = books.compare([row(None, 3, "intended")], service())
    assert found.unanswered == ("run-1/None#1 intended",)


def test_a_clock_moves_for_a_process_that_runs_and_durations_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(SCRIPTS)
    clocks = importlib.import_module("chaos_processes").Clock
    if clocks.library() is None:
        pytest.skip("libfaketime is not installed")
    clock = clocks(tmp_path / "clock")
    tell = "import time\nwhile input(): print(time.time(), time.monotonic(), flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", tell],
        env=clock.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        seen = list[list[float]]()
        for offset in ("+0", "+30h", "-2h"):
            clock.move(offset)
            process.stdin.write("now\n")
            process.stdin.flush()
            seen.append([float(word) for word in process.stdout.readline().split()])
        process.communicate("\n")
    hours = [round((wall - seen[0][0]) / 3600) for wall, _ in seen]
    assert hours == [0, 30, -2]
    assert round((seen[2][1] - seen[0][1]) / 3600) == 0


@pytest.mark.prefect
def test_runs_and_a_hostile_sandbox_killed_at_seeded_moments_buy_nothing_twice_and_finish(
    tmp_path: Path,
) -> None:
    command = [sys.executable, str(SCRIPTS / "chaos.py"), "--kills", "8", "--seed", "3"]
    record = tmp_path / "chaos.jsonl"
    done = subprocess.run(
        [*command, "--profile", "hostile", "--record", str(record)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads(record.read_text())
    assert counts["kills"] == 8
    assert counts["completed"] == counts["runs"] > 0
