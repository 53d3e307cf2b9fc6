"""Executes runs in this process: the Prefect server they need, and the flow of a frozen spec.

Importing this module does not import Prefect, so that the server can start first.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from rivya_flows.environment import set_default, variables
from rivya_flows.errors import RivyaError, UsageError
from rivya_flows.extras import missing
from rivya_flows.flows.server.environment import (
    HEALTH_SECONDS,
    client_environment,
    pointed_at,
    report_outages,
)
from rivya_flows.flows.server.local_server import LocalServer, serving
from rivya_flows.private import private_folder
from rivya_flows.processes.local_api import left_running
from rivya_flows.settings import RUN_HERE
from rivya_flows.store.shared_store_checks import mask_password

if TYPE_CHECKING:
    from rivya_flows.batch.summary import BatchResult
    from rivya_flows.engine.run import Run
    from rivya_flows.engine.run_context import RunContext, WalletCredentials
    from rivya_flows.receipt.report import RunReport
    from rivya_flows.settings import Settings


class LocalRunner:
    """The `rivya_flows.engine.run.Runner` with Prefect.

    With `collects_later` Python collects no garbage until everything is imported: 300,000 objects that stay.
    """

    def __init__(self, *, collects_later: bool = False) -> None:
        self._begun: LocalServer | None = None
        self._server: LocalServer | None = None
        self._collects_later = collects_later
        if collects_later:
            gc.disable()

    def begin(self, settings: Settings) -> None:
        """Begin to start the server that a run will need, if it is one that stays; `connect` says what goes wrong."""
        can_buy = settings.rivya_api_key is not None or not missing("sandbox")
        if can_buy and settings.prefect_api_url is None and settings.rivya_flows_server_idle:
            with contextlib.suppress(UsageError, OSError):
                private_folder(settings.data)
                self._begun = self._start(settings)

    async def with_key(self, settings: Settings) -> Settings:
        """As `Runner.with_key`: asks the Prefect server that they name."""
        if settings.rivya_api_key is not None or settings.prefect_api_url is None:
            return settings  # without a second for the import of Prefect
        from rivya_flows.flows.credentials import secret_block
        from rivya_flows.runs.connect import with_key

        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                return await with_key(settings, secret_block)
        except TimeoutError as error:
            raise UsageError(
                f"no Prefect server answers at {mask_password(settings.prefect_api_url)}",
                f"{RUN_HERE}; or start it; or set RIVYA_API_KEY, which it was asked for",
            ) from error

    async def wallet(self, settings: Settings, name: str) -> WalletCredentials:
        """As `Runner.wallet`: of the server of the settings, or that of `rivya-flows up`."""
        server = running_server(settings)
        if server is None:
            raise UsageError(
                f"the run buys with the wallet {name}, a block of Prefect, and no server runs",
                "start it with `rivya-flows up`, or set PREFECT_API_URL to the one that has the block",
            )
        with pointed_at(server):
            from rivya_flows.flows.credentials import load_wallet

            return await load_wallet(name)

    @asynccontextmanager
    async def connect(
        self, settings: Settings, notify: Callable[[str], object] = lambda _: None
    ) -> AsyncIterator[None]:
        """As `Runner.connect`: starts a Prefect server, or looks whether that of the settings answers."""
        # Read by Prefect while it is imported: no telemetry, no log lines between our progress, and none for each
        # event that a dead server does not take. The server gets the logs all the same.
        set_default("DO_NOT_TRACK", "1")
        set_default("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
        set_default("PREFECT_INTERNAL_LOGGING_LEVEL", "CRITICAL")
        if settings.prefect_api_url is not None:
            await asyncio.to_thread(self._load)
            from rivya_flows.flows.prefect_api import open_client

            # Refuses a server that cannot record a run, before anything is bought.
            async with open_client(f"; or {RUN_HERE}"):
                pass
            async with report_outages(settings.prefect_api_url, notify):
                yield
            return
        server, self._begun = self._begun or self._start(settings), None
        try:
            # While the server comes up: importing Prefect takes about as long.
            await asyncio.to_thread(self._load)
            api_url = await server.ready()
            self._server = server
            async with report_outages(api_url, notify, server.serves):
                yield
        finally:
            await server.stop()

    def board(self, run_id: str) -> str | None:
        """As `Loopback.board`, of the server that this process uses; None before `connect`, and of another's."""
        return None if self._server is None else self._server.board(run_id)

    def _start(self, settings: Settings) -> LocalServer:
        idle, store = settings.rivya_flows_server_idle, settings.store_variables
        return LocalServer.start(settings.data, idle_seconds=idle, store=store)

    def _load(self) -> None:
        importlib.import_module("rivya_flows.flows.execution.execute")
        importlib.import_module("rivya_flows.flows.compiler")
        if self._collects_later:
            gc.freeze()
            gc.enable()

    async def execute(self, run: Run) -> RunReport:
        from rivya_flows.flows.absence import is_absence
        from rivya_flows.flows.compiler import compile_flow, outcome_of
        from rivya_flows.flows.execution.execute import execute_run
        from rivya_flows.plans.run_form import shown_parameters
        from rivya_flows.store.database import in_thread

        workflow = (await in_thread(run.reporter.follow)).plan.workflow
        frozen = run.reporter.frozen
        failures: list[RivyaError] = []
        ended = False

        async def execute(*_: Any) -> RunReport:
            nonlocal ended
            try:
                report = await execute_run(run, workflow.concurrency)
            except RivyaError as error:
                failures.append(error)
                raise
            ended = True
            return report

        flow = compile_flow(workflow, spec_text=frozen.spec_text, execute=execute)
        called: Any = flow(**shown_parameters(workflow, frozen.inputs), return_state=True)
        try:
            return cast("RunReport", await outcome_of(await called))
        except Exception as error:
            # Not that Prefect could not tell its server, which may be gone by then.
            if failures and error is not failures[0]:
                raise failures[0] from error
            # Where only the end was not recorded, that is a warning of `ended_well`.
            if not ended and not isinstance(error, RivyaError) and is_absence(error):
                raise _not_recorded(error) from error
            raise

    async def wake(self, settings: Settings, run_id: str, notify: Callable[[str], object]) -> bool:
        """As `Runner.wake`."""
        if (server := running_server(settings)) is None:
            return True
        with pointed_at(server):
            from rivya_flows.flows.questions import wake_run

            return await wake_run(run_id, notify)


