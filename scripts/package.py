"""Builds the wheel and the source distribution, and tries the wheel where no checkout is near.

Without extras each command that needs one must say which, in one line and with exit code 2; with
``sandbox`` a first picture must be made. Everything installed is checked against locks/.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("src/rivya_flows", "flows", "tasks")
SPEC = "specs/first-picture.yaml"
ABROAD = """\
version: 1
name: abroad
steps:
  voice:
    uses: generate
    with:
      model: elevenlabs-turbo-2-5
      prompt: Bonjour tout le monde
      params: {voice: cgSgspJ2msm6clMCkdW9, language_code: fr}
"""
NEEDS: tuple[tuple[str, list[str], dict[str, str]], ...] = (
    ("sandbox", ["run", SPEC], {}),
    ("sandbox", ["plan", SPEC], {}),
    ("sandbox", ["up"], {}),
    ("sandbox", ["sandbox", "serve"], {}),
    ("postgres", ["receipt", "run_1"], {"RIVYA_FLOWS_STORE": "postgresql://u:p@127.0.0.1/d"}),
    ("s3", ["cache", "ls"], {"RIVYA_FLOWS_ASSETS": "s3://bucket/assets"}),
    ("redis", ["up", "--redis", "redis://127.0.0.1:1/0"], {}),
)
"""What needs an extra: its name, the command, and variables."""

MAX_SECONDS = 300
"""A command that takes longer hangs."""


class WrongError(Exception):
    """The package is not what it should be."""


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


class Environment:
    """A new virtual environment with the wheel, and an empty folder to work in.

    Args:
        folder: Where it is made.
        wheel: What is installed.
        extras: Whose locks are installed.
    """

    def __init__(self, folder: Path, wheel: Path, *extras: str) -> None:
        self.work = folder / "work"
        self.work.mkdir(parents=True)
        self._bin = folder / "venv" / "bin"
        self._home = folder / "home"
        self._home.mkdir()
        uv = [sys.executable, "-m", "uv", "--quiet", "--no-config", "--no-python-downloads"]
        done("uv venv", [*uv, "venv", "--python", sys.executable, str(folder / "venv")])
        install = [*uv, "pip", "install", "--python", str(self._bin / "python"), "--no-build"]
        locks = [f"--requirement={ROOT}/locks/{name}.txt" for name in ("base", *extras)]
        done("installing from the locks", [*install, "--require-hashes", *locks])
        done("installing the wheel", [*install, "--no-deps", str(wheel)])
        done("uv pip check", [*uv, "pip", "check", "--python", str(self._bin / "python")])

    def call(self, *arguments: str, **variables: str) -> Said:
        """Calls rivya-flows with nothing of this process's environment."""
        environment = {
            "PATH": f"{self._bin}:/usr/bin:/bin",
            "HOME": str(self._home),
            "LANG": "C.UTF-8",
            "RIVYA_FLOWS_DATA": str(self._home / "data"),
        }
        return called(
            [str(self._bin / "rivya-flows"), *arguments], self.work, environment | variables
        )


def called(command: list[str], folder: Path, environment: Mapping[str, str]) -> Said:
    """Runs a command to its end."""
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MAX_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise WrongError(f"{' '.join(command)}: no end after {MAX_SECONDS} s") from late
    return Said(ended.returncode, ended.stdout, ended.stderr)


def done(what: str, command: list[str]) -> str:
    """What a command printed.

    Raises:
        WrongError: It failed; with its own words.
    """
    said = called(command, ROOT, os.environ)
    if said.code:
        raise WrongError(f"{what}: exit code {said.code}\n{said.out}{said.err}")
    return said.out


def build(folder: Path) -> tuple[Path, Path]:
    """The source distribution, and the wheel that was built from it."""
    source, out = folder / "source", folder / "dist"
    listed = done("git", ["git", "ls-files", "--cached", "--others", "--exclude-standard"])
    for name in filter(lambda name: (ROOT / name).is_file(), listed.splitlines()):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    # The backend is the one of locks/build.txt, which scripts/install has checked.
    command = [sys.executable, "-m", "build", "--no-isolation", str(source), "--outdir"]
    done("building", [*command, str(out)])
    [sdist], [wheel] = out.glob("*.tar.gz"), out.glob("*.whl")
    done("building from the tree", [*command, str(folder / "tree"), "--wheel"])
    [direct] = (folder / "tree").glob("*.whl")
    if contents(wheel) != contents(direct):
        differ = sorted(name for name, _ in contents(wheel).items() ^ contents(direct).items())
        raise WrongError(f"the wheel of the source distribution is another one: {differ}")
    return sdist, wheel


