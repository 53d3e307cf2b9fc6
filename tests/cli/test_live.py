"""Progress where there is no terminal: a line now and then."""

from __future__ import annotations

import pytest

from rivya_flows.cli.live import LINE_SECONDS, Progress


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