def _not_recorded(error: Exception) -> UsageError:
    """A server that its health check calls well refuses a run, as while its database recovers."""
    from prefect.settings import PREFECT_API_URL

    url = mask_password(PREFECT_API_URL.value() or "")
    status = getattr(getattr(error, "response", None), "status_code", None)
    reason = type(error).__name__ if status is None else f"HTTP {status}"
    return UsageError(
        f"the Prefect server at {url} does not record the run: {reason}",
        "see the log of that server, and resume the run when it is well",
    )


async def batch_ended(context: RunContext, result: BatchResult) -> None:
    """Tells automations of a server that outlives this process how a batch ended; never raises."""
    if (server := running_server(context.settings)) is not None:
        with pointed_at(server):
            from rivya_flows.flows.execution.run_events import announce_batch

            await announce_batch(context, result)


def board_of(settings: Settings, run_id: str) -> str | None:
    """A URL that opens the board of a run in one browser, once; None if no server of the data folder has it."""
    server = serving(settings.data / "prefect")
    return None if server is None else server.board(run_id)


def running_server(settings: Settings) -> dict[str, str] | None:
    """Variables that reach the server of ``PREFECT_API_URL``, else that of `rivya-flows up`; None if none runs."""
    if settings.prefect_api_url is not None:
        return {"DO_NOT_TRACK": "1", "PREFECT_API_URL": settings.prefect_api_url}
    server = left_running(settings.data)
    if server is None:
        return None
    home = settings.data / "prefect"
    client = client_environment(server.api_url, home, variables(), auth=server.auth)
    return {"DO_NOT_TRACK": "1", **client}


def required_server(settings: Settings) -> dict[str, str]:
    """As `running_server`; `UsageError` if none runs."""
    found = running_server(settings)
    if found is None:
        hint = "start one with `rivya-flows up`, or set PREFECT_API_URL, or a profile of Prefect, to one"
        raise UsageError("no Prefect server runs", hint)
    return found
