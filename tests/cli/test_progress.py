"""What a person reads about a run while it executes: lines, and the live table in terminals of several sizes."""

from __future__ import annotations

import re

import pytest

from rivya_flows.cli.layout import clock, draw_table
from rivya_flows.cli.output import prompt
from rivya_flows.cli.progress import LINE_SECONDS, Progress, fold_rows
from rivya_flows.queue.events import JobEnded, PurchaseAccepted
from rivya_flows.queue.queue import replay
from rivya_flows.receipt.phrases import not_downloaded, open_jobs, seconds_text
from rivya_flows.receipt.progress import StepRow
from support.launch_runs import rehearsed
from support.screens import Screens


def test_open_jobs_are_named_with_price_and_id() -> None:
    journal = rehearsed().journal
    bought = next(
        number for number, event in enumerate(journal) if isinstance(event, PurchaseAccepted)
    )
    [job] = [one for one in open_jobs(replay(journal[: bought + 1])) if "task_" in one]
    assert job.startswith("stills[")
    assert "(1 credit, task_" in job


def test_a_job_that_is_done_and_not_downloaded_is_named_until_its_item_has_it() -> None:
    journal = rehearsed().journal
    ended = next(number for number, event in enumerate(journal) if isinstance(event, JobEnded))
    [job] = not_downloaded(replay(journal[: ended + 1]))
    assert job.startswith("stills[")
    assert not not_downloaded(replay(journal))


def test_completed_steps_are_folded_first_and_failed_ones_never() -> None:
    statuses = ("completed", "failed", "completed", "running", "running", "running", "waiting")
    steps = [StepRow(f"s{at}", status, "", "", 2) for at, status in enumerate(statuses)]
    steps.append(StepRow("s7", "waiting", "", "", 0))
    assert fold_rows(steps, 8) == tuple(steps)
    assert [(row.step, row.credits) for row in fold_rows(steps, 7)][:2] == [
        ("2 steps", 4),
        ("s1", 2),
    ]
    assert [row.step for row in fold_rows(steps, 6)] == [
        "2 steps", "s1", "s3", "s4", "s5", "2 steps",
    ]  # fmt: skip
    assert [row.step for row in fold_rows(steps, 5)] == [
        "2 steps",
        "s1",
        "s3",
        "2 steps",
        "2 steps",
    ]
    assert len(fold_rows(steps, 1)) == 4


def test_a_time_is_short_and_a_clock_keeps_its_shape() -> None:
    times = {0.9: "0 s", 59: "59 s", 65: "1 min 5 s", 7_380: "2 h 3 min"}
    assert {seconds: seconds_text(int(seconds)) for seconds in times} == times
    assert [clock(seconds) for seconds in (7.9, 65, 7_380)] == ["0:07", "1:05", "2:03:00"]


DRAWN = """
from support.launch_runs import SPEC, rehearsed
from rivya_flows.cli.progress import Progress
from rivya_flows.queue.queue import step
from rivya_flows.queue.reducer import initial_state
more = "".join(
    f"  more_{n}:\\n    uses: generate\\n    with: {{model: z-image, prompt: A lamp}}\\n"
    for n in range(MORE)
)
journal = rehearsed(SPEC + more, budget=200).journal
progress = Progress()
progress.expect({"stills": 40.0})
with progress.drawing():
    state = initial_state(journal[0])
    for event in journal[1:]:
        step(state, event)
        progress.listen(event, state)
    progress.say("warning: " + "a long line that stays above the table " * 3)
"""


def screen(screens: Screens, *, columns: int, rows: int = 24, more: int = 0) -> list[str]:
    """The lines that a run leaves in a terminal: what stays, then the last drawing of its table."""
    code = DRAWN.replace("MORE", str(more))
    text = screens(code, columns=columns, rows=rows, NO_COLOR="1").shown.replace("\r\n", "\n")
    last = re.split(r"\r(?:\x1b\[2K|\x1b\[1A)+", text)[-1]
    return re.sub(r"\x1b\[\??[0-9;]*[a-zA-Z]", "", last).rstrip("\n").split("\n")


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_table_fits_the_terminal_and_says_all_of_each_step(
    screens: Screens, columns: int
) -> None:
    table = screen(screens, columns=columns)
    head = next(line for line in table if line.startswith("step"))
    expected = ["step", "status", "items", "now", "time", "credits"]
    assert head.split() == [name for name in expected if columns > 60 or name != "time"]
    assert all(len(line) <= columns for line in table)
    [stills] = [line.split() for line in table if line.startswith("stills")]
    assert stills[:5] == ["stills", "completed", "2", "of", "2"]
    [total] = [line.split() for line in table if line.startswith("total")]
    assert total[-2:] == ["of", "200"]


def test_a_terminal_that_reports_no_size_has_80_columns(screens: Screens) -> None:
    tables = [
        re.sub(r"\b\d+:\d\d\b", "", "\n".join(screen(screens, columns=columns, rows=rows)))
        for columns, rows in ((0, 0), (80, 25))
    ]
    assert tables[0] == tables[1]
    assert "completed" in tables[0]
    assert "…" not in tables[0]


@pytest.mark.parametrize("columns", [80, 120])
def test_columns_stand_still_whatever_steps_do(columns: int) -> None:
    heads = set()
    for doing in ("", "at work", "3 of 12, 2 at work, rendering 47 %, usually 1 min 5 s"):
        rows = [
            ("film", "running", "0 of 4", doing, "1:05", "7"),
            ("total", "", "", doing, "0:07", ""),
        ]
        table = draw_table(Progress.columns, rows, columns, Progress.still, coloured=False)
        assert table is not None
        heads.add(table[0])
    assert len(heads) == 1


def test_steps_that_are_done_become_one_line_where_they_are_more_than_the_terminal_is_high(
    screens: Screens,
) -> None:
    whole, short = (screen(screens, columns=80, rows=rows, more=30) for rows in (60, 16))
    begin = next(at for at, line in enumerate(short) if line.startswith("step"))
    assert sum(line.startswith("more_") for line in whole) == 30
    assert not any(line.startswith("more_") for line in short)
    assert "32 steps" in "\n".join(short)
    assert len(short) - begin < 16


def test_a_terminal_too_narrow_for_a_table_has_a_sentence(screens: Screens) -> None:
    lines = screen(screens, columns=20)
    assert "4 steps," in " ".join(" ".join(lines).split())
    assert all(len(line) <= 20 for line in lines)


def test_a_dumb_terminal_and_a_pipe_get_lines_and_no_control_sequences(
    screens: Screens, capsys: pytest.CaptureFixture[str]
) -> None:
    code = DRAWN.replace("MORE", "0")
    exec(code, {})
    for text in (screens(code, TERM="dumb").shown, capsys.readouterr().err):
        lines = text.splitlines()
        assert "stills[studio] done (1 credit)" in lines
        assert not any("\x1b" in line or "\r" in line for line in lines)


def test_a_message_while_a_person_types_begins_on_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = Progress()
    with progress.pause():
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
