"""Builds wheels and source distributions of all projects, and tries them without a checkout.

    scripts/package
    scripts/package --base https://example.org/flows/blob/v1   # where links of the README lead

Everything is built twice, and has the same bytes. The client and the cut are used alone. Without extras, each command that needs one names it in one line and exits with code 2;
with ``postgres``, ``s3`` and ``redis`` it looks for the server. With ``sandbox`` and ``mcp``, a template of `init` is checked, tested, run and deployed in a project that has
`flows` and `tasks` packages of its own, a form run of it is executed by a worker, and the client in the
README of packages/mcp runs its spec. Everything installed is checked against locks/.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import archives
import sbom
from licences import UnknownError
from lock import expand
from PIL import Image

from rivya_sandbox.service.serve import running

ROOT = Path(__file__).parent.parent
SPEC = "specs/first-picture.yaml"
TEMPLATE = "product-launch"
ONE_FORMAT = ('formats: ["9:16", "1:1", "16:9"]', 'formats: ["1:1"]')
NO_EXTRAS = ("extras: [poster, gif, srt, clean]", "extras: [srt]")
PROJECT = {
    "pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n',
    "README.md": "The shop's own.\n",
    "flows/__init__.py": "OWNER = 'the project'\n",
    "tasks/__init__.py": "OWNER = 'the project'\n",
    "specs/lamp.yaml": """\
version: 1
name: lamp
inputs:
  product: {type: string, default: Brass lamp}
budget: {credits: 20}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: "${{ inputs.product }}"}
outputs:
  picture: ${{ steps.still.asset }}
""",
    "abroad.yaml": """\
version: 1
name: abroad
steps:
  voice:
    uses: generate
    with:
      model: elevenlabs-turbo-2-5
      prompt: Bonjour tout le monde
      params: {voice: cgSgspJ2msm6clMCkdW9, language_code: fr}
""",
    "own.py": """\
import flows
import tasks
import rivya_flows as rf
import rivya_flows.flows.campaigns

assert flows.OWNER == tasks.OWNER == "the project"
assert rf.plan("specs/lamp.yaml", inputs={"product": "Comet kettle"})
assert rf.run("specs/lamp.yaml", inputs={"product": "Comet kettle"}).status == "completed"
""",
}
"""The files of a project that has packages named like folders of this repository."""

CLIENT = """\
import sys
from pathlib import Path
from rivya_client import SyncRivyaClient, catalogue

with SyncRivyaClient(poll_seconds=0.01) as client:
    lamp = client.models.catalogue().models["z-image"]
    job = client.generations.create_and_wait({"model": lamp.id, "prompt": "A brass lamp"})
    client.download(job.result.primary_url, Path("lamp.png"), max_bytes=10**7)
assert job.final_credits == catalogue.price(lamp, {}).min
others = ("prefect", "sqlalchemy", "rivya_flows", "rivya_sandbox")
assert not [name for name in others if name in sys.modules]
"""
"""What somebody does who has the client alone, and a service."""

CUT = """\
clips: [{media: lamp.png, seconds: 1, motion: push-in}]
overlays: [{text: आज ही, position: lower-third}]
formats: ["9:16"]
"""
"""A cut of somebody who has rivya-cut alone."""

NEEDS: tuple[tuple[str, list[str], dict[str, str]], ...] = (
    ("sandbox", ["run", SPEC], {}),
    ("sandbox", ["plan", SPEC], {}),
    ("sandbox", ["up"], {}),
    ("sandbox", ["sandbox", "serve"], {}),
    ("postgres", ["receipt", "run_1"], {"RIVYA_FLOWS_STORE": "postgresql://u:p@127.0.0.1/d"}),
    ("s3", ["cache", "list"], {"RIVYA_FLOWS_ASSETS": "s3://bucket/assets"}),
    ("mcp", ["mcp"], {}),
    ("redis", ["up", "--redis", "redis://127.0.0.1:1/0"], {"RIVYA_API_KEY": "rvya_none"}),
)
"""What needs an extra: the extra's name, the command, and environment variables."""

