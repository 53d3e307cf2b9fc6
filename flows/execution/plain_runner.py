"""Executes runs in this process without Prefect's server: for tests of specs.

Engine, journal, queue, client and reconciliation are those of every run. Tasks are called as the
plain functions that they wrap, so there is no flow run, no page and no log of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from rivya_flows.engine.run import Run, Runner
from rivya_flows.flows.execution.engine import drive
from rivya_flows.receipt.report import RunReport
from rivya_flows.store.database import in_thread
from rivya_flows.tasks.notify import post_notice

T = TypeVar("T")

_SHRINK = 6
"""A film of three formats takes a second or two instead of half a minute."""

_CONFLICT_PAUSE_SECONDS = 0.05  # the sandbox is on this machine


class PlainRunner(Runner):
    """The `Runner` without Prefect; it sends no callbacks and reads no secrets."""

    async def execute(self, run: Run) -> RunReport:
        run.calls, run.shrink = _call, _SHRINK
        run.conflict_pause_seconds = _CONFLICT_PAUSE_SECONDS
        context = run.context
        async with context.leases.held(run.run_id) as run.lease, context.client() as run.client:
            run.state = await in_thread(run.reporter.follow)
            await drive(run, run.resumed())
        return await asyncio.to_thread(run.reporter.write)


async def _call(
    task: object, stage: str, step: str, key: str, work: Callable[[], Awaitable[T]]
) -> T:
    """Calls the function of a task; a callback is taken for delivered."""
    return cast("T", {}) if task is post_notice else await work()
