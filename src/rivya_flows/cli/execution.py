"""One execution of a run with its progress, its questions and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rivya_flows.app.report import write_report
from rivya_flows.app.run_context import RunContext, known_run
from rivya_flows.app.run_options import RunOptions
from rivya_flows.cli.asking import asker, at_terminal
from rivya_flows.cli.ending import Ending, end, media_paths
from rivya_flows.cli.interrupts import Interrupts
from rivya_flows.cli.live import Progress
from rivya_flows.cli.output import tell
from rivya_flows.errors import RivyaFlowsError, UsageError
from rivya_flows.flows.execution.local_runner import run_here
from rivya_flows.planning.queue.events import Event, RunEnded, Stamped
from rivya_flows.planning.queue.state import State
from rivya_flows.private import as_the_user_wants
from rivya_flows.store.journal import RunRow


@dataclass(frozen=True)
class OutputOptions:
    """How the end is told.

    Attributes:
        as_json: One JSON document on stdout.
        open_sheet: Open the contact sheet.
    """

    as_json: bool
    open_sheet: bool


async def drive(
    context: RunContext,
    run_id: str,
    wish: RunOptions,
    manner: OutputOptions,
    interrupts: Interrupts,
    *,
    execute: Callable[..., Awaitable[object]] = run_here,
) -> int:
    """Drives a run that is in the store; gives the exit code.

    Args:
        context: Open things.
        run_id: The run.
        wish: What is wanted beside going on.
        manner: How its end is told.
        interrupts: Signals meanwhile.
        execute: As `run_here`.

    Raises:
        RivyaFlowsError: It could not be driven to an end of its own.
    """
    row = known_run(context, run_id)
    known = len(context.journal.entries(run_id))
    progress = Progress()
    interrupts.say = progress.say

    def heard(event: Event, state: State) -> None:
        # Prefect takes SIGTERM for itself when a flow begins, which is over by now.
        interrupts.listen()
        progress.heard(event, state)

    def paths() -> dict[str, str]:
        report = write_report(context.journal.entries(run_id), row.folder, context.assets)
        tell(f"contact sheet: {report.sheet_path}")
        return media_paths(report)

    ask = asker(progress, paths) if at_terminal() else None
    try:
        with progress.shown():
            await execute(context, run_id, wish, ask=ask, listen=heard)
    except asyncio.CancelledError:
        interrupts.calm()
        close_cancelled(context, run_id)
    except Exception as error:
        warning = behind_the_end(error, context.journal.entries(run_id)[known:])
        if warning is None:
            tell(f"to go on: rivya-flows resume {run_id}")
            raise
        tell(warning)
    return finish(context, row, manner)


def behind_the_end(error: Exception, entries: Sequence[Stamped]) -> str | None:
    """A warning of what failed only when an execution had ended; None where it had not.

    The journal tells how a run ended. A Prefect server that has gone away meanwhile changes
    nothing of that.

    Args:
        error: What came out of the flow.
        entries: Of that execution.
    """
    ended = any(isinstance(entry.event, RunEnded) for entry in entries)
    if isinstance(error, RivyaFlowsError) or not ended:
        return None
    told = f"{type(error).__name__}: {error}".splitlines()[0]
    return f"warning: Prefect may show the run as it was before its end ({told})"


def finish(context: RunContext, row: RunRow, manner: OutputOptions) -> int:
    """Writes the report of a run, tells its end, and gives the exit code."""
    entries = context.journal.entries(row.run_id)
    report = write_report(entries, row.folder, context.assets)
    return end(
        Ending(row.run_id, entries, report), as_json=manner.as_json, open_sheet=manner.open_sheet
    )


def write_down(context: RunContext, run_id: str, events: Sequence[Event]) -> None:
    """Writes events that no engine writes, because none runs.

    Raises:
        StoreError: Another process drives the run, or the journal cannot be written.
    """
    lease = context.leases.acquire(run_id)
    try:
        for event in events:
            context.journal.append(run_id, event, lease.fence)
    finally:
        context.leases.release(lease)


def close_cancelled(context: RunContext, run_id: str) -> None:
    """Writes the end of a run that was cancelled before its engine began, which else does it."""
    if not isinstance(context.journal.entries(run_id)[-1].event, RunEnded):
        write_down(context, run_id, [RunEnded(status="cancelled", at=datetime.now(UTC))])


def made(folder: Path) -> Path:
    """The folder, made before anything is bought.

    Raises:
        UsageError: It cannot be made.
    """
    try:
        with as_the_user_wants():
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder}: {error.strerror or error}", "give another --out DIR; nothing was bought"
        ) from error
    return folder
