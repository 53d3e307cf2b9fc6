"""Tables on stdout."""

from __future__ import annotations

import pytest

from rivya_flows.cli.output import MOST_DRAWN, Cell, print_table


def test_a_long_table_looks_like_a_short_one(capsys: pytest.CaptureFixture[str]) -> None:
    columns = ["model", ">credits", "", "status"]
    rows: list[list[Cell]] = [
        ["z-image", "1", "", ("available", "green")],
        ["एक मॉडल", "1,000", "two\nlines\x1b[31m", ""],
        ["模型", "20", "x", "gone"],
    ]
    print_table(columns, rows)
    short = capsys.readouterr().out.splitlines()
    print_table(columns, rows * MOST_DRAWN)
    long = capsys.readouterr().out.splitlines()
    assert long[:4] == short
    assert len(long) == 1 + 3 * MOST_DRAWN
