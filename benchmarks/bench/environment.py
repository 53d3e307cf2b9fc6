"""The virtual environment of the bench: another engine to compare with, and the library that draws.

It is apart from ``.venv``, so that neither comes into what rivya-flows needs.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from benchmarks.bench.scenarios import ROOT

FOLDER = ROOT / ".venv-bench"
LOCK = ROOT / "locks" / "bench.txt"


def bench_python() -> str:
    """Its Python; creates it from ``locks/bench.txt``, or again when the lock has changed."""
    python = FOLDER / "bin" / "python"
    stamp = FOLDER / "lock.sha256"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == wanted):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        install += ["--require-hashes", "--only-binary", ":all:", "--no-deps"]
        subprocess.run([*install, "--requirement", str(LOCK)], check=True)
        stamp.write_text(wanted)
    return str(python)


def versions(python: str, *names: str) -> dict[str, str]:
    """Versions of distributions in the environment of a Python."""
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    done = subprocess.run(
        [python, "-c", code, *names], check=True, capture_output=True, text=True, cwd=Path("/")
    )
    return dict(zip(names, done.stdout.split(), strict=True))
