"""Histories of runs in a simulated world; `scripts/simulate` lives through more of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
HISTORIES = 700
"""More than what `scripts/planted-bugs` needed for the rarest of its bugs, 608."""

BUGS = sorted((ROOT / "tests" / "simulation" / "bugs").glob("*.patch"))


def called(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A call of a script, which is deterministic: its arguments bound it by a number, never by a time."""
    command = [sys.executable, str(ROOT / "scripts" / script), *arguments]
    ordered = {**os.environ, "PYTHONHASHSEED": "0"}  # else a call of `simulate` begins twice
    return subprocess.run(command, env=ordered, capture_output=True, text=True, check=False)


def test_every_history_keeps_the_limits_buys_once_and_ends_as_without_faults() -> None:
    done = called("simulate.py", "--count", str(HISTORIES))
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"histories {HISTORIES}, events ")
    assert last.endswith(", violations 0")


def test_a_seed_repeats_its_history_to_the_last_line() -> None:
    first, second = (called("simulate.py", "--replay", "7") for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert "run.ended" in first.stdout
    assert first.stdout == second.stdout


@pytest.mark.parametrize("bug", ["01", "11"])
def test_a_planted_bug_is_found_and_its_seed_shows_it_again(bug: str) -> None:
    done = called("planted_bugs.py", bug, "--count", "300")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("bugs 1, found 1\n")


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.stem)
def test_each_planted_bug_can_be_planted_in_the_code_as_it_is(bug: Path) -> None:
    command = ["git", "apply", "--check", str(bug)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}write {bug.name} again"
