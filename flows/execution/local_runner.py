"""Runs here and now: the Prefect server they need, the flow of a frozen spec, its outcome.

Importing this module does not import Prefect: the server comes up while Prefect is loaded.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from rivya_flows.app.run_context import RunContext
from rivya_flows.app.run_options import RunOptions
from rivya_flows.errors import UsageError
from rivya_flows.flows.execution.active_run import Asker
from rivya_flows.flows.server.background_server import answering
from rivya_flows.flows.server.environment import client_environment
from rivya_flows.flows.server.local_server import LocalServer
from rivya_flows.language.workflow import Workflow
from rivya_flows.planning.queue.events import Event, RunFrozen
from rivya_flows.planning.queue.reducer import begin
from rivya_flows.planning.queue.state import State
from rivya_flows.settings import Settings

if TYPE_CHECKING:  # Prefect comes with these
    from rivya_flows.flows.execution.execute import ExecutionOutcome


async def run_here(
    context: RunContext,
    run_id: str,
    wish: RunOptions,
    *,
    ask: Asker | None = None,
    listen: Any = None,
) -> ExecutionOutcome:
    """Drives a frozen run in this process.

    Args:
        context: Open things.
        run_id: A run in the store.
        wish: What is wanted beside going on.
        ask: Puts questions to a person; None where there is no one.
        listen: Is told each `Event` with the `State` after it; None tells no one.

    Raises:
        UsageError: The Prefect server does not start, or the run is of another service.
        StoreError: Another process drives the run, or the journal cannot be written.
        asyncio.CancelledError: After the run's end was written.
    """
    async with prefect_here(context.settings):
        return await run_served(context, run_id, wish, ask=ask, listen=listen)


@asynccontextmanager
async def prefect_here(settings: Settings) -> AsyncIterator[None]:
    """A Prefect server that this process uses meanwhile, for any number of `run_served`.

    Raises:
        UsageError: None starts, or the one of ``PREFECT_API_URL`` does not answer.
    """
    # Read by Prefect while it is imported: nothing is reported to its makers, and a person at a
    # terminal sees our progress; the server gets the logs all the same.
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    if settings.prefect_api_url is not None:
        await asyncio.to_thread(importlib.import_module, "rivya_flows.flows.execution.execute")
        await _answering(settings.prefect_api_url)
        yield
        return
    server = LocalServer.start(settings.data)
    try:
        # While the server comes up: importing Prefect takes about as long.
        await asyncio.to_thread(importlib.import_module, "rivya_flows.flows.execution.execute")
        await server.ready()
        yield
    finally:
        await server.stop()


def standing_server(settings: Settings) -> dict[str, str] | None:
    """What `pointed_at` needs to reach the Prefect server that stays when a command is over.

    That of ``PREFECT_API_URL``; else the one that `rivya-flows up` left running, which
    `prefect_here` joins by itself. None where there is neither.
    """
    if settings.prefect_api_url is not None:
        return {"DO_NOT_TRACK": "1", "PREFECT_API_URL": settings.prefect_api_url}
    server = answering(settings.data)
    if server is None:
        return None
    context = settings.data / "prefect"
    url = f"http://127.0.0.1:{server.port}/api"
    return {"DO_NOT_TRACK": "1", **client_environment(url, context, os.environ, auth=server.auth)}


def required_server(settings: Settings) -> dict[str, str]:
    """The same, where there must be one.

    Raises:
        UsageError: There is none.
    """
    found = standing_server(settings)
    if found is None:
        raise UsageError(
            "no Prefect server runs",
            "start one with `rivya-flows up`, or set the variable PREFECT_API_URL to one that runs"
            " (profiles of Prefect do not count)",
        )
    return found


async def _answering(api_url: str) -> None:
    """Refuses a server that cannot record a run, before anything is bought for it."""
    from prefect import get_client

    async with get_client() as client:
        problem = await client.api_healthcheck()
    if problem is None:
        return
    answer = getattr(problem, "response", None)
    if answer is not None:
        raise UsageError(
            f"PREFECT_API_URL: {api_url} answers with HTTP {answer.status_code}",
            "check that address, which ends in /api, and PREFECT_API_AUTH_STRING or PREFECT_API_KEY; or"
            " unset PREFECT_API_URL to use the server of `rivya-flows up`",
        ) from problem
    raise UsageError(
        f"PREFECT_API_URL: no Prefect server answers at {api_url}",
        "start that server, or take PREFECT_API_URL out to have one started for the run",
    ) from problem


async def run_served(
    context: RunContext,
    run_id: str,
    wish: RunOptions,
    *,
    ask: Asker | None = None,
    listen: Any = None,
) -> ExecutionOutcome:
    """As `run_here`, within `prefect_here`; several at once are fine.

    Raises:
        UsageError: The run is of another service.
        StoreError: Another process drives the run, or the journal cannot be written.
        asyncio.CancelledError: After the run's end was written.
    """
    # Here and not above: importing Prefect takes longer than a server needs to begin.
    from rivya_flows.flows.compiler import compile_flow, outcome_of
    from rivya_flows.flows.execution.execute import drive_run

    frozen = context.journal.entries(run_id)[0].event
    assert isinstance(frozen, RunFrozen)
    workflow = begin(frozen).plan.workflow

    async def drive(**_: Any) -> ExecutionOutcome:
        return await drive_run(
            context,
            run_id,
            wish,
            concurrency=workflow.concurrency,
            ask=ask,
            listen=listen or _nobody,
        )

    flow = compile_flow(workflow, spec_text=frozen.spec_text, drive=drive)
    called: Any = flow(**shown_parameters(workflow, frozen.inputs), return_state=True)
    return cast("ExecutionOutcome", await outcome_of(await called))


def shown_parameters(workflow: Workflow, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a run as its form would show them: a file by its URL, id or hash."""
    from rivya_flows.flows.run_form import parameter_names

    names = parameter_names(workflow)
    return {
        names[name]: _shown(value)
        for name, value in inputs.items()
        if value is not None and name in names
    }


def _shown(value: Any) -> Any:
    if isinstance(value, list):
        return [_shown(one) for one in value]
    if isinstance(value, dict):
        return value.get("file_id") or value.get("url") or f"sha256:{value.get('sha256')}"
    return value


def _nobody(event: Event, state: State) -> None:
    """Listens to nothing."""
