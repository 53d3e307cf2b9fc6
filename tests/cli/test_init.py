"""`init`: a project from a template, in a folder that may have files of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rivya_flows.preparation.spec_file import TEST_SUFFIX
from rivya_flows.preparation.templates import DEFAULT, template_names
from rivya_flows.spec.json_schema import FILE, LINE
from support.cli_calls import Terminal


def test_init_starts_with_one_picture(call: Terminal, tmp_path: Path) -> None:
    project = tmp_path / "new"
    said = call("init", project)
    spec = project / "specs" / f"{DEFAULT}.yaml"
    assert said.code == 0
    assert "  cd new\n" in said.out
    assert f"rivya-flows run specs/{DEFAULT}.yaml" in said.out
    assert spec.read_text().startswith(LINE)
    for path in (path for path in project.rglob("*") if path.is_file()):
        assert f"{path.relative_to(tmp_path)}: written" in said.out
    assert f"{(spec.parent / FILE).relative_to(tmp_path)}: written" in said.out
    assert (project / ".gitignore").read_text().splitlines() == ["runs/", ".env"]


def test_a_folder_that_is_called_after_a_template_says_how_to_get_that(call: Terminal) -> None:
    hint = "markets is a template too: rivya-flows init markets --template markets\n"
    said = call("init", "markets")
    assert (said.code, hint in said.out) == (0, True)
    assert Path("markets", "specs", f"{DEFAULT}.yaml").is_file()
    assert hint not in call("init", "markets", "--template", "markets").out


def test_a_template_with_rows_is_begun_as_a_batch(call: Terminal, tmp_path: Path) -> None:
    call("init", tmp_path / "new")
    said = call("init", tmp_path / "new", "--template", "catalogue-batch")
    spec = "specs/catalogue-batch"
    assert f"rivya-flows batch {spec}.yaml --rows {spec}.csv\n" in said.out


@pytest.mark.parametrize("name", template_names())
def test_a_template_alone_in_a_folder_is_right_and_passes_its_tests(
    call: Terminal, tmp_path: Path, name: str
) -> None:
    assert call("init", tmp_path, "--template", name).code == 0
    specs = tmp_path / "specs"
    assert call("check", specs, specs / f"{name}{TEST_SUFFIX}").code == 0
    if name in ("own-photo", "refined-poster"):  # they have files of their own, and films cost time
        said = call("test", specs)
        assert said.code == 0, said.out


def test_existing_files_are_left_as_they_are_and_named(call: Terminal, tmp_path: Path) -> None:
    mine = [Path("README.md"), Path("specs", FILE), Path("specs", f"{DEFAULT}.yaml")]
    (tmp_path / "specs").mkdir()
    for name in mine:
        (tmp_path / name).write_text("mine")
    said = call("init", tmp_path)
    assert said.code == 0
    assert "\nREADME.md: existed, left as it is\n" in said.out
    assert {(tmp_path / name).read_text() for name in mine} == {"mine"}


def test_no_file_is_written_through_a_link_to_nowhere(call: Terminal, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "specs").mkdir(parents=True)
    for name in (Path("README.md"), Path("specs", FILE), Path("specs", f"{DEFAULT}.yaml")):
        (project / name).symlink_to(tmp_path / "elsewhere")
    assert call("init", project).code == 0
    assert [*tmp_path.iterdir()] == [project]


def test_the_list_has_each_template_with_its_price(call: Terminal) -> None:
    _, *rows = call("init", "--list").out.splitlines()
    assert "first-picture 1 One picture from one sentence" in {
        " ".join(row.split()) for row in rows
    }
    assert sorted(row.split()[0] for row in rows) == template_names()
    least = [int(re.findall(r" (\d+)", row)[0]) for row in rows]
    assert least == sorted(least)


def test_a_folder_that_cannot_be_written_is_named(call: Terminal, tmp_path: Path) -> None:
    (tmp_path / "specs").write_text("a file")
    said = call("init", tmp_path)
    assert said.code == 2
    assert "error: specs: " in said.err
