"""Executes runs in this process without Prefect's server: for tests of specs.

Engine, journal, queue, client and reconciliation are those of every run. Tasks are called as the
plain functions that they wrap, so there is no flow run, no page and no log of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from rivya_flows.app.report import RunReport
from rivya_flows.app.run_context import RunContext, WalletCredentials
from rivya_flows.app.runner import Execution
from rivya_flows.errors import UsageError
from rivya_flows.flows.execution.active_run import Run
from rivya_flows.flows.execution.engine import Engine, reconcile_jobs
from rivya_flows.settings import Settings
from rivya_flows.store.database import in_thread
from rivya_flows.tasks.notify import post_notice
from rivya_flows.tasks.session import Session, using

if TYPE_CHECKING:
    from prefect import Task

    from rivya_flows.app.batch.summary import BatchResult

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

    async def execute(self, execution: Execution) -> RunReport:
        context, reporter = execution.context, execution.reporter
        settings, run_id = context.settings, reporter.row.run_id
        async with context.leases.held(run_id) as lease, context.client() as client:
            session = Session(
                client,
                context.assets,
                context.scratch,
                shared=partial(context.uploads.once, run_id),
                max_results=settings.rivya_flows_max_results,
                max_job_bytes=settings.rivya_flows_max_job_bytes,
                shrink=_SHRINK,
            )
            with using(session):
                run = Run(
                    run_id=run_id,
                    context=context,
                    lease=lease,
                    calls=_call,
                    ask=execution.ask,
                    listen=execution.listen,
                    rendering=execution.rendering,
                    record=reporter.record,
                    conflict_pause_seconds=_CONFLICT_PAUSE_SECONDS,
                )
                resumed = execution.options.resumed(settings.rivya_flows_resend_hours)
                await Engine(run, await in_thread(reporter.follow)).run(resumed)
                if run.current().ended in ("completed", "failed"):
                    await reconcile_jobs(run, client, session.seen)
        return await asyncio.to_thread(reporter.write)

    async def batch_ended(self, context: RunContext, result: BatchResult) -> None:
        """As `Runner.batch_ended`: there is no server that people listen to."""

    async def wake(self, settings: Settings, run_id: str, notify: Callable[[str], object]) -> None:
        """As `Runner.wake`: there is no flow run."""


async def _call(
    task: Task[..., Any], stage: str, step: str, key: str, arguments: Mapping[str, Any]
) -> Any:
    """Calls the function of a task; a callback is taken for delivered."""
    if task is post_notice:
        return {"status": 200, "id": "not sent"}
    return await task.fn(**arguments)
