"""Runs on PostgreSQL, Redis, S3, a Prefect server in two processes and two workers, one run killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "cluster.py"


@pytest.mark.prefect
def test_a_cluster_ends_every_run_and_buys_nothing_twice_when_one_is_killed(tmp_path: Path) -> None:
    """`scripts/cluster` in small; by itself it kills a whole worker, which takes minutes."""
    command = [sys.executable, str(SCRIPT), "--runs", "2", "--victim", "run"]
    command += ["--time-scale", "0.2", "--keep", str(tmp_path / "cluster")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 2 and "error: " in done.stderr:
        pytest.skip(done.stderr.strip().removeprefix("error: "))
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert done.stdout.startswith("2 of 2 runs completed; "), told
    assert "1 of 1 runs came back; 8 purchases, 0 twice" in done.stdout
    assert "0 task runs left open" in done.stdout
