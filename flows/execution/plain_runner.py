"""Executes runs in this process without Prefect's server: for tests of specs.

Engine, journal, queue, client and reconciliation are those of every run. Tasks are called as the
plain functions that they wrap, so there is no flow run, no page and no log of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar, cast

from rivya_flows.app.report import RunReport
from rivya_flows.app.run_context import RunContext, WalletCredentials
from rivya_flows.app.runner import Run
from rivya_flows.errors import UsageError
from rivya_flows.flows.execution.engine import drive
from rivya_flows.settings import Settings
from rivya_flows.store.database import in_thread
from rivya_flows.tasks.notify import post_notice

if TYPE_CHECKING:
    from rivya_flows.app.batch.summary import BatchResult

T = TypeVar("T")

_SHRINK = 6
"""A film of three formats takes a second or two instead of half a minute."""

_CONFLICT_PAUSE_SECONDS = 0.05  # the sandbox is on this machine


class PlainRunner:
    """The `rivya_flows.app.runner.Runner` without Prefect; it sends no callbacks and reads no secrets."""

    async def with_key(self, settings: Settings) -> Settings:
        return settings

    async def wallet(self, settings: Settings, name: str) -> WalletCredentials:
        """As `Runner.wallet`: a test buys from a sandbox of its own."""
        raise UsageError(f"the wallet {name!r} cannot be used in a test", "leave out its name")

    @asynccontextmanager
    async def started(
        self, settings: Settings, notify: Callable[[str], object] = lambda _: None
    ) -> AsyncIterator[None]:
        yield

    async def execute(self, run: Run) -> RunReport:
        run.calls, run.shrink = _call, _SHRINK
        run.conflict_pause_seconds = _CONFLICT_PAUSE_SECONDS
        async with (
            run.context.leases.held(run.run_id) as run.lease,
            run.context.client() as run.client,
        ):
            run.state = await in_thread(run.reporter.follow)
            await drive(run, run.resumed())
        return await asyncio.to_thread(run.reporter.write)

    async def batch_ended(self, context: RunContext, result: BatchResult) -> None:
        """As `Runner.batch_ended`: there is no server that people listen to."""

    async def wake(self, settings: Settings, run_id: str, notify: Callable[[str], object]) -> None:
        """As `Runner.wake`: there is no flow run."""


async def _call(
    task: object, stage: str, step: str, key: str, work: Callable[[], Awaitable[T]]
) -> T:
    """Calls the function of a task; a callback is taken for delivered."""
    return cast("T", {}) if task is post_notice else await work()
