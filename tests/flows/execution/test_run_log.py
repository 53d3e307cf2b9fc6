"""What the log of a run says of a rendering."""

from __future__ import annotations

import logging

import pytest

from rivya_flows.flows.execution.run_log import log_rendering


def test_each_quarter_of_a_rendering_is_one_line_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[float] = []
    listen = log_rendering(logging.getLogger("run"), lambda step, key, share: heard.append(share))
    with caplog.at_level(logging.INFO):
        for percent in (1, 24, 30, 31, 80, 99):
            listen("spot", "hi", percent / 100)
        listen("spot", "en", 0.5)
    assert caplog.messages == [
        "spot[hi]: rendering 25 %",
        "spot[hi]: rendering 75 %",
        "spot[en]: rendering 50 %",
    ]
    assert heard[:2] == [0.01, 0.24]
