"""Runs the rows of a batch; `next_rows` says which to start, `settle` what became of one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from rivya_flows.app.batch.rules import next_rows, settle
from rivya_flows.app.batch.state import Batch, Settled, Start
from rivya_flows.errors import RivyaFlowsError


async def run_batch(
    batch: Batch,
    run_row: Callable[[Start], Awaitable[object]],
    read: Callable[[str], Settled],
    *,
    listen: Callable[[Batch], None] = lambda _: None,
) -> Batch:
    """Runs all rows that can be paid for; a row that fails leaves the others alone.

    Args:
        batch: As it stands; see `survey` in `batch_survey`.
        run_row: Executes a row's run to its end under the cap.
        read: What the store tells of a run after an execution, however that ended.
        listen: Is told the batch after every change.

    Raises:
        asyncio.CancelledError: After every running row has ended.
        Exception: Something unforeseen ended a row; the others have ended then, too.
    """
    working: dict[asyncio.Task[Settled], str] = {}
    try:
        while True:
            batch, starts = next_rows(batch)
            for start in starts:
                working[asyncio.create_task(_run(start, run_row, read))] = start.run_id
            listen(batch)
            if not working:
                return batch
            ended, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                batch = settle(batch, working.pop(task), task.result())
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)


async def _run(
    start: Start, run_row: Callable[[Start], Awaitable[object]], read: Callable[[str], Settled]
) -> Settled:
    try:
        await run_row(start)
    except RivyaFlowsError as error:
        settled = read(start.run_id)
        codes = settled.codes | {error.code}
        return replace(settled, status="failed", codes=codes, reason=str(error))
    return read(start.run_id)
