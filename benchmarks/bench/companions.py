"""Measurements of one thing each, in files of their own beside this package."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks.bench.scenarios import ROOT

COMPANIONS = ("queue", "journal", "loop", "pace", "ending", "start")


def companion(name: str, timeout: float) -> dict[str, Any] | None:
    """What ``python -m benchmarks.NAME --json`` prints; None if there is no such module.

    A failure is ``{"failed": the last words of its stderr}``.
    """
    if not (ROOT / "benchmarks" / f"{name}.py").is_file():
        return None
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=timeout, cwd=ROOT
        )
        found = json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        return {"failed": error.stderr[-500:]}
    except (subprocess.TimeoutExpired, ValueError) as error:
        return {"failed": str(error)[-500:]}
    return found if isinstance(found, dict) else {"rows": found}
