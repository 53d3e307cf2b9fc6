"""Plants each bug of ``tests/simulation/bugs`` in a copy of the code, and finds it with `simulate`.

It exits with 1 if a bug is not found in time, or if the seed that found it does not show it again.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
BUGS = ROOT / "tests" / "simulation" / "bugs"
SOURCES = ("src", "packages/client/src")
FOUND = re.compile(r"violation: seed (\d+): (.*)")


def plant(bug: Path, folder: Path) -> dict[str, str]:
    """Copies the code into a folder and applies a patch; gives an environment that imports the copy."""
    for source in SOURCES:
        shutil.copytree(
            ROOT / source, folder / source, ignore=shutil.ignore_patterns("__pycache__")
        )
    applied = subprocess.run(
        ["git", "apply", "--whitespace=nowarn", str(bug)],
        cwd=folder,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    if applied.returncode:
        raise click.ClickException(
            f"{bug.name} does not apply: write it again for the code as it is now\n{applied.stderr}"
        )
    return {**os.environ, "PYTHONPATH": os.pathsep.join(str(folder / source) for source in SOURCES)}


def simulate(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """A call of `simulate` with planted code."""
    command = [sys.executable, str(ROOT / "scripts" / "simulate.py"), *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def find(bug: Path, *most: str) -> tuple[bool, str]:
    """Whether a bug is found within some time or histories, and again by its seed; a line that says how."""
    with tempfile.TemporaryDirectory(prefix="rivya-flows-bug-") as folder:
        environment, began = plant(bug, Path(folder)), time.monotonic()
        done = simulate(environment, "--fail-fast", *most)
        took = time.monotonic() - began
        found = FOUND.search(done.stderr)
        if found is None:
            return False, f"not found: {done.stdout.rpartition('histories ')[2] or done.stderr}"
        seed, what = found.groups()
        again = simulate(environment, "--replay", seed)
    if again.returncode != 1 or what not in again.stderr:
        return False, f"seed {seed} does not show it again: {what}"
    return True, f"{took:5.1f} s  seed {seed:<6} {what:.140}"


@click.command()
@click.argument("names", nargs=-1)
@click.option("--seconds", type=click.FloatRange(1), default=60, show_default=True)
@click.option(
    "--count", "most", type=click.IntRange(1), help="So many histories instead of a time."
)
def main(names: tuple[str, ...], seconds: float, most: int | None) -> None:
    """Plant bugs, all or those whose names begin so, and find each."""
    bugs = [bug for bug in sorted(BUGS.glob("*.patch")) if not names or bug.name.startswith(names)]
    if not bugs:
        raise click.UsageError(f"no bug begins so; see {BUGS.relative_to(ROOT)}")
    bound = ("--seconds", str(seconds)) if most is None else ("--count", str(most))
    missed = 0
    for bug in bugs:
        is_found, line = find(bug, *bound)
        missed += not is_found
        click.echo(f"{bug.stem:<48}  {line}")
    click.echo(f"bugs {len(bugs)}, found {len(bugs) - missed}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
