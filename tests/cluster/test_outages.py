"""Campaigns on real processes whose service, journal's database or Prefect server is taken away."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from support.samples import is_thorough

SCRIPT = Path(__file__).parents[2] / "scripts" / "outages.py"


@pytest.mark.prefect
@pytest.mark.skipif(not is_thorough(), reason="takes minutes")
@pytest.mark.parametrize(
    ("away", "how"),
    [*itertools.product(["service", "journal"], ["stopped", "refused"]), ("prefect", "refused")],
)
def test_every_run_completes_by_itself_after_an_outage(away: str, how: str, tmp_path: Path) -> None:
    """`scripts/outages` in small; by itself it has 24 runs."""
    command = [sys.executable, str(SCRIPT), "--runs", "4", "--away", away, "--how", how]
    command += ["--time-scale", "0.2", "--keep", str(tmp_path / "cluster")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 2 and "error: " in done.stderr:
        pytest.skip(done.stderr.strip().removeprefix("error: "))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "16 purchases, 0 twice" in done.stdout
    assert "0 promises broken" in done.stdout
