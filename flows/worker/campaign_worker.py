"""The worker: takes flow runs from Prefect, and executes those of campaigns in shared processes.

Prefect imports this module by the entry point `prefect.collections`, with the block of `flows.credentials`.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio
from prefect.exceptions import InfrastructureNotFound
from prefect.settings import (
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_CLIENT_METRICS_ENABLED,
    PREFECT_CLIENT_RETRY_EXTRA_CODES,
    get_current_settings,
    temporary_settings,
)
from prefect.states import AwaitingRetry, Cancelled
from prefect.workers.process import (
    ProcessJobConfiguration,
    ProcessVariables,
    ProcessWorker,
    ProcessWorkerResult,
)

from rivya_client.printable import one_line
from rivya_flows.flows.credentials import RivyaCredentials
from rivya_flows.flows.current_run import clean_logs
from rivya_flows.flows.worker import prefect_internals
from rivya_flows.preparation.deploy_blocks import (
    COLLECTION_VARIABLE,
    ENTRYPOINT_MODULE,
    PRICE_VARIABLE,
    SET_VARIABLE,
    SPEC_VARIABLE,
)
from rivya_flows.processes.hosts import SLOTS, SLOTS_USED, HostDiedError, Hosts, Order
from rivya_flows.settings import read_settings

if TYPE_CHECKING:
    from anyio.abc import TaskStatus
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun, State
    from prefect.client.schemas.responses import WorkerFlowRunResponse

__all__ = ["CampaignWorker", "RivyaCredentials"]

LIMIT = 50  # runs at once, unless `--limit` or `RIVYA_FLOWS_WORKER_LIMIT` says otherwise
STOP_SECONDS = 20.0  # until a worker that is stopped gives up its server
PATIENCE = {PREFECT_CLIENT_MAX_RETRIES: 100, PREFECT_CLIENT_RETRY_EXTRA_CODES: {500, 504}}
"""So Prefect's client waits a quarter of an hour for a server, also for one whose database is away (500)."""

DEATHS = 2  # a run whose process died so often is executed in one of its own
_LOOK_SECONDS = 0.5
_MODULE = re.compile(rf"{re.escape(ENTRYPOINT_MODULE)}[.:](\w+)")


