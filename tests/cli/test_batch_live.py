"""Progress of a batch where stderr is not a terminal."""

from __future__ import annotations

import asyncio

import pytest

from rivya_flows.app.batch.scheduler import Batch, RowState
from rivya_flows.cli.batch_live import BatchProgress
from rivya_flows.cli.interrupts import Interrupts


async def test_the_end_of_each_row_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    task = asyncio.current_task()
    assert task is not None
    progress = BatchProgress(Interrupts(task))
    old = RowState("run-0", 0, 0, 0, status="completed", spent=9)
    waiting = RowState("run-1", 1, 1, 1)
    done = RowState("run-1", 1, 1, 1, status="completed", spent=1)
    refused = RowState("run-2", 2, 5, 5, status="over_budget", reason="needs at least 5 credits")
    for row in (waiting, done):
        progress.changed(Batch((old, row, refused), 4))
        progress.changed(Batch((old, row, refused), 4))
    assert capsys.readouterr().err == (
        "row 2 over the budget: needs at least 5 credits\nrow 1 completed (1 credit)\n"
    )
