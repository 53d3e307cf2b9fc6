"""The live table in terminals of several sizes, and lines where there is no terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rivya_flows.cli.layout import fit
from rivya_flows.cli.live import LINE_SECONDS, Progress
from rivya_flows.cli.output import prompt
from support.cli_calls import on_screen

TESTS = Path(__file__).parents[1]
DRAWN = """
import sys
sys.path.insert(0, {tests!r})
from cli.test_progress import SPEC, rehearsed
from rivya_flows.cli.live import Progress
from rivya_flows.queue.queue import step
from rivya_flows.queue.reducer import initial_state
more = "".join(
    f"  more_{{n}}:\\n    uses: generate\\n    with: {{{{model: z-image, prompt: A lamp}}}}\\n"
    for n in range({more})
)
journal = rehearsed(SPEC + more, budget=200).journal
progress = Progress()
progress.expect({{"stills": 40.0}})
with progress.shown():
    state = initial_state(journal[0])
    for event in journal[1:]:
        step(state, event)
        progress.listen(event, state)
    progress.say("warning: " + "a long line that stays above the table " * 3)
"""


def screen(*, columns: int, rows: int = 24, more: int = 0, **variables: str) -> list[str]:
    """The lines that a run leaves in a terminal: what stays, then the last drawing of its table."""
    code = DRAWN.format(tests=str(TESTS), more=more)
    text = on_screen(code, columns=columns, rows=rows, **variables).replace("\r\n", "\n")
    last = re.split(r"\r(?:\x1b\[2K|\x1b\[1A)+", text)[-1]
    return re.sub(r"\x1b\[\??[0-9;]*[a-zA-Z]", "", last).rstrip("\n").split("\n")


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_the_table_fits_the_terminal_and_says_all_of_each_step(columns: int) -> None:
    table = screen(columns=columns)
    head = next(line for line in table if line.startswith("step"))
    expected = ["step", "status", "items", "now", "time", "credits"]
    assert head.split() == [name for name in expected if columns > 60 or name != "time"]
    assert all(len(line) <= columns for line in table)
    [stills] = [line.split() for line in table if line.startswith("stills")]
    assert stills[:5] == ["stills", "completed", "2", "of", "2"]
    [total] = [line.split() for line in table if line.startswith("total")]
    assert total[-2:] == ["of", "200"]


def test_a_terminal_that_reports_no_size_has_80_columns() -> None:
    table = screen(columns=0, rows=0)
    seconds = re.compile(r"\b\d+:\d\d\b")
    assert [seconds.sub("", line) for line in table] == [
        seconds.sub("", line) for line in screen(columns=80, rows=25)
    ]
    assert "completed" in "".join(table)
    assert "…" not in "".join(table)


@pytest.mark.parametrize("columns", [80, 120])
def test_columns_stand_still_whatever_steps_do(columns: int) -> None:
    heads = set()
    for words in ("", "at work", "3 of 12, 2 at work, rendering 47 %, usually 1 min 05 s"):
        rows = [
            ("film", "running", "0 of 4", words, "1:05", "7"),
            ("total", "", "", words, "0:07", ""),
        ]
        found = fit(rows, Progress.columns, columns, Progress.still)
        assert found is not None
        heads.add((found.kept, found.widths))
    assert len(heads) == 1


def test_steps_that_are_done_become_one_line_where_they_are_more_than_the_terminal_is_high() -> (
    None
):
    whole, short = screen(columns=80, rows=60, more=30), screen(columns=80, rows=16, more=30)
    begin = next(at for at, line in enumerate(short) if line.startswith("step"))
    assert sum(line.startswith("more_") for line in whole) == 30
    assert not any(line.startswith("more_") for line in short)
    assert "32 steps" in "\n".join(short)
    assert len(short) - begin < 16


def test_a_terminal_too_narrow_for_a_table_has_a_sentence() -> None:
    lines = screen(columns=20)
    assert "4 steps," in " ".join(" ".join(lines).split())
    assert all(len(line) <= 20 for line in lines)


def test_a_dumb_terminal_gets_lines_and_no_control_sequences() -> None:
    code = DRAWN.format(tests=str(TESTS), more=0)
    text = on_screen(code, columns=80, rows=24, TERM="dumb")
    assert "\x1b" not in text
    assert re.search(r"\r(?!\n)", text) is None
    assert "stills[neon] bought" in text


def test_a_pipe_gets_a_line_for_each_event(capsys: pytest.CaptureFixture[str]) -> None:
    exec(DRAWN.format(tests=str(TESTS), more=0), {})
    lines = capsys.readouterr().err.splitlines()
    assert "stills[studio] done (1 credit)" in lines
    assert not any("\x1b" in line or "\r" in line for line in lines)


def test_a_message_while_a_person_types_begins_on_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = Progress()
    with progress.paused():
        prompt("answer:")
        progress.say("stopping")
    progress.say("stopped")
    assert capsys.readouterr().err == "answer: \nstopping\nstopped\n"


def test_a_long_rendering_tells_a_line_now_and_then_and_a_short_one_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seconds = 0.0
    progress = Progress(lambda: seconds)
    for percent in range(1, 100):
        progress.render("spot", "hi", percent / 100)
        seconds += 0.5
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == int(99 * 0.5 // LINE_SECONDS)
    assert lines[0] == "spot[hi] rendering 31 %"
    for percent in range(1, 100):
        progress.render("short", "", percent / 100)
    assert capsys.readouterr().err == ""
