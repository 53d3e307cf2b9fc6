"""The worker: takes flow runs from Prefect, and executes those of campaigns in shared processes.

Prefect imports this module by the entry point `prefect.collections`; it finds the block of
`flows.credentials` here too.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from collections import OrderedDict
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio
from prefect.exceptions import InfrastructureNotFound
from prefect.states import AwaitingRetry, Cancelled
from prefect.workers.process import (
    ProcessJobConfiguration,
    ProcessVariables,
    ProcessWorker,
    ProcessWorkerResult,
)

from rivya_flows.flows.compiler import ENTRYPOINT_MODULE
from rivya_flows.flows.credentials import RivyaCredentials
from rivya_flows.flows.deploy_blocks import COLLECTION_VARIABLE, SET_VARIABLE, SPEC_VARIABLE
from rivya_flows.flows.prefect_internals import (
    cancellations,
    imported_from,
    shared_environment,
)
from rivya_flows.flows.worker.hosts import HostDiedError, Hosts
from rivya_flows.flows.worker.messages import Execute
from rivya_flows.flows.worker.worker_metrics import SLOTS, SLOTS_USED
from rivya_flows.settings import read_settings

if TYPE_CHECKING:
    from anyio.abc import TaskStatus
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun, State

__all__ = ["CampaignWorker", "RivyaCredentials"]

LIMIT = 50
"""Runs at once, unless ``--limit`` or ``RIVYA_FLOWS_WORKER_LIMIT`` says otherwise."""

STOP_SECONDS = 20.0
"""How long a worker that is stopped waits for its server; what it cannot tell is found later."""

_REMEMBERED = 1_000  # runs whose process died
_MODULE = re.compile(rf"{re.escape(ENTRYPOINT_MODULE)}[.:](\w+)")


class CampaignWorker(ProcessWorker):
    """Executes the flow runs of campaigns in few processes, and any other in one of its own.

    A flow run shares a process with others if its deployment runs a spec and sets neither a
    command nor a working directory nor pull steps. Runs whose deployments set different
    environment variables do not share one. A run whose process died is executed in one of its own the
    next time, so that it can take no other along again.
    """

    type = "campaign"
    job_configuration = ProcessJobConfiguration
    job_configuration_variables = ProcessVariables  # type: ignore[assignment]  # of the parent
    _display_name = "Campaign"
    _description = "Execute the flow runs of many campaigns in few processes that stay warm."
    _documentation_url = ""

    _observer: Any = None  # of `cancellations`

    def __init__(self, work_pool_name: str, **options: Any) -> None:
        limit = options.pop("limit", None) or read_settings().rivya_flows_worker_limit or LIMIT
        super().__init__(work_pool_name, limit=limit, **options)
        self._hosts = Hosts()
        self._running: set[UUID] = set()
        self._cancelled: set[UUID] = set()
        self._alone: OrderedDict[UUID, None] = OrderedDict()

    async def start(self, *arguments: Any, **options: Any) -> None:
        """Executes runs until the process gets SIGTERM or SIGINT; a second SIGTERM kills it.

        Prefect makes SIGINT of SIGTERM, which a process started in the background may ignore.
        """
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # this is a coroutine

        def stop() -> None:
            loop.remove_signal_handler(signal.SIGTERM)
            task.cancel()

        with contextlib.suppress(ValueError, RuntimeError):  # not in the main thread
            loop.add_signal_handler(signal.SIGTERM, stop)
        await super().start(*arguments, **options)

    async def setup(self) -> None:
        await super().setup()
        SLOTS.set_function(lambda: self.limiter.total_tokens)
        SLOTS_USED.set_function(lambda: self.limiter.borrowed_tokens)
        self._observing = asyncio.create_task(self._observe_cancellations())

    async def teardown(self, *error: Any) -> None:
        self._observing.cancel()
        await asyncio.wait([self._observing])
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
        """Executes a flow run to its end; see the class for where."""
        configuration.env["PREFECT_CLIENT_METRICS_ENABLED"] = "false"  # this worker has their port
        entrypoint = _MODULE.fullmatch(imported_from(configuration) or "")
        if entrypoint is None or flow_run.id in self._alone:
            return await super().run(flow_run, configuration, task_status)
        environment = shared_environment(configuration.env)
        order = Execute(str(flow_run.id), entrypoint[1], environment.pop(SPEC_VARIABLE, None))
        for name in (COLLECTION_VARIABLE, SET_VARIABLE):  # which only `deploy` reads
            environment.pop(name, None)
        host_pids: list[int] = []

        def begun(pid: int) -> None:
            host_pids.append(pid)
            if task_status is not None:
                task_status.started(pid)

        self._running.add(flow_run.id)
        if self._observer is not None:
            self._observer.add_in_flight_flow_run_id(flow_run.id)
        try:
            status = await self._hosts.execute(order, environment, begun)
        except HostDiedError as error:
            self._remember(flow_run.id)
            self.get_flow_run_logger(flow_run).error("%s", error)
            status = error.status
        except asyncio.CancelledError:  # this worker is stopped
            await self._reschedule(flow_run.id)
            raise
        finally:
            self._running.discard(flow_run.id)
            if self._observer is not None:
                self._observer.remove_in_flight_flow_run_id(flow_run.id)
        if flow_run.id in self._cancelled:
            self._cancelled.discard(flow_run.id)
            await _end_cancelled(self.client, flow_run.id)
            status = 0
        return ProcessWorkerResult(status_code=status, identifier=str(host_pids[-1]))

    async def kill_infrastructure(
        self,
        infrastructure_pid: str,
        configuration: ProcessJobConfiguration,
        grace_seconds: int = 30,
    ) -> None:
        """Kills nothing: a flow run that has not begun ends in its process as soon as it would.

        Raises:
            InfrastructureNotFound: Always, so that Prefect marks the flow run as cancelled.
        """
        raise InfrastructureNotFound("it shares its process with other flow runs")

    async def _observe_cancellations(self) -> None:
        """Cancels runs, as long as the worker lives.

        Prefect's observer gives up for ever when its server is away for minutes.
        """
        while True:
            gave_up = asyncio.Event()

            def unavailable(_: object, gave_up: asyncio.Event = gave_up) -> None:
                gave_up.set()

            async with cancellations(self._cancel, unavailable) as observer:
                self._observer = observer
                for flow_run_id in self._running:
                    observer.add_in_flight_flow_run_id(flow_run_id)
                # A new one hears only what happens from now on.
                await asyncio.gather(*map(self._cancel_if_asked, self._running))
                await gave_up.wait()

    async def _cancel_if_asked(self, flow_run_id: UUID) -> None:
        with contextlib.suppress(Exception):  # the server is still away: asked again soon
            state = (await self.client.read_flow_run(flow_run_id)).state
            if state is not None and state.is_cancelling():
                self._cancel(flow_run_id)

    def _cancel(self, flow_run_id: UUID) -> None:
        self._cancelled.add(flow_run_id)
        self._hosts.cancel(str(flow_run_id))

    def _remember(self, flow_run_id: UUID) -> None:
        self._alone[flow_run_id] = None
        if len(self._alone) > _REMEMBERED:
            self._alone.popitem(last=False)

    async def _reschedule(self, flow_run_id: UUID) -> None:
        """Lets another worker continue a flow run at once."""
        with anyio.CancelScope(shield=True), anyio.move_on_after(STOP_SECONDS):
            await self._hosts.end()
            state: State[Any] = AwaitingRetry(
                message="its worker was stopped; it continues from its journal"
            )
            await self.client.set_flow_run_state(flow_run_id, state, force=True)


async def _end_cancelled(client: PrefectClient, flow_run_id: UUID) -> None:
    """Ends a flow run that was cancelled and did not say so itself."""
    state = (await client.read_flow_run(flow_run_id)).state
    if state is None or not state.is_final():
        ended: State[Any] = Cancelled(message="cancelled; bought jobs continue")
        await client.set_flow_run_state(flow_run_id, ended, force=True)
