"""Tables, paths and problems, as a person at a terminal sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivya_flows.cli import output
from rivya_flows.cli.layout import Cell
from rivya_flows.cli.output import near_paths, print_table, show
from support.screens import Screens


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


def test_a_path_is_not_broken_where_a_terminal_is_narrow(tmp_path: Path, screens: Screens) -> None:
    near = tmp_path / "runs" / "run-1" / "contact-sheet.html"
    far = Path("/elsewhere") / ("x" * 40) / "receipt.json"
    code = "".join(
        f"show({label + str(value)!r})\n"
        for label, value in [("sheet  ", near), ("receipt  ", far), ("text  ", "a " * 40)]
    )
    shown = screens(code, columns=60).lines
    assert shown[:3] == ["sheet  runs/run-1/contact-sheet.html", "receipt", str(far)]
    assert shown[3].startswith("text  a a")
    assert screens(code, columns=200).lines[0] == "sheet  runs/run-1/contact-sheet.html"


def test_paths_and_addresses_are_links_on_a_terminal_and_nowhere_else(
    tmp_path: Path, screens: Screens, capsys: pytest.CaptureFixture[str]
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
    code = f"show({line!r})"
    assert screens(code, columns=200).lines == [linked]
    assert screens(code, columns=200, NO_COLOR="1").lines == [linked]
    assert screens(code, columns=200, TERM="dumb").lines == [line]
    show(line)
    show(f"sheet  {tmp_path}/runs/{'x' * 200}")
    assert capsys.readouterr().out == f"{line}\nsheet  runs/{'x' * 200}\n"


def test_only_paths_for_people_are_shortened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_problems_have_colours_in_a_terminal_that_wants_them(screens: Screens) -> None:
    coloured = screens(PROBLEM, NO_COLOR="").lines
    assert coloured[0] == "\x1b[31m\x1b[1ma.yaml:1:3: wrong\\x1b[31m [a-code]\x1b[0m"
    assert coloured[2] == "\x1b[31m\x1b[1m    ^\x1b[0m"
    assert coloured[3] == "\x1b[36m  hint: right\x1b[0m"
    plain = ["a.yaml:1:3: wrong\\x1b[31m [a-code]", "  a: b", "    ^", "  hint: right"]
    assert screens(PROBLEM, NO_COLOR="1").lines == plain
    assert screens(PROBLEM, NO_COLOR="", TERM="dumb").lines == plain


WORDS = """
tell("error: wrong", "hint: right")
show("completed: one\\x1b[31m", "a: b", "total")
show("failed: two")
print_table(["run", ">credits"], [[("failed", "red"), "1"]])
"""


def test_words_have_the_colour_of_their_meaning_in_a_terminal_and_none_in_a_pipe(
    screens: Screens, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    coloured = screens(WORDS, NO_COLOR="").lines
    assert coloured[0] == "\x1b[31m\x1b[1merror:\x1b[0m wrong"
    assert coloured[1] == "\x1b[36mhint:\x1b[0m right"
    assert coloured[5] == "\x1b[31mfailed:\x1b[0m two"
    assert coloured[7].startswith("\x1b[31mfailed\x1b[0m")
    assert "\x1b" not in screens(WORDS, NO_COLOR="1", FORCE_COLOR="1").shown
    monkeypatch.delenv("NO_COLOR", raising=False)
    for forced, expected in (("", False), ("1", True)):
        monkeypatch.setenv("FORCE_COLOR", forced)
        exec(WORDS, vars(output).copy())
        piped = capsys.readouterr()
        assert ("\x1b[31mfailed" in piped.out) is expected
        assert ("\x1b[36mhint" in piped.err) is expected


def test_a_narrow_terminal_leaves_columns_out_and_a_pipe_none(
    screens: Screens, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = ["!run", "?labels", ">credits", "?started"]
    rows = [["run-20261128-005720-ead3", "client=acme", "1,000", "2026-11-28 00:57"]]
    code = f"print_table({columns}, {rows})"
    heads = {
        width: screens(code, columns=width, NO_COLOR="1").lines[0].split() for width in (40, 60, 80)
    }
    assert heads == {
        40: ["run", "credits"],
        60: ["run", "labels", "credits"],
        80: ["run", "labels", "credits", "started"],
    }
    print_table(columns, rows)
    assert capsys.readouterr().out.splitlines()[0].split() == heads[80]
