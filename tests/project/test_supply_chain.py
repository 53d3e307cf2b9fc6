"""Supply chain: pins, hashes, digests and licences."""

from __future__ import annotations

import contextlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.loaded_scripts import loaded
from support.small_server import Answer, Request, answering

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
LOCK = runpy.run_path(str(ROOT / "scripts" / "lock.py"), run_name="lock")
DEPENDENCIES: list[str] = LOCK["expand"](PROJECT["dependencies"])
EXTRAS: dict[str, list[str]] = {
    name: LOCK["expand"](more) for name, more in PROJECT["optional-dependencies"].items()
}
GROUPS: dict[str, list[str]] = PYPROJECT["dependency-groups"]
LOCKS = {path.stem: path.read_text("utf-8") for path in (ROOT / "locks").glob("*.txt")}
_LOCKED = re.compile(
    r"(?P<pin>[a-z0-9-]+==\S+(?: ; .+?)?)(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n"
)
_IMAGE = re.compile(
    r"^(?:FROM|\s+image:|.*docker (?:run|pull)\b.*?)\s+(?P<image>[\w./-]+[:@]\S+)", re.M
)


def pins(text: str) -> list[Requirement]:
    return [Requirement(found["pin"]) for found in _LOCKED.finditer(text)]


def test_there_is_a_lock_of_pins_with_hashes_for_each_extra_and_group() -> None:
    assert set(LOCKS) == {"build", "base", *EXTRAS, *GROUPS}
    # So no host, no option and no path.
    assert [name for name, text in LOCKS.items() if _LOCKED.sub("", text)] == []


def test_the_constraints_are_the_pins_of_all_locks() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    locked = {found["pin"] for text in LOCKS.values() for found in _LOCKED.finditer(text)}
    assert {str(Requirement(pin)).split(";")[0] for pin in locked} == {
        str(Requirement(line)).split(";")[0] for line in lines
    }
    assert lines == sorted(lines)


def test_every_requirement_is_locked_at_a_version_that_it_allows() -> None:
    wanted = {"base": DEPENDENCIES, "build": PYPROJECT["build-system"]["requires"]}
    for name, requirements in {**wanted, **EXTRAS, **GROUPS}.items():
        text = LOCKS[name] + (LOCKS["base"] if name in EXTRAS else "")
        locked = {canonicalize_name(pin.name): str(pin.specifier)[2:] for pin in pins(text)}
        for requirement in map(Requirement, requirements):
            assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), name


def test_what_is_installed_here_is_what_is_locked() -> None:
    for pin in (pin for text in LOCKS.values() for pin in pins(text)):
        if pin.marker is None or pin.marker.evaluate():
            with contextlib.suppress(PackageNotFoundError):  # of an extra that is not here
                assert str(pin.specifier) == f"=={version(pin.name)}", "run scripts/install"


def test_nothing_is_installed_without_a_hash() -> None:
    for path in (ROOT / "Dockerfile", ROOT / "scripts" / "install"):
        text = path.read_text("utf-8").replace("\\\n", " ")
        for line in re.findall(r".*(?:pip install|uv_install) --(?!python).*", text):
            checked = "--require-hashes" in line and "--only-binary :all:" in line
            ours = "--no-build-isolation" in line
            assert checked or ours, line
        assert all("--no-deps" in line for line in re.findall(r".*pip install.*", text))


def isolated(folder: Path) -> dict[str, str]:
    """An environment without the configuration of uv of a user or of the system."""
    (home := folder / "home").mkdir()
    empty = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"), str(home))
    return empty | {"PATH": os.environ["PATH"]}


def mirror_of_h11(folder: Path) -> Path:
    """A folder with a wheel that is not the one of locks/base.txt."""
    wheel, described = folder / "mirror" / "h11-0.16.0-py3-none-any.whl", "h11-0.16.0.dist-info"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("h11/__init__.py", "raise SystemExit('somebody else wrote this')")
        archive.writestr(
            f"{described}/METADATA", "Metadata-Version: 2.1\nName: h11\nVersion: 0.16.0\n"
        )
        archive.writestr(f"{described}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{described}/RECORD", "")
    return wheel.parent


