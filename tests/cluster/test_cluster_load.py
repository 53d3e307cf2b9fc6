"""What the load of a cluster is computed from; `test_cluster` runs a cluster."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`scripts/cluster_load.py`, which is not in a package."""
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module("cluster_load")


def test_the_pace_leaves_out_the_first_and_the_last_tenth(load: Any) -> None:
    slow_start_and_end = [(30.0, 0), (40.0, 10), (50.0, 50), (60.0, 90), (100.0, 100)]
    assert load.pace(slow_start_and_end, 100) == 240


def test_the_pace_of_few_runs_is_that_of_all(load: Any) -> None:
    assert load.pace([(10.0, 0), (30.0, 2)], 2) == 4


def test_what_the_children_of_a_worker_use_counts_as_runs(load: Any) -> None:
    used = load.processor_times({"worker-3": os.getpid()})
    subprocess.run([sys.executable, "-c", "sum(range(10**7))"], check=True)
    later = load.processor_times({"worker-3": os.getpid()})
    assert set(later) == {"worker", "runs"}
    assert later["runs"] > used["runs"]
    assert load.processor_times({"postgres": os.getpid()}).keys() == {"postgres"}