INSTALLED_AS: Mapping[str, str] = {
    "sandbox": "./rivya_sandbox-",
    "postgres": "'psycopg[binary]",
    "s3": "'s3fs",
    "mcp": "./rivya_flows_mcp-",
    "redis": "'prefect-redis",
}
"""How the hint for an extra begins."""

MAX_SECONDS = 300
"""A command that takes longer hangs."""


class WrongError(Exception):
    """A package is not what it should be."""


@dataclass(frozen=True)
class Distribution:
    """One of the projects.

    Attributes:
        folder: Its pyproject.toml, relative to the root.
        sources: Folders of the repository, with where their files lie in the wheel.
    """

    folder: str
    sources: Mapping[str, str]


DISTRIBUTIONS = (
    Distribution(
        ".",
        {
            "src/rivya_flows/": "rivya_flows/",
            "flows/": "rivya_flows/flows/",
            "tasks/": "rivya_flows/tasks/",
            "specs/": "rivya_flows/templates/",
        },
    ),
    Distribution("packages/client", {"packages/client/src/rivya_client/": "rivya_client/"}),
    Distribution("packages/cut", {"packages/cut/src/rivya_cut/": "rivya_cut/"}),
    Distribution("packages/mcp", {"packages/mcp/src/rivya_flows_mcp/": "rivya_flows_mcp/"}),
    Distribution("packages/sandbox", {"packages/sandbox/src/rivya_sandbox/": "rivya_sandbox/"}),
)


@dataclass(frozen=True)
class Output:
    """How a command ended."""

    code: int
    out: str
    err: str


class Environment:
    """A new virtual environment with the wheels, and an empty folder to work in.

    Args:
        folder: Where it is created.
        built: Folder of the wheels and source distributions.
        wanted: What to install, such as ``rivya-flows[sandbox]``.
        locks: What is installed before, by the names of the locks. None: what `wanted` requires, as
            `locks/base.txt` has it.
        sdist: Install it from its source distribution.
    """

    def __init__(
        self,
        folder: Path,
        built: Path,
        wanted: str,
        locks: Sequence[str] | None,
        *,
        sdist: bool = False,
    ) -> None:
        self.work = folder / "work"
        self.work.mkdir(parents=True)
        self._bin = folder / "venv" / "bin"
        self._home = folder / "home"
        self._home.mkdir()
        uv = [sys.executable, "-m", "uv", "--quiet", "--no-config", "--no-python-downloads"]
        run_checked("uv venv", [*uv, "venv", "--python", sys.executable, str(folder / "venv")])
        install = [*uv, "pip", "install", "--python", str(self._bin / "python")]
        if locks is None:
            project = ROOT / "packages" / wanted.removeprefix("rivya-") / "pyproject.toml"
            needed = tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"]
            named = [f"--constraint={ROOT}/locks/base.txt", *expand(needed)]
        else:
            named = [f"--requirement={ROOT}/locks/{name}.txt" for name in locks]
            named.append("--require-hashes")
        run_checked("installing from the locks", [*install, "--no-build", *named])
        # Without an index: all that the wheels require must be installed already.
        how = ["--no-build-isolation", f"--no-binary={wanted}"] if sdist else ["--no-build"]
        run_checked("installing", [*install, *how, "--no-index", f"--find-links={built}", wanted])
        run_checked("uv pip check", [*uv, "pip", "check", "--python", str(self._bin / "python")])

    def call(self, *arguments: str, program: str = "rivya-flows", **variables: str) -> Output:
        """Calls a program of the environment with none of this process's variables."""
        environment = {
            "PATH": f"{self._bin}:/usr/bin:/bin",
            "HOME": str(self._home),
            "LANG": "C.UTF-8",
            "RIVYA_FLOWS_DATA": str(self._home / "data"),
            "RIVYA_FLOWS_SERVER_IDLE": "0",  # the folder is gone at the end
        }
        return run_command(
            [str(self._bin / program), *arguments], self.work, environment | variables
        )

    def must(self, *arguments: str, program: str = "rivya-flows") -> str:
        """The output of a program that succeeds.

        Raises:
            WrongError: It failed; with its own words.
        """
        output = self.call(*arguments, program=program)
        if output.code:
            raise WrongError(f"{program} {' '.join(arguments)}: {output}")
        return output.out


