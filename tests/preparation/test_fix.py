"""What is certain is fixed in the file, and nothing else of it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.preparation.check import check_file, check_text

WRONG = "version: 1\nname: test\nsteps:\n  still:\n    uses: genrate\n    with: {model: z-image, prompt: a lamp}\n"


@pytest.mark.parametrize(
    ("mark", "end"), [("", "\n"), ("", "\r\n"), ("\ufeff", "\n"), ("\ufeff", "\r\n")]
)
def test_a_fix_keeps_mode_line_breaks_and_byte_order_mark(
    tmp_path: Path, mark: str, end: str
) -> None:
    path = tmp_path / "wrong.yaml"
    text = mark + WRONG.replace("\n", end)
    path.write_bytes(text.encode())
    path.chmod(0o640)
    found = check_file(path, shipped(), fix=True)
    assert (found.diagnostics, [one.code for one in found.fixed]) == ((), ["unknown-uses"])
    assert found.checked is not None
    assert path.read_bytes() == text.replace("genrate", "generate").encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_second_byte_order_mark_moves_no_fix(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("\ufeff\ufeff" + WRONG, "utf-8")
    found = check_file(path, shipped(), fix=True)
    assert [one.code for one in found.diagnostics] == ["yaml-syntax"]
    fixed = "\ufeff\ufeff" + WRONG.replace("genrate", "generate")
    assert path.read_text("utf-8") == found.after == fixed


def test_a_file_that_is_saved_during_the_check_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)

    def and_save(*given: Any) -> Any:
        path.write_text("saved: by another editor\n")
        return check_text(*given)

    monkeypatch.setattr("rivya_flows.preparation.check.check_text", and_save)
    found = check_file(path, shipped(), fix=True)
    assert "changed while it was checked" in found.diagnostics[0].message
    assert [one.read_text() for one in tmp_path.iterdir()] == ["saved: by another editor\n"]


def test_a_read_only_file_is_not_fixed(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    path.chmod(0o444)
    found = check_file(path, shipped(), fix=True)
    assert [one.code for one in found.diagnostics] == ["unreadable", "unknown-uses"]
    assert "is read-only" in found.diagnostics[0].message
    assert (path.read_text(), found.fixed) == (WRONG, ())


def test_a_link_is_fixed_inside_its_folder_alone(tmp_path: Path) -> None:
    specs, elsewhere = tmp_path / "specs", tmp_path / "elsewhere"
    for folder in (specs, elsewhere):
        folder.mkdir()
        (folder / "wrong.yaml").write_text(WRONG)
    (specs / "out.yaml").symlink_to(elsewhere / "wrong.yaml")
    (specs / "in.yaml").symlink_to("wrong.yaml")
    found = check_file(specs / "out.yaml", shipped(), fix=True)
    assert "is a link to another folder" in found.diagnostics[0].message
    assert (elsewhere / "wrong.yaml").read_text() == WRONG
    assert check_file(specs / "in.yaml", shipped(), fix=True).diagnostics == ()
    assert (specs / "in.yaml").is_symlink()
    assert (specs / "wrong.yaml").read_text() != WRONG
