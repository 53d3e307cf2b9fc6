"""The machine and the versions of a measurement, as JSON."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.bench.environment import bench_python, versions as versions_of
from benchmarks.bench.scenarios import ROOT


def machine() -> dict[str, Any]:
    """Cores, model, memory, kernel, and the load now."""
    cpu = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return {
        "cores": os.cpu_count(),
        "model": cpu[1] if cpu else platform.machine(),
        "memory_gb": round(int(memory[1]) / 2**20, 1) if memory else None,
        "kernel": platform.release(),
        "load": [round(one, 2) for one in os.getloadavg()],
    }


def versions() -> dict[str, str]:
    """Of Python, of what is compared, and the commit."""
    found = {"python": platform.python_version()}
    found |= versions_of(sys.executable, "rivya-flows", "prefect", "httpx")
    found |= versions_of(bench_python(), "dbos", "matplotlib")
    described = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=10"]
    done = subprocess.run(described, capture_output=True, text=True, check=False)
    return found | {"commit": done.stdout.strip()}