def run_command(command: list[str], folder: Path, environment: Mapping[str, str]) -> Output:
    """Runs a command to its end.

    Raises:
        WrongError: It does not end.
    """
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
    return Output(ended.returncode, ended.stdout, ended.stderr)


def run_checked(what: str, command: list[str]) -> str:
    """What a command printed.

    Raises:
        WrongError: It failed; with its own words.
    """
    output = run_command(command, ROOT, os.environ)
    if output.code:
        raise WrongError(f"{what}: exit code {output.code}\n{output.out}{output.err}")
    return output.out


def list_files() -> list[Path]:
    """The repository's files and links, relative to its root; also those not committed yet."""
    listed = run_checked("git", ["git", "ls-files", "--cached", "--others", "--exclude-standard"])
    return [Path(name) for name in listed.splitlines() if os.path.lexists(ROOT / name)]


def build(folder: Path, base: str) -> Path:
    """The folder of all wheels and source distributions, and their SBOMs.

    Raises:
        WrongError: A second build differs, in which wheels are built from the tree and not from the
            source distribution; or a registry would refuse a wheel, or show a broken link.
    """
    epoch = int(run_checked("git", ["git", "log", "-1", "--format=%ct"]))
    files = list_files()

    def built_in(name: str, *kinds: str) -> Path:
        source, out = folder / f"source {name}", folder / name
        archives.copy_tree(ROOT, files, source, base)
        for distribution in DISTRIBUTIONS:
            archives.build(source / distribution.folder, out, epoch, *kinds)
        for sdist in out.glob("*.tar.gz"):
            archives.normalize(sdist, epoch)
        sbom.write(out, epoch)
        return out

    try:
        with ThreadPoolExecutor() as both:
            again = both.submit(built_in, "again", "--sdist", "--wheel")
            out, other = built_in("dist"), again.result()
    except subprocess.CalledProcessError as failed:
        raise WrongError(f"building: {failed.stdout}{failed.stderr}") from failed
    for archive in sorted(out.iterdir()):
        if archive.read_bytes() != (other / archive.name).read_bytes():
            raise WrongError(
                f"{archive.name}: a second build has other bytes{differing(archive, other)}"
            )
    for wheel in out.glob("*.whl"):
        if faults := archives.description_faults(wheel):
            raise WrongError(f"{wheel.name}: {', '.join(faults)}")
    return out


def differing(archive: Path, other: Path) -> str:
    """The files of two wheels that differ, after a colon; "" where it is only how they are packed."""
    if archive.suffix != ".whl":
        return ""
    one, two = contents(archive), contents(other / archive.name)
    return (
        f": {names}" if (names := sorted({name for name, _ in one.items() ^ two.items()})) else ""
    )


def contents(wheel: Path) -> dict[str, str]:
    """The SHA-256 of each file."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def check_contents(distribution: Distribution, out: Path) -> int:
    """Counts the files of a wheel: those of its packages, and nothing else.

    Raises:
        WrongError: A file is missing, or there is one too many, or a package is untyped.
    """
    package = next(iter(distribution.sources.values())).rstrip("/")
    [wheel], [sdist] = out.glob(f"{package}-*.whl"), out.glob(f"{package}-*.tar.gz")
    wanted = {
        inside + name.as_posix().removeprefix(source)
        for source, inside in distribution.sources.items()
        for name in list_files()
        if name.as_posix().startswith(source) and not (ROOT / name).is_symlink()
    }
    found = {name for name in contents(wheel) if ".dist-info/" not in name}
    if found != wanted:
        raise WrongError(f"{wheel.name} lacks, or has besides: {sorted(found ^ wanted)}")
    if f"{package}/py.typed" not in found:
        raise WrongError(f"{wheel.name} has no py.typed")
    with tarfile.open(sdist) as archive:
        members = [member for member in archive.getmembers() if "/tests/" in member.name]
    if members:
        raise WrongError(f"{sdist.name} has tests, without what they share: {members[:3]}")
    return len(found)


def client_alone(folder: Path, wheels: Path) -> None:
    """The client's wheel, in an environment without any other of ours, buys and saves a picture."""
    clean = Environment(folder, wheels, "rivya-client", None)
    (clean.work / "use.py").write_text(CLIENT)
    with running(folder / "service") as service:
        variables = {"RIVYA_API_KEY": service.api_key, "RIVYA_BASE_URL": service.base_url}
        used = clean.call("use.py", program="python", **variables)
    if used.code or not (clean.work / "lamp.png").exists():
        raise WrongError(f"the client alone: {used}")


