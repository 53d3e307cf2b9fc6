"""Regenerate constraints.txt and locks/*.txt: every pinned release, with the hashes of its files.

``constraints.txt`` has the versions only, for ``pip install --constraint``. ``locks/base.txt`` has
the dependencies, ``locks/EXTRA.txt`` those that an extra adds, ``locks/build.txt`` the build backend,
and ``locks/GROUP.txt`` a dependency group, which has an environment of its own.
They hold for every platform and for Python 3.11 and later. Versions stay unless an upgrade is
requested::

    scripts/lock                        # after an edit of pyproject.toml
    scripts/lock --upgrade-package av   # the newest release of one
    scripts/lock --upgrade              # the newest of all
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
LOCKS = ROOT / "locks"
OLDEST_PYTHON = "3.11"
UNUSED = ("playwright", "pyee")
"""Required by axe-playwright-python. Only its file axe.min.js is used, and it needs neither."""
_PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[^ ]+)(?: ; (?P<marker>.+?))?(?: \\)?")

Pins = Mapping[str, str]
"""By first line, such as ``av==18.1.0`` with its marker: the whole requirement with its hashes."""


def resolve(requirements: Iterable[str], pins: str, *options: str) -> Pins:
    """Resolve requirements with all their dependencies.

    Args:
        requirements: As pip reads them.
        pins: The text of a constraints file.
        options: Further options of `uv pip compile`.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted, constraints = Path(folder, "wanted.in"), Path(folder, "constraints.txt")
        wanted.write_text("\n".join(requirements))
        constraints.write_text(pins)
        command = [sys.executable, "-m", "uv", "pip", "compile", str(wanted), "--quiet"]
        command += ["--constraint", str(constraints), "--python-version", OLDEST_PYTHON]
        command += ["--universal", "--generate-hashes", "--no-header", "--no-annotate"]
        command += [f"--no-emit-package={name}" for name in UNUSED]
        done = subprocess.run([*command, *options], check=True, stdout=subprocess.PIPE, text=True)
    blocks = re.split(r"\n(?=[a-z0-9])", done.stdout.strip())
    return {block.splitlines()[0].removesuffix(" \\"): f"{block}\n" for block in blocks if block}


def locks(
    project: Mapping[str, object], build: list[str], groups: Mapping[str, list[str]], pins: str
) -> dict[str, Pins]:
    """The content of each file by its name without suffix; extras without the base packages."""
    needed: list[str] = project["dependencies"]  # type: ignore[assignment]
    extras: dict[str, list[str]] = project["optional-dependencies"]  # type: ignore[assignment]
    base = resolve(needed, pins)
    found = {"build": resolve(build, pins), "base": base}
    for extra, more in extras.items():
        whole = resolve([*needed, *more], pins)
        found[extra] = {line: block for line, block in whole.items() if line not in base}
    return found | {name: resolve(group, pins) for name, group in groups.items()}


def expand(requirements: Iterable[str]) -> list[str]:
    """Requirements where what those of this repository need stands for them: they are not locked."""
    found: list[str] = []
    for one in requirements:
        name = re.split(r"[^a-z-]", one)[0]
        if name == "rivya-flows":
            continue  # its own are in `base`
        project = ROOT / "packages" / name.rpartition("-")[2] / "pyproject.toml"
        if name.startswith("rivya-"):
            needed = tomllib.loads(project.read_text("utf-8"))["project"]
            found += expand(needed["dependencies"])
            for extra in re.findall(r"\[([a-z]+)\]", one):
                found += expand(needed["optional-dependencies"][extra])
        else:
            found.append(one)
    return found


def _without(pins: str, names: Iterable[str]) -> str:
    dropped = {re.sub(r"[-_.]+", "-", name).lower() for name in names}
    lines = pins.splitlines(keepends=True)
    return "".join(line for line in lines if line.partition("==")[0] not in dropped)


@click.command()
@click.option("--upgrade", is_flag=True, help="Take the newest release of everything.")
@click.option("--upgrade-package", "names", multiple=True, help="Take the newest of this one.")
def main(upgrade: bool, names: tuple[str, ...]) -> None:
    """Regenerate constraints.txt and locks/*.txt from pyproject.toml."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    project, build = document["project"], document["build-system"]["requires"]
    groups = document["dependency-groups"]
    # All distributions are installed from the checkout: only what they need is locked.
    project["dependencies"] = expand(project["dependencies"])
    extras = project["optional-dependencies"]
    project["optional-dependencies"] = {name: expand(more) for name, more in extras.items()}
    everything = [*project["dependencies"], *build]
    for more in (*project["optional-dependencies"].values(), *groups.values()):
        everything += more
    old = "" if upgrade else _without(CONSTRAINTS.read_text(), names)
    pins = "".join(f"{line}\n" for line in sorted(resolve(everything, old)))
    CONSTRAINTS.write_text(pins)
    LOCKS.mkdir(exist_ok=True)
    for name, found in locks(project, build, groups, pins).items():
        (LOCKS / f"{name}.txt").write_text("".join(block for _, block in sorted(found.items())))
        click.echo(f"locks/{name}.txt: {len(found)} packages")


if __name__ == "__main__":
    main()
