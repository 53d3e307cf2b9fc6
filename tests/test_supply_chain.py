"""What is installed is what was reviewed: pins, hashes, digests, and the parts that are named."""

from __future__ import annotations

import contextlib
import re
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
LOCKS = {path.stem: path.read_text("utf-8") for path in (ROOT / "locks").glob("*.txt")}
_LOCKED = re.compile(
    r"(?P<pin>[a-z0-9-]+==\S+(?: ; .+?)?)(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n"
)
_IMAGE = re.compile(
    r"^(?:FROM|\s+image:|.*docker (?:run|pull)\b.*?)\s+(?P<image>[\w./-]+[:@]\S+)", re.M
)


def pins(text: str) -> list[Requirement]:
    return [Requirement(found["pin"]) for found in _LOCKED.finditer(text)]


@pytest.mark.parametrize("name", sorted(LOCKS))
def test_a_lock_is_pins_with_hashes_and_nothing_else(name: str) -> None:
    assert _LOCKED.sub("", LOCKS[name]) == ""  # so no host, no option and no path either


def test_there_is_a_lock_for_each_extra() -> None:
    assert set(LOCKS) == {"build", "base", *EXTRAS}


def test_the_constraints_are_the_pins_of_all_locks() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    locked = {found["pin"] for text in LOCKS.values() for found in _LOCKED.finditer(text)}
    assert {Requirement(line).name for line in lines} == {Requirement(pin).name for pin in locked}
    assert {str(Requirement(pin)).split(";")[0] for pin in locked} == {
        str(Requirement(line)).split(";")[0] for line in lines
    }
    assert lines == sorted(lines)


def test_every_requirement_is_locked_at_a_version_that_it_allows() -> None:
    wanted = {"base": PROJECT["dependencies"], "build": PYPROJECT["build-system"]["requires"]}
    for name, requirements in {**wanted, **EXTRAS}.items():
        text = LOCKS[name] + (LOCKS["base"] if name in EXTRAS else "")
        locked = {canonicalize_name(pin.name): str(pin.specifier)[2:] for pin in pins(text)}
        for requirement in map(Requirement, requirements):
            assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), name


def test_what_is_installed_here_is_what_is_locked() -> None:
    for pin in (pin for text in LOCKS.values() for pin in pins(text)):
        if pin.marker is None or pin.marker.evaluate():
            with contextlib.suppress(PackageNotFoundError):  # of an extra that is left out here
                assert str(pin.specifier) == f"=={version(pin.name)}", "run scripts/install"


def test_nothing_is_installed_without_a_hash() -> None:
    for path in (ROOT / "Dockerfile", ROOT / "scripts" / "install"):
        text = path.read_text("utf-8").replace("\\\n", " ")
        for line in re.findall(r".*pip install.*", text):
            assert "--require-hashes" in line or "--no-deps" in line, line
            assert "--require-hashes" not in line or "--only-binary :all:" in line, line
            assert "--no-deps" not in line or "--no-build-isolation" in line, line


def test_every_image_has_a_digest() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    images: dict[str, str] = {}
    for name in listed.stdout.splitlines():
        if name.startswith(("tests/", "src/")) or not (ROOT / name).is_file():
            continue
        try:
            text = (ROOT / name).read_text("utf-8")
        except UnicodeDecodeError:
            continue
        images |= {found["image"]: name for found in _IMAGE.finditer(text)}
    assert {image.partition(":")[0] for image in images} == {
        "python", "postgres", "redis", "versity/versitygw",
    }  # fmt: skip
    for image, name in images.items():
        assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image), f"{name}: {image}"
        assert ":latest" not in image