def cut_alone(folder: Path, wheels: Path) -> None:
    """The wheel of the cut, in an environment with nothing but what it needs, renders a film."""
    clean = Environment(folder, wheels, "rivya-cut", None)
    (clean.work / "cut.yaml").write_text(CUT, "utf-8")
    Image.new("RGB", (320, 180), "teal").save(clean.work / "lamp.png")
    clean.must("render", "cut.yaml", "--shrink", "4", program="rivya-cut")
    found = json.loads(clean.must("probe", "out/9x16.mp4", program="rivya-cut"))
    if (found["width"], found["height"], found["duration_seconds"]) != (270, 480, 1.0):
        raise WrongError(f"the cut alone: {found}")
    if clean.call("-c", "import rivya_flows", program="python").code == 0:
        raise WrongError("the cut alone: rivya_flows is there")


def without_extras(folder: Path, wheels: Path) -> None:
    """Everything that needs no extra works; what needs one names it."""
    clean = Environment(folder, wheels, "rivya-flows", ["base", "build"], sdist=True)
    [wheel] = wheels.glob("rivya_flows-*.whl")
    if wheel.name.split("-")[1] not in (output := clean.must("--version")):
        raise WrongError(f"--version: {output}")
    for command in (["init"], ["check", SPEC], ["graph", SPEC]):
        clean.must(*command)
    for extra, command, variables in NEEDS:
        # By packages that exist: neither of ours is on a registry.
        wanted = f"hint: pip install {INSTALLED_AS[extra]}"
        failed = clean.call(*command, **variables)
        lines = failed.err.splitlines()
        named = len(lines) == 2 and f"needs the extra '{extra}', which is not installed" in lines[0]
        if not named or not lines[1].startswith(wanted):
            raise WrongError(f"{command} without the extra {extra}: {failed}")
        if failed.code != 2:
            raise WrongError(f"{command} without the extra {extra}: exit code {failed.code}")


def with_servers(folder: Path, wheels: Path) -> None:
    """With the extras for PostgreSQL, S3 and Redis, their commands go as far as a server that is not there."""
    extras = ["postgres", "s3", "redis"]
    clean = Environment(folder, wheels, f"rivya-flows[{','.join(extras)}]", ["base", *extras])
    for extra, command, variables in NEEDS:
        if extra not in extras:
            continue
        failed = clean.call(*command, **variables)
        if failed.code != 2 or "needs the extra" in failed.err:
            raise WrongError(f"{command} with the extra {extra}: {failed}")


