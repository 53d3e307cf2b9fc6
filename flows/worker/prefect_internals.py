"""What we use of Prefect beyond its documented interface to execute many flow runs in one process.

As in `flows.prefect_internals`: read from Prefect 3.9.1, and tests/flows/test_prefect_internals.py checks every
assumption. Prefect is imported when it is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import State
    from prefect.workers.process import ProcessJobConfiguration

_OF_ONE_RUN = (
    "PREFECT__FLOW_RUN_ID",
    "PREFECT__FLOW_ID",
    "PREFECT__FLOW_NAME",
    "PREFECT__DEPLOYMENT_ID",
    "PREFECT__DEPLOYMENT_NAME",
)
OF_THE_WORKER = ("PREFECT_CLIENT_METRICS_ENABLED", "PREFECT_CLIENT_ENABLE_METRICS")
"""Variables that open a port, which a worker has and its flow runs cannot have too.

Read from settings/models/client.py and context.py, which opens the port for each flow run, and from
runner/_starter_engine.py, which hands on the worker's own variables. If there are more, all runs of a
worker with such a variable crash.
"""


def shared_environment(variables: Mapping[str, str | None]) -> dict[str, str]:
    """The environment of a flow run's process, without what belongs to this flow run alone.

    Read from workers/base.py. The variables that are left out are attributed requests, and the id
    of the flow run, which the engine is told. If there are more, runs share no process.
    """
    return {
        name: value
        for name, value in variables.items()
        if value is not None and name not in _OF_ONE_RUN
    }


PAUSE_SECONDS = 10.0


def ask_often() -> None:
    """Lets Prefect's client in this process repeat a call every `PAUSE_SECONDS` at the latest.

    It doubles its pause with each try: a server that was away for 5 minutes is asked again up to
    4 minutes after it came back. Read from client/base.py. If it changes, runs wait that long.
    """
    from prefect.client import base

    pause: Callable[[float, float], float] = vars(base)["clamped_poisson_interval"]

    def short(average: float, factor: float) -> float:
        return pause(min(average, PAUSE_SECONDS), factor)

    setattr(base, "clamped_poisson_interval", short)  # noqa: B010 - not its name to export


def persist_no_results() -> None:
    """Lets the flow runs of this process not ask the server where results are kept: campaigns keep none.

    Prefect asks it twice at the start of each flow run, and blocks the event loop until the server
    answers. Read from results.py. If it changes, one run that begins while the server is slow stops
    all runs of its process.
    """
    from prefect import results

    async def none_async() -> None:
        return None

    results._read_server_default_result_storage_block_id = lambda: None
    results._aread_server_default_result_storage_block_id = none_async


def imported_from(configuration: ProcessJobConfiguration) -> str | None:
    """The entrypoint of a flow run that needs nothing but an import; None for any other.

    Read from workers/base.py and workers/process.py: `prepare_for_flow_run` notes the deployment,
    and whether the command is its own. If it changes, runs share no process.
    """
    deployment = configuration._related_objects.get("deployment")
    if configuration._command_configured or configuration.working_dir is not None:
        return None
    if deployment is None or deployment.pull_steps or deployment.storage_document_id is not None:
        return None
    entrypoint: str | None = deployment.entrypoint
    return entrypoint


POLL_SECONDS = 10.0
"""How often an observer asks while its server sends no events; three failures in a row end it."""


class Observation:
    """Hears what is asked of the flow runs that are added, from `start` to `stop`.

    Prefect's observer ends for good when its server is away for minutes. Another one takes its place,
    which hears only what happens from now on, and so asks first. Read from _internal/observers.py and
    _internal/_observation_delivery.py. If they change, a worker of campaigns or a host does not start.
    """

    def __init__(
        self,
        kind: Callable[..., Any],
        heard: Callable[..., object],
        ask: Callable[[Any], Awaitable[None]],
    ) -> None:
        self._kind, self._heard, self._ask = kind, heard, ask
        self._flow_runs: set[UUID] = set()
        self._observer: Any = None
        self._observing: asyncio.Task[None] | None = None

    def add(self, flow_run_id: UUID) -> None:
        self._flow_runs.add(flow_run_id)
        if self._observer is not None:
            self._observer.add_in_flight_flow_run_id(flow_run_id)

    def remove(self, flow_run_id: UUID) -> None:
        self._flow_runs.discard(flow_run_id)
        if self._observer is not None:
            self._observer.remove_in_flight_flow_run_id(flow_run_id)

    def start(self) -> None:
        """Begins in the background; what is asked until then is heard too."""
        self._observing = asyncio.create_task(self._observe())

    async def stop(self) -> None:
        """Ends; does nothing before `start`."""
        if self._observing is not None:
            self._observing.cancel()
            await asyncio.wait([self._observing])

    async def _observe(self) -> None:
        while True:
            ended = asyncio.Event()
            async with self._kind(
                self._heard,
                polling_interval=POLL_SECONDS,
                on_failure=lambda _, ended=ended: ended.set(),
            ) as self._observer:
                for flow_run_id in self._flow_runs:
                    self._observer.add_in_flight_flow_run_id(flow_run_id)
                while not ended.is_set():
                    with suppress(Exception):  # the server is still away
                        await self._ask(self._observer)
                        break
                    await asyncio.sleep(POLL_SECONDS)
                await ended.wait()
            await asyncio.sleep(POLL_SECONDS)  # a refusal ends it at once


def cancellations(heard: Callable[[UUID], None]) -> Observation:
    """Hears which flow runs a person cancels, maybe more than once."""
    from prefect._internal.observers import FlowRunCancellingObserver as Observer

    return Observation(Observer, heard, Observer._check_for_cancelled_flow_runs)


class SharedRuns:
    """What the flow runs of one process share: a client, and who hears that one is suspended.

    For each flow run of a deployment, Prefect starts a thread with an event loop and a connection
    of its own to hear that it was suspended from outside, and blocks the loop of the run until that
    stands and until it ends. One observation hears it for all. Read from flow_engine.py,
    _flow_run_suspension.py and context.py. If it changes, the runs of a process block each other.
    """

    async def __aenter__(self) -> Self:
        from prefect import flow_engine
        from prefect._flow_run_suspension import mark_flow_run_suspension_requested as mark
        from prefect._internal.observers import FlowRunSuspendingObserver as Observer
        from prefect.context import AsyncClientContext

        self._stack = AsyncExitStack()
        context = AsyncClientContext()
        self.client = context.client
        # It repeats a refused call only where one succeeded before.
        setattr(self.client._client, "_has_connected", True)  # noqa: B010 - of Prefect's subclass
        await self._stack.enter_async_context(context)
        self._suspensions = Observation(Observer, mark, Observer._check_for_suspended_flow_runs)
        self._suspensions.start()
        self._stack.push_async_callback(self._suspensions.stop)
        setattr(flow_engine, "observe_flow_run_suspension", self._observe)  # noqa: B010 - not its name to export
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    @contextmanager
    def _observe(self, flow_run_id: UUID, _request: object) -> Iterator[None]:
        self._suspensions.add(flow_run_id)
        try:
            yield
        finally:
            self._suspensions.remove(flow_run_id)

    async def execute(self, flow_run_id: UUID, load: Callable[[], Flow[..., Any]]) -> bool:
        """Executes a flow run to its end; whether Prefect knows its state.

        Read from engine.py, which does the same in a process of its own, and flow_engine.py.
        """
        from prefect.exceptions import Abort, Pause
        from prefect.flow_engine import run_flow
        from prefect.logging.loggers import flow_run_logger

        flow_run = await self.client.read_flow_run(flow_run_id)
        logger = flow_run_logger(flow_run)
        flow = await asyncio.to_thread(load)
        flow_run.parameters = {
            name: await self._loaded(value) for name, value in flow_run.parameters.items()
        }
        try:
            ended: Any = run_flow(flow, flow_run, return_type="state", error_logger=logger)  # type: ignore[arg-type]  # an adapter will do
            state: State[Any] = await ended
        except (Abort, Pause):  # the server knows better, or waits for an answer
            return True
        return state.is_final()

    async def _loaded(self, value: Any) -> Any:
        """A parameter with the block that it refers to, which Prefect would load in the event loop."""
        from prefect.blocks.core import Block

        if not (isinstance(value, dict) and "$ref" in value):
            return value
        try:
            return await Block.aload_from_ref(value["$ref"], client=self.client)
        except (ValueError, RuntimeError):  # Prefect says so when it validates the parameters
            return value