def contents(wheel: Path) -> dict[str, str]:
    """The SHA-256 of each file."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def check_contents(wheel: Path) -> int:
    """Every file of the packages is in the wheel, and nothing else; gives how many there are."""
    listed = done("git", ["git", "ls-files", "--cached", "--others", "--exclude-standard"])
    wanted = {
        name.removeprefix("src/")
        for name in listed.splitlines()
        if name.startswith(tuple(f"{package}/" for package in PACKAGES)) and (ROOT / name).is_file()
    }
    found = {name for name in contents(wheel) if ".dist-info/" not in name}
    if found != wanted:
        raise WrongError(f"the wheel lacks, or has besides: {sorted(found ^ wanted)}")
    if untyped := [name for name in PACKAGES if f"{Path(name).name}/py.typed" not in found]:
        raise WrongError(f"no py.typed: {untyped}")
    return len(found)


def without_extras(folder: Path, wheel: Path) -> None:
    """Everything that needs no extra works; what needs one says which."""
    clean = Environment(folder, wheel)
    if wheel.name.split("-")[1] not in (said := clean.call("--version")).out:
        raise WrongError(f"--version: {said}")
    for command in (["init"], ["check", SPEC], ["graph", SPEC]):
        if (said := clean.call(*command)).code:
            raise WrongError(f"{command}: {said}")
    for extra, command, variables in NEEDS:
        said = clean.call(*command, **variables)
        lines = said.err.splitlines()
        told = len(lines) == 2 and f"needs the extra '{extra}', which is not installed" in lines[0]
        if not told or not lines[1].startswith(f"hint: pip install 'rivya-flows[{extra}]'"):
            raise WrongError(f"{command} without the extra {extra}: {said}")
        if said.code != 2:
            raise WrongError(f"{command} without the extra {extra}: exit code {said.code}")


def with_sandbox(folder: Path, wheel: Path) -> None:
    """A first picture is made; speech in another language names the extra that it needs."""
    clean = Environment(folder, wheel, "sandbox")
    clean.call("init")
    said = clean.call("run", SPEC)
    pictures = [path for path in clean.work.rglob("*") if path.suffix in (".png", ".jpg", ".webp")]
    if said.code or not pictures:
        raise WrongError(f"run {SPEC}: {said}")
    (clean.work / "abroad.yaml").write_text(ABROAD)
    said = clean.call("run", "abroad.yaml")
    if said.code != 1 or "pip install 'rivya-flows[voices]'" not in said.out + said.err:
        raise WrongError(f"speech without the extra voices: {said}")
    if "Traceback" in said.err:
        raise WrongError(f"speech without the extra voices: {said}")


def main() -> int:
    """Builds, tries, and leaves the archives in dist/."""
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="rivya-flows-package-") as named:
            folder = Path(named)
            sdist, wheel = build(folder)
            count = check_contents(wheel)
            print(f"wheel and source distribution agree: {count} files, py.typed, no tests")
            with ThreadPoolExecutor() as both:  # each waits for processes most of the time
                bare = both.submit(without_extras, folder / "bare", wheel)
                sandbox = both.submit(with_sandbox, folder / "sandbox", wheel)
                bare.result()
                print(f"without extras: works; {len(NEEDS)} commands name the extra they need")
                sandbox.result()
                print("with sandbox: a first picture was made in an empty folder")
            (ROOT / "dist").mkdir(exist_ok=True)
            for archive in (sdist, wheel):
                shutil.copy2(archive, ROOT / "dist" / archive.name)
                print(f"dist/{archive.name}: {archive.stat().st_size / 1000:.0f} kB")
    except WrongError as wrong:
        print(f"package: {wrong}", file=sys.stderr)
        return 1
    print(f"packaged in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
