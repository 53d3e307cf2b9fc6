"""Runs tests against the Prefect release after the pinned minor, in a temporary environment.

pyproject.toml pins one minor of Prefect, since some of its internals are used. This tells early
whether the next one works::

    scripts/next-prefect                       # the tests marked `prefect`
    scripts/next-prefect tests/flows/server    # only these, marked or not

Exit code 0 also where no newer release exists, and says so; 1 if it cannot be installed; else
pytest's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
EXTRAS = "sandbox,postgres,redis,s3,dev"
_UV = [sys.executable, "-m", "uv", "--quiet", "--no-config", "--no-python-downloads"]


def next_minor(dependencies: list[str]) -> str:
    """The first minor that the requirement of Prefect excludes, such as ``3.10``."""
    [prefect] = [one for one in map(Requirement, dependencies) if one.name == "prefect"]
    [upper] = [one.version for one in prefect.specifier if one.operator == "<"]
    return upper


def newest(minor: str) -> str | None:
    """The newest release of Prefect from a minor on, pre-releases too; None if there is none.

    Raises:
        RuntimeError: The registry did not answer; with uv's words.
    """
    done = subprocess.run(
        [*_UV, "pip", "compile", "--no-header", "--no-annotate", "--no-deps", "-"],
        input=f"prefect>={minor}.0.dev0\n",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout.strip().partition("==")[2]
    if "we can conclude that" in done.stderr:
        return None
    raise RuntimeError(done.stderr.strip())


def install(environment: Path, version: str) -> None:
    """Installs all projects of the checkout with that Prefect, all else at the pinned versions.

    What the new Prefect itself requires may be newer than pinned.

    Raises:
        subprocess.CalledProcessError: It cannot be installed; uv said why.
    """
    python = str(environment / "bin" / "python")
    override = environment / "override.txt"
    override.write_text(f"prefect=={version}\n")
    pins = environment / "pins.txt"
    projects = [f"--editable={ROOT}[{EXTRAS}]"]
    projects += [f"--editable={folder}" for folder in sorted(ROOT.glob("packages/*"))]
    command = [*_UV, "pip", "install", "--python", python, f"--override={override}"]
    pinned = (ROOT / "constraints.txt").read_text().splitlines(keepends=True)
    pins.write_text("".join(line for line in pinned if not line.startswith("prefect==")))
    tried = subprocess.run([*command, f"--constraint={pins}", *projects], check=False)
    if tried.returncode:
        print("the pins do not fit this Prefect: taking newer dependencies", file=sys.stderr)
        subprocess.run([*command, *projects], check=True)


def main(arguments: list[str]) -> int:
    """Installs and tests."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    minor = next_minor(project["dependencies"])
    try:
        version = newest(minor)
        if version is None:
            print(f"there is no Prefect release from {minor} on: nothing to test")
            return 0
        print(f"testing with Prefect {version}", flush=True)
        with tempfile.TemporaryDirectory(prefix="rivya-flows-next-prefect-") as named:
            environment = Path(named) / "venv"
            subprocess.run([*_UV, "venv", "--python", sys.executable, environment], check=True)
            install(environment, version)
            tests = arguments or ["-m", "prefect"]
            command = [str(environment / "bin" / "python"), "-m", "pytest", "-q", *tests]
            # A new release may deprecate what is used here; that is news and no failure.
            command += ["-W", "default::DeprecationWarning"]
            path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
            return subprocess.run(
                command, cwd=ROOT, env={**os.environ, "PATH": path}, check=False
            ).returncode
    except (RuntimeError, subprocess.CalledProcessError) as error:
        print(f"next-prefect: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