@pytest.mark.parametrize(
    ("lock", "refusal"),
    [("install", "DO NOT MATCH THE HASHES"), ("base", "Hash mismatch for `h11==0.16.0`")],
)
@pytest.mark.slow
def test_another_file_under_a_pinned_version_is_not_installed(
    lock: str, refusal: str, tmp_path: Path
) -> None:
    """An attack by a registry or mirror that pinned versions do not prevent; pip and uv refuse it."""
    mirror = mirror_of_h11(tmp_path)
    [pin] = [found[0] for found in _LOCKED.finditer(LOCKS["base"]) if found[0].startswith("h11==")]
    for folder in ("scripts", "locks", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "install", tmp_path / "scripts")
    (tmp_path / ".venv" / "bin" / "uv").symlink_to(Path(sys.executable).with_name("uv"))
    for name in ("install", "build", "base"):
        (tmp_path / "locks" / f"{name}.txt").write_text(pin if name == lock else "")
    environment = {
        **isolated(tmp_path),
        "PYTHON": sys.executable,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": str(mirror),
        "PIP_NO_INDEX": "1",
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_FIND_LINKS": str(mirror),
        "UV_OFFLINE": "1",
    }
    done = subprocess.run(
        [tmp_path / "scripts" / "install", ""],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert refusal in done.stderr
    assert re.search(r"^Installing about 1 packages into .venv, \d+ MB without", done.stderr, re.M)
    assert done.stderr.splitlines()[-1].startswith("hint: ")
    assert not [*tmp_path.glob(".venv/lib/*/site-packages/h11*")]


@pytest.mark.parametrize(("ignored", "code"), [([], 1), (["PYSEC-2030-1"], 0)])
@pytest.mark.slow
def test_a_known_vulnerability_of_a_locked_package_is_an_error_unless_it_is_ignored(
    ignored: list[str], code: int, tmp_path: Path
) -> None:
    advisory = {
        "id": "PYSEC-2030-1",
        "modified": "2030-01-01T00:00:00Z",
        "summary": "reads too far",
    }

    def service(request: Request) -> Answer:
        if request.path.startswith("/simple/"):
            return Answer(status=404)
        if request.path == f"/v1/vulns/{advisory['id']}":
            return Answer(json.dumps(advisory).encode())
        asked = [
            (one["package"]["name"], one["version"]) for one in json.loads(request.body)["queries"]
        ]
        found = [{"vulns": [advisory]} if one == ("h11", "0.16.0") else {} for one in asked]
        return Answer(json.dumps({"results": found}).encode())

    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "vulnerabilities", tmp_path / "scripts")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "constraints.txt").write_text("h11==0.16.0 ; sys_platform != 'win32'\n")
    (tmp_path / "pyproject.toml").write_text(f"[tool.uv.audit]\nignore = {ignored}\n")
    with answering(service) as address:
        environment = {
            **isolated(tmp_path),
            "UV_CACHE_DIR": str(tmp_path / "cache"),
            "UV_DEFAULT_INDEX": f"{address}/simple",
            "UV_FIND_LINKS": str(mirror_of_h11(tmp_path)),
        }
        done = subprocess.run(
            [tmp_path / "scripts" / "vulnerabilities", "--service-url", address],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == code, done.stderr
    assert ("PYSEC-2030-1: reads too far" in done.stdout) == (code == 1)


def test_a_job_that_can_sign_runs_nothing_of_the_repository_and_actions_have_a_commit() -> None:
    signing = 0
    for path in (ROOT / ".github" / "workflows").iterdir():
        workflow = yaml.safe_load(path.read_text("utf-8"))
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step.get("uses", f"none@{40 * '0'}"))
            if "id-token" in {**workflow["permissions"], **job.get("permissions", {})}:
                signing += 1
                runs = [step["run"] for step in job["steps"] if "run" in step]
                assert all(run.startswith("gh release edit ") for run in runs)
    assert signing == 1


@pytest.mark.slow
def test_every_foreign_image_has_a_digest() -> None:
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
    # The own one is built from the Dockerfile.
    images = {one: of for one, of in images.items() if "rivya-flows:" not in one}
    assert {image.partition(":")[0] for image in images} == {
        "python", "postgres", "redis", "versity/versitygw",
    }  # fmt: skip
    for image, name in images.items():
        assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image), f"{name}: {image}"
        assert ":latest" not in image


@pytest.fixture(scope="module")
def licences() -> Any:
    """`scripts/licences.py`, which is not in a package."""
    return loaded("scripts/licences.py")


def test_the_page_of_licences_lists_every_package(licences: Any) -> None:
    page = licences.PAGE.read_text("utf-8")
    for pin in (pin for text in LOCKS.values() for pin in pins(text)):
        assert f"| {pin.name} | {str(pin.specifier)[2:]} |" in page, "run scripts/licences"


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ("", "stranger: .* not a known licence"),
        ("License: see LICENSE\n", "stranger: .* not a known licence"),
        (
            "License-Expression: GPL-3.0-only\n",
            "stranger: GPL-3.0-only asks for more than a notice",
        ),
        ("License-Expression: MIT OR AGPL-3.0-only\n", "asks for more than a notice"),
    ],
)
def test_a_package_whose_licence_nobody_looked_at_is_refused(
    licences: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, wrong: str
) -> None:
    described = tmp_path / "site" / "stranger-1.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: stranger\nVersion: 1.0\n{told}"
    )
    monkeypatch.syspath_prepend(described.parent)
    for name in licences.ORDER:
        (tmp_path / f"{name}.txt").write_text("stranger==1.0\n" if name == "sandbox" else "")
    with pytest.raises(licences.UnknownError, match=wrong):
        licences.page(tmp_path)
