"""Tables, paths and problems, as a person at a terminal sees them."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from rivya_flows.cli.layout import Cell
from rivya_flows.cli.output import near_paths, print_table, show


def test_a_long_table_looks_like_a_short_one(capsys: pytest.CaptureFixture[str]) -> None:
    columns = ["model", ">credits", "", "status"]
    rows: list[list[Cell]] = [
        ["z-image", "1", "", ("available", "green")],
        ["एक मॉडल", "1,000", "two\nlines\x1b[31m", ""],
        ["模型", "20", "x", "gone"],
    ]
    print_table(columns, rows)
    short = capsys.readouterr().out.splitlines()
    print_table(columns, rows * 1_000)
    long = capsys.readouterr().out.splitlines()
    assert long[:4] == short
    assert len(long) == 1 + 3_000


def in_terminal(code: str, folder: Path, columns: int = 60, **variables: str) -> list[str]:
    """What some Python prints in a terminal of so many columns, with its colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "", **variables}
    command = [sys.executable, "-c", f"from rivya_flows.cli.output import *\n{code}"]
    subprocess.run(
        command, stdout=theirs, stderr=theirs, cwd=folder, env=environment, check=True, timeout=240
    )
    os.close(theirs)
    with os.fdopen(ours, "rb") as terminal:
        return terminal.read1().decode().splitlines()


def test_a_path_is_not_broken_where_a_terminal_is_narrow(tmp_path: Path) -> None:
    near = tmp_path / "runs" / "run-1" / "contact-sheet.html"
    far = Path("/elsewhere") / ("x" * 40) / "receipt.json"
    code = "".join(
        f"show({label + str(value)!r})\n"
        for label, value in [("sheet  ", near), ("receipt  ", far), ("text  ", "a " * 40)]
    )
    shown = in_terminal(code, tmp_path)
    assert shown[:3] == ["sheet  runs/run-1/contact-sheet.html", "receipt", str(far)]
    assert shown[3].startswith("text  a a")
    assert in_terminal(code, tmp_path, columns=200)[0] == "sheet  runs/run-1/contact-sheet.html"


def test_paths_and_addresses_are_links_on_a_terminal_and_nowhere_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a spot.mp4").touch()
    (tmp_path / "runs" / "spot.mp4").touch()
    line = "made runs/spot.mp4, runs/none.mp4, 4/5 at http://127.0.0.1:4200/v2."
    here, page = f"file://{tmp_path}/runs/spot.mp4", "http://127.0.0.1:4200/v2"
    linked = line
    for target, words in ((here, "runs/spot.mp4"), (page, page)):
        link = f"\x1b]8;;{target}\x1b\\{words}\x1b]8;;\x1b\\"
        linked = linked.replace(words, link)
    for variables in ({}, {"NO_COLOR": "1"}):
        assert in_terminal(f"show({line!r})", tmp_path, 200, **variables) == [linked]
    assert in_terminal(f"show({line!r})", tmp_path, 200, TERM="dumb") == [line]
    show(line)
    assert capsys.readouterr().out == f"{line}\n"


def test_a_path_in_a_pipe_stays_on_the_line_of_its_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    show(f"sheet  {tmp_path}/runs/{'x' * 200}")
    assert capsys.readouterr().out == f"sheet  runs/{'x' * 200}\n"


def test_only_paths_for_people_are_shortened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = f"{tmp_path}/a.yaml: wrong; see '{tmp_path}/b', SPECS={tmp_path}/c and file://{tmp_path}/d in {tmp_path}/"
    assert near_paths(line) == (
        f"a.yaml: wrong; see 'b', SPECS={tmp_path}/c and file://{tmp_path}/d in {tmp_path}/"
    )
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert near_paths(line) == line


PROBLEM = """
from rivya_flows.diagnostics import Diagnostic
tell_problem(Diagnostic("a-code", "wrong\\x1b[31m", "right", file="a.yaml", line=1, column=3, source="a: b"))
"""


def test_problems_have_colours_in_a_terminal_that_wants_them(tmp_path: Path) -> None:
    coloured = in_terminal(PROBLEM, tmp_path, NO_COLOR="")
    assert coloured[0] == "\x1b[31m\x1b[1ma.yaml:1:3: wrong\\x1b[31m [a-code]\x1b[0m"
    assert coloured[2] == "\x1b[31m\x1b[1m    ^\x1b[0m"
    assert coloured[3] == "\x1b[36m  hint: right\x1b[0m"
    plain = in_terminal(PROBLEM, tmp_path, NO_COLOR="1")
    assert plain == ["a.yaml:1:3: wrong\\x1b[31m [a-code]", "  a: b", "    ^", "  hint: right"]
    assert in_terminal(PROBLEM, tmp_path, NO_COLOR="", TERM="dumb") == plain


WORDS = """
tell("error: wrong", "hint: right")
show("completed: one\\x1b[31m", "a: b", "total")
show("failed: two")
print_table(["run", ">credits"], [[("failed", "red"), "1"]])
"""


def test_words_have_the_colour_of_their_meaning_in_a_terminal_and_none_in_a_pipe(
    tmp_path: Path,
) -> None:
    coloured = in_terminal(WORDS, tmp_path, NO_COLOR="", FORCE_COLOR="")
    assert coloured[0] == "\x1b[31m\x1b[1merror:\x1b[0m wrong"
    assert coloured[1] == "\x1b[36mhint:\x1b[0m right"
    assert coloured[5] == "\x1b[31mfailed:\x1b[0m two"
    assert coloured[7].startswith("\x1b[31mfailed\x1b[0m")
    assert "\x1b" not in "".join(in_terminal(WORDS, tmp_path, NO_COLOR="1", FORCE_COLOR="1"))
    for forced, expected in (("", False), ("1", True)):
        piped = subprocess.run(
            [sys.executable, "-c", f"from rivya_flows.cli.output import *\n{WORDS}"],
            env=os.environ | {"NO_COLOR": "", "FORCE_COLOR": forced},
            capture_output=True,
            text=True,
        )
        assert ("\x1b[31mfailed" in piped.stdout) is expected
        assert ("\x1b[36mhint" in piped.stderr) is expected


def test_a_narrow_terminal_leaves_columns_out_and_a_pipe_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = ["!run", "?labels", ">credits", "?started"]
    rows = [["run-20261128-005720-ead3", "client=acme", "1,000", "2026-11-28 00:57"]]
    code = f"print_table({columns}, {rows})"
    heads = {
        width: in_terminal(code, tmp_path, width, NO_COLOR="1")[0].split() for width in (40, 60, 80)
    }
    assert heads == {
        40: ["run", "credits"],
        60: ["run", "labels", "credits"],
        80: ["run", "labels", "credits", "started"],
    }
    print_table(columns, rows)
    assert capsys.readouterr().out.splitlines()[0].split() == heads[80]