class CampaignWorker(ProcessWorker):
    """Executes the flow runs of campaigns in few processes, and any other in one of its own.

    Those share a process whose deployments run a spec, set neither a command nor a working directory nor pull
    steps, and set the same environment variables. A run whose process died `DEATHS` times gets one of its own.
    """

    type = "campaign"
    job_configuration = ProcessJobConfiguration
    job_configuration_variables = ProcessVariables  # type: ignore[assignment]  # of the parent
    _display_name = "Campaign"
    _description = "Execute the flow runs of many campaigns in few processes that stay warm."
    _documentation_url = ""

    def __init__(self, work_pool_name: str, **options: Any) -> None:
        settings = read_settings()
        limit = options.pop("limit", None) or settings.rivya_flows_worker_limit or LIMIT
        super().__init__(work_pool_name, limit=limit, **options)
        self._drain_seconds = settings.rivya_flows_worker_drain_seconds
        self._draining: asyncio.Task[None] | None = None
        self._asking = False  # the server for runs
        self._patience: set[str] = set()  # variables that hosts have
        self._hosts = Hosts("rivya_flows.flows.worker.host_process")
        self._cancellations = prefect_internals.StateWatch("Cancelling", self._cancel)
        self._cancelled: set[UUID] = set()
        self._deaths: Counter[UUID] = Counter()
        self._reasons: dict[UUID, str] = {}  # why a run crashed

    async def start(self, *arguments: Any, **options: Any) -> None:
        """Executes runs until the process gets SIGTERM or SIGINT, which a background process may ignore.

        SIGTERM lets the runs end first, for `RIVYA_FLOWS_WORKER_DRAIN_SECONDS`; the next one does not,
        and the one after that kills the process.
        """
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # this is a coroutine

        def stop() -> None:
            if self._drain_seconds and self._draining is None:
                self._draining = asyncio.create_task(self._drain(task))
                return
            loop.remove_signal_handler(signal.SIGTERM)
            task.cancel()

        with contextlib.suppress(ValueError, RuntimeError):  # not in the main thread
            loop.add_signal_handler(signal.SIGTERM, stop)
        clean_logs()
        prefect_internals.ask_often()
        given = get_current_settings().to_environment_variables(exclude_unset=True)
        patience = {one: value for one, value in PATIENCE.items() if one.name not in given}
        self._patience = {one.name for one in patience}
        with temporary_settings(patience):  # hosts inherit them
            await super().start(*arguments, **options)

    async def _drain(self, working: asyncio.Task[None]) -> None:
        text = "it takes no new runs, and stops after the last of %d, or in %g s"
        self._logger.info(text, self.limiter.borrowed_tokens, self._drain_seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._drain_seconds):
                while self.limiter.borrowed_tokens:
                    await asyncio.sleep(_LOOK_SECONDS)
        working.cancel()

    async def _get_scheduled_flow_runs(self) -> list[WorkerFlowRunResponse]:
        self._asking = True
        try:
            found = await super()._get_scheduled_flow_runs()
        finally:
            self._asking = False
        return found if self._draining is None else []

    def is_worker_still_polling(self, query_interval_seconds: float) -> bool:
        """As Prefect's, also for a worker that waits for its server: a restart would only end its runs."""
        return self._asking or super().is_worker_still_polling(query_interval_seconds)

    async def _submit_run(self, flow_run: FlowRun) -> None:
        """As Prefect's, which ends the worker with all its runs if the server answers with an error."""
        try:
            await super()._submit_run(flow_run)
        except Exception:
            self._logger.exception("%s is not begun; the next look finds it again", flow_run.id)
            self._submitting_flow_run_ids.discard(flow_run.id)
            self._release_limit_slot(flow_run.id)

    async def _give_worker_labels_to_flow_run(self, flow_run_id: UUID) -> None:
        """As Prefect's; the run begins in any case."""
        try:
            await super()._give_worker_labels_to_flow_run(flow_run_id)
        except Exception as error:
            self._logger.warning("%s has no labels of its worker: %s", flow_run_id, error)

    async def _propose_submitting_state(self, flow_run: FlowRun) -> None:
        """Nothing: a flow run that Prefect calls Pending has been taken, and is Running a moment later."""

    async def _propose_crashed_state(
        self, flow_run: FlowRun, message: str, client: PrefectClient | None = None
    ) -> None:
        message = self._reasons.pop(flow_run.id, message)
        await super()._propose_crashed_state(flow_run, message, client)

    async def setup(self) -> None:
        await super().setup()
        SLOTS.set_function(lambda: self.limiter.total_tokens)
        SLOTS_USED.set_function(lambda: self.limiter.borrowed_tokens)
        self._cancellations.start(self.client)

    async def teardown(self, *error: Any) -> None:
        await self._cancellations.stop()
        try:
            await super().teardown(*error)
        finally:
            await self._hosts.end()

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        self.get_flow_run_logger(flow_run).info("executed by the worker %s", self.name)
        for name in prefect_internals.OF_THE_WORKER:
            configuration.env[name] = None
        entrypoint = _MODULE.fullmatch(prefect_internals.imported_from(configuration) or "")
        if entrypoint is None or self._deaths[flow_run.id] >= DEATHS:
            for name in self._patience:  # without `ask_often` its pauses would grow to hours
                configuration.env[name] = None
            # A process also gets the variables and settings of this one that `env` does not rule out,
            # and the settings in any case if its deployment has a command.
            with temporary_settings({PREFECT_CLIENT_METRICS_ENABLED: False}):
                return await super().run(flow_run, configuration, task_status)
        environment = prefect_internals.shared_environment(configuration.env)
        order = Order(str(flow_run.id), entrypoint[1], environment.pop(SPEC_VARIABLE, None))
        for name in (COLLECTION_VARIABLE, SET_VARIABLE, PRICE_VARIABLE):  # which no run reads
            environment.pop(name, None)
        self._cancellations.flow_runs.add(flow_run.id)
        status = 0
        try:
            pid, execution = await self._hosts.begin(order, environment)
            if task_status is not None:
                task_status.started(pid)
            done = await execution
            if done.error:
                status = 1
                self._explain(flow_run, done.error, done.traceback)
        except HostDiedError as error:
            self._deaths[flow_run.id] += 1
            self._explain(flow_run, str(error))
            status = error.status
        except asyncio.CancelledError:  # this worker is stopped
            await self._reschedule(flow_run.id)
            raise
        finally:
            self._cancellations.flow_runs.discard(flow_run.id)
        if flow_run.id in self._cancelled:
            self._cancelled.discard(flow_run.id)
            self._reasons.pop(flow_run.id, None)
            state = (await self.client.read_flow_run(flow_run.id)).state
            if state is None or not state.is_final():  # it did not say so itself
                ended: State[Any] = Cancelled(message="cancelled; bought jobs continue")
                await self.client.set_flow_run_state(flow_run.id, ended, force=True)
            status = 0
        return ProcessWorkerResult(status_code=status, identifier=str(pid))

    async def kill_infrastructure(
        self,
        infrastructure_pid: str,
        configuration: ProcessJobConfiguration,
        grace_seconds: int = 30,
    ) -> None:
        """Kills nothing, so that Prefect marks the flow run as cancelled: it ends in its process by itself."""
        raise InfrastructureNotFound("it shares its process with other flow runs")

    def _cancel(self, flow_run_id: UUID, _: object) -> None:
        self._cancelled.add(flow_run_id)
        self._hosts.cancel(str(flow_run_id))

    def _explain(self, flow_run: FlowRun, reason: str, traceback: str = "") -> None:
        line = self._reasons[flow_run.id] = one_line(reason)
        lines = f"\n{traceback}" if traceback else ""
        self.get_flow_run_logger(flow_run).error("crashed: %s%s", line, lines)

    async def _reschedule(self, flow_run_id: UUID) -> None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_SECONDS):
            await self._hosts.end()
            state: State[Any] = AwaitingRetry(
                message="its worker was stopped; it continues from its journal"
            )
            await self.client.set_flow_run_state(flow_run_id, state, force=True)
