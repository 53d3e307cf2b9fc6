"""What a worker and its hosts say to each other fits into a line and arrives as it was said."""

from __future__ import annotations

import json

import pytest

from rivya_flows.processes.hosts import LONGEST, LONGEST_TEXT, Order, Report, line


@pytest.mark.parametrize(
    "message",
    [
        Order("0b1c", "product_launch", "sha256:0123"),
        Order("0b1d", "file_2F_a"),
        Order("0b1c"),
        Report(),
        Report(error="a step function blocked its process for 31 s: cut, /specs/steps.py:12"),
        Report("0b1c"),
        Report("0b1d", "ReadTimeout: ", "Traceback"),
    ],
)
def test_a_message_arrives_as_it_was_said(message: Order | Report) -> None:
    said = line(message)
    assert said.endswith(b"\n")
    assert type(message)(*json.loads(said)) == message


def test_the_longest_texts_fit_into_a_line() -> None:
    text = "\N{GRINNING FACE}" * LONGEST_TEXT  # which JSON writes with twelve bytes
    assert len(line(Report("0b1c", text, text))) <= LONGEST