def with_sandbox(folder: Path, wheels: Path) -> float:
    """A template goes from `init` to the receipt of a form run, in a project with own packages; an agent
    runs a spec.

    Returns:
        The seconds that it took.
    """
    clean = Environment(folder, wheels, "rivya-flows[sandbox,mcp]", ["base", "sandbox", "mcp"])
    agents = (ROOT / "packages" / "mcp" / "README.md").read_text("utf-8")
    printed = {
        name: re.findall(rf"```{kind}\n(.*?)```", agents, re.DOTALL)[0]
        for name, kind in (("lamp.yaml", "yaml"), ("agent.py", "python"))
    }
    for name, text in {**PROJECT, **printed}.items():
        (clean.work / name).parent.mkdir(exist_ok=True)
        (clean.work / name).write_text(text)
    clean.must("--version", program="rivya-sandbox")
    began = time.monotonic()
    clean.must("init", "--template", TEMPLATE)
    if (clean.work / "README.md").read_text() != PROJECT["README.md"]:
        raise WrongError("init changed a README that was there")
    clean.must("check", "specs")
    clean.must("test", "specs")
    # Its films in all formats, with and without captions, take a minute of a processor.
    spec = clean.work / "specs" / f"{TEMPLATE}.yaml"
    spec.write_text(spec.read_text().replace(*ONE_FORMAT).replace(*NO_EXTRAS))
    try:
        # It deploys specs/ too; one server for all below.
        clean.must("up", "--port", "0", "--receiver-port", "0", "--json")
        clean.must("run", f"specs/{TEMPLATE}.yaml")
        if not [*clean.work.glob("runs/*/spot*.mp4")]:
            raise WrongError(f"run of {TEMPLATE} left no spot")
        form = ["-p", "product=Comet kettle", "-p", 'styles=["studio"]']
        clean.must("prefect", "deployment", "run", f"{TEMPLATE}/by-hand", *form, "--watch")
        [made] = json.loads(clean.must("runs", "--limit", "1", "--json"))
        receipt = json.loads(clean.must("receipt", made["run_id"], "--json"))
        if (receipt["status"], receipt["inputs"]["product"]) != ("completed", "Comet kettle"):
            raise WrongError(f"the receipt of the form run: {receipt['status']}")
        seconds = time.monotonic() - began
        clean.must("own.py", program="python")
        if "completed: 2 of 2 stills, hero; 2 credits" not in (
            output := clean.must("agent.py", program="python")
        ):
            raise WrongError(f"the client of packages/mcp/README.md: {output}")
        abroad = clean.call("run", "abroad.yaml")
    finally:
        down = clean.call("down")
    if abroad.code != 1 or "pip install espeakng-loader" not in abroad.out + abroad.err:
        raise WrongError(f"speech without the extra voices: {abroad}")
    if "Traceback" in abroad.err:
        raise WrongError(f"speech without the extra voices: {abroad}")
    if down.code:
        raise WrongError(f"down: {down}")
    return seconds


def main() -> int:
    """Builds, tries, and leaves the archives with their SBOMs and checksums in dist/."""
    parser = argparse.ArgumentParser(description="Build all projects and try them.")
    parser.add_argument("--base", default="", help="address of the repository's files")
    base = parser.parse_args().base.rstrip("/")
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="rivya-flows-package-") as named:
            folder = Path(named)
            out = build(folder, base)
            counts = [check_contents(one, out) for one in DISTRIBUTIONS]
            print(f"two builds have the same bytes: {counts} files, py.typed, no tests")
            with ThreadPoolExecutor() as pool:  # each waits for processes most of the time
                bare = pool.submit(without_extras, folder / "bare", out)
                sandbox = pool.submit(with_sandbox, folder / "sandbox", out)
                servers = pool.submit(with_servers, folder / "servers", out)
                client_alone(folder / "client", out)
                print("the client alone: works, without Prefect and a database")
                cut_alone(folder / "cut", out)
                print("the cut alone: renders a film")
                bare.result()
                print(
                    f"from the source distribution, without extras: works; {len(NEEDS)} commands name the extra they need"
                )
                servers.result()
                print("with postgres, s3 and redis: their commands look for a server")
                seconds = sandbox.result()
                print(f"with sandbox and mcp: from init to a form run's receipt in {seconds:.0f} s")
            (ROOT / "dist").mkdir(exist_ok=True)
            sums = ""
            for archive in sorted(out.iterdir()):
                shutil.copy2(archive, ROOT / "dist" / archive.name)
                sums += f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n"
                print(f"dist/{archive.name}: {archive.stat().st_size / 1000:.0f} kB")
            (ROOT / "dist" / "SHA256SUMS").write_text(sums)
    except (WrongError, UnknownError) as wrong:
        print(f"package: {wrong}", file=sys.stderr)
        return 1
    print(f"packaged in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
