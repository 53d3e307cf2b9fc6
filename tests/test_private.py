"""The data folder is its owner's alone, whatever the umask; what is the user's follows the umask."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rivya_flows.errors import UsageError
from rivya_flows.private import private_folder
from support.cli_calls import Terminal

pytestmark = pytest.mark.slow

SPEC = """\
version: 1
name: lamp
steps:
  still: {uses: generate, with: {model: z-image, prompt: a lamp}}
outputs:
  still: ${{ steps.still.asset }}
"""
OTHERS = 0o077


def called(folder: Path, umask: int, *arguments: str) -> None:
    """A command of a user with this umask, in a process of its own: it sets another one for itself."""
    command = [sys.executable, "-m", "rivya_flows.cli.main", *arguments]
    subprocess.run(command, cwd=folder, umask=umask, check=True, capture_output=True)


def open_to_others(folder: Path) -> list[str]:
    """What in a folder, itself included, has a mode that lets others do something."""
    return [
        f"{stat.filemode(path.lstat().st_mode)} {path}"
        for path in (folder, *folder.rglob("*"))
        if path.lstat().st_mode & OTHERS and not path.is_symlink()
    ]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    (tmp_path / "spec.yaml").write_text(SPEC)
    return Terminal(capsys)


def test_data_are_their_owners_alone_and_a_file_in_a_folder_of_everybody_follows_the_umask(
    terminal: Terminal, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    for umask, wanted in ((0o022, 0o644), (0o077, 0o600)):
        quote = shared / f"{umask}.quote"
        called(tmp_path, umask, "plan", "spec.yaml", "--sandbox", f"--out={quote}")
        assert mode(quote) == wanted
        assert (tmp_path / "data" / "journal.sqlite").exists()
        assert open_to_others(tmp_path / "data") == []


@pytest.mark.prefect
def test_files_of_a_run_are_private_and_its_report_follows_the_umask(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL")
    tmp_path.chmod(0o755)
    called(tmp_path, 0o022, "run", "spec.yaml", "--sandbox")
    assert (tmp_path / "data" / "prefect" / "prefect.db").exists()
    # A medium has the mode of its link in the run's folder; its own folder keeps others out.
    media = [path for path in (tmp_path / "data" / "assets").rglob("*") if path.is_file()]
    others = open_to_others(tmp_path / "data")
    assert others in ([], [f"{stat.filemode(0o100444)} {path}" for path in media])
    [run] = (tmp_path / "runs").iterdir()
    assert (mode(tmp_path / "runs"), mode(run)) == (0o755, 0o755)
    modes = {path.suffix: mode(path) for path in run.rglob("*") if path.is_file()}
    medium = 0o444 if others else 0o644
    assert modes == {".json": 0o644, ".html": 0o644, ".png": medium}


def test_the_folder_of_an_older_version_becomes_private_and_nothing_outside_it_changes(
    terminal: Terminal, tmp_path: Path
) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    (data / "prefect").mkdir(parents=True)
    elsewhere.write_text("")
    elsewhere.chmod(0o644)
    for path in (data / "journal.sqlite-wal", data / "prefect" / "prefect.db"):
        path.write_text("")
        path.chmod(0o644)
    (data / "link").symlink_to(elsewhere)
    data.chmod(0o755)
    (data / "prefect").chmod(0o775)
    assert terminal("check", "spec.yaml").code == 0
    assert open_to_others(data) == []
    assert mode(elsewhere) == 0o644


def test_a_folder_that_others_may_have_filled_is_refused(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, link = tmp_path / "data", tmp_path / "link"
    data.mkdir()
    data.chmod(0o777)
    said = terminal("plan", "spec.yaml", "--sandbox")
    assert (said.code, list(data.iterdir())) == (2, [])
    assert "every user can write into data (RIVYA_FLOWS_DATA: environment)\n" in said.err
    data.chmod(0o700)
    link.symlink_to(data)
    monkeypatch.setenv("RIVYA_FLOWS_DATA", str(link))
    said = terminal("plan", "spec.yaml", "--sandbox")
    assert (said.code, list(data.iterdir())) == (2, [])
    assert "link is a symbolic link" in said.err


def test_a_linked_folder_and_one_of_another_user_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "assets").symlink_to(tmp_path)
    with pytest.raises(UsageError) as caught:
        private_folder(tmp_path / "assets", "RIVYA_FLOWS_ASSETS")
    assert caught.value.hint == "set RIVYA_FLOWS_ASSETS to the folder that it leads to"
    (tmp_path / "theirs").mkdir()
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    with pytest.raises(UsageError, match="belongs to another user"):
        private_folder(tmp_path / "theirs")


def test_a_new_journal_elsewhere_is_private_and_an_existing_one_is_not_changed(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_FLOWS_STORE", f"sqlite:///{tmp_path / 'mine.sqlite'}")
    before = os.umask(0o022)
    try:
        assert terminal("doctor").out
        assert mode(tmp_path / "mine.sqlite") == 0o600
        (tmp_path / "mine.sqlite").chmod(0o644)
        Path(".env").write_text("HOOK=x\n")
        Path(".env").chmod(0o640)
        said = terminal("doctor")
    finally:
        os.umask(before)
    assert "other users can read mine.sqlite" in said.out
    assert "chmod 600 .env" in said.out
    assert mode(tmp_path / "mine.sqlite") == 0o644


def test_files_of_init_follow_the_umask(tmp_path: Path) -> None:
    for umask, folder, file in ((0o022, 0o755, 0o644), (0o002, 0o775, 0o664)):
        called(tmp_path, umask, "init", f"of-{umask}")
        specs = tmp_path / f"of-{umask}" / "specs"
        assert mode(specs) == folder
        assert {mode(path) for path in specs.iterdir()} == {file}
