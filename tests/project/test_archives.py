"""Archives of a release: the same bytes everywhere, and a description that a registry can show."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from support.loaded_scripts import loaded

ROOT = Path(__file__).parents[2]
BASE = "https://example.org/flows/blob/v1"
METADATA = """\
Name: lamp
Summary: Lamps
License-Expression: Apache-2.0
Requires-Python: >=3.11
Description-Content-Type: text/markdown

"""


@pytest.fixture(scope="module")
def archives() -> Any:
    """`scripts/archives.py`, which is not in a package."""
    return loaded("scripts/archives.py")


def sdist_of(path: Path, names: list[str], *, mtime: int, mode: int, owner: str) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.mtime, member.mode, member.uname, member.size = mtime, mode, owner, len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    return path


def wheel_of(path: Path, metadata: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("lamp-1.dist-info/METADATA", metadata)
    return path


def test_time_owner_and_order_of_files_change_no_byte_and_a_program_stays_one(
    archives: Any, tmp_path: Path
) -> None:
    one = sdist_of(tmp_path / "a.tar.gz", ["x", "y"], mtime=5, mode=0o664, owner="ada")
    two = sdist_of(tmp_path / "b.tar.gz", ["y", "x"], mtime=7, mode=0o600, owner="bob")
    for sdist in (one, two):
        archives.normalize(sdist, 1_700_000_000)
    assert one.read_bytes() == two.read_bytes()
    with tarfile.open(one) as archive:
        assert [(one.name, one.mtime) for one in archive] == [(n, 1_700_000_000) for n in "xy"]
    program = sdist_of(tmp_path / "a.tar.gz", ["run"], mtime=5, mode=0o700, owner="ada")
    archives.normalize(program, 0)
    with tarfile.open(program) as archive:
        assert [member.mode for member in archive] == [0o755]


@pytest.mark.parametrize(
    ("text", "with_base", "without"),
    [
        ("[Money](docs/money.md#pools)", f"[Money]({BASE}/sandbox/docs/money.md#pools)", "Money"),
        ("[up](../LICENSE)", f"[up]({BASE}/LICENSE)", "up"),
        ("![a lamp](lamp.png)", f"![a lamp]({BASE.replace('blob', 'raw')}/sandbox/lamp.png)", ""),
        ("[below](#try)", f"[below]({BASE}/sandbox/README.md#try)", "below"),
        (
            "[else](https://example.org)",
            "[else](https://example.org)",
            "[else](https://example.org)",
        ),
    ],
    ids=["page", "folder above", "picture", "heading", "absolute"],
)
def test_a_registry_shows_no_link_that_leads_nowhere(
    archives: Any, text: str, with_base: str, without: str
) -> None:
    assert archives.for_a_registry(text, "sandbox", BASE) == with_base
    assert archives.for_a_registry(text, "sandbox", "") == without


@pytest.mark.parametrize("base", ["", BASE])
@pytest.mark.parametrize(
    "name", [".", *(f"packages/{one.name}" for one in (ROOT / "packages").iterdir())]
)
def test_our_readmes_are_right_on_a_registry(
    archives: Any, tmp_path: Path, name: str, base: str
) -> None:
    readme = (ROOT / name / "README.md").read_text("utf-8")
    text = archives.for_a_registry(readme, name.removeprefix("."), base)
    assert archives.description_faults(wheel_of(tmp_path / "lamp.whl", METADATA + text)) == []


def test_a_description_that_a_registry_cannot_show_is_named(archives: Any, tmp_path: Path) -> None:
    text = METADATA.replace("Summary: Lamps\n", "").replace("text/markdown", "text/x-rst")
    wheel = wheel_of(
        tmp_path / "lamp.whl", f'{text}# Lamp\n[how](docs/how.md) <img src="lamp.png">\n'
    )
    assert archives.description_faults(wheel) == [
        "no Summary",
        "the description is not Markdown",
        "the link docs/how.md",
        "the link lamp.png",
    ]
