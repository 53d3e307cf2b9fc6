"""What we use of Prefect beyond its documented interface to execute many flow runs in one process.

Read, checked and imported as `flows.prefect_internals` is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.orchestration import PrefectClient
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

Read from settings/models/client.py, context.py and runner/_starter_engine.py, which hands on the worker's own
variables. If there are more, all runs of a worker with such a variable crash.
"""


def shared_environment(variables: Mapping[str, str | None]) -> dict[str, str]:
    """The environment of a flow run's process, without what is of this run alone. Read from workers/base.py."""
    return {
        name: value
        for name, value in variables.items()
        if value is not None and name not in _OF_ONE_RUN
    }


PAUSE_SECONDS = 10.0


def ask_often() -> None:
    """Lets Prefect's client in this process repeat a call every `PAUSE_SECONDS` at the latest.

    It doubles its pause with each try. Read from client/base.py. If it changes, runs continue minutes later.
    """
    from prefect.client import base

    pause: Callable[[float, float], float] = vars(base)["clamped_poisson_interval"]

    def short(average: float, factor: float) -> float:
        return pause(min(average, PAUSE_SECONDS), factor)

    setattr(base, "clamped_poisson_interval", short)  # noqa: B010 - not its name to export


def persist_no_results() -> None:
    """Lets the flow runs of this process not ask the server where results are kept: campaigns keep none.

    Read from results.py, which blocks the event loop, and so all runs of the process, until the server answers.
    """
    from prefect import results

    async def none_async() -> None:
        return None

    results._read_server_default_result_storage_block_id = lambda: None
    results._aread_server_default_result_storage_block_id = none_async


def imported_from(configuration: ProcessJobConfiguration) -> str | None:
    """The entrypoint of a flow run that needs nothing but an import; None for any other.

    Read from workers/base.py and workers/process.py. If it changes, runs share no process.
    """
    deployment = configuration._related_objects.get("deployment")
    is_own = configuration._command_configured or configuration.working_dir is not None
    if is_own or deployment is None or deployment.pull_steps or deployment.storage_document_id:
        return None
    entrypoint: str | None = deployment.entrypoint
    return entrypoint


POLL_SECONDS = 2.0


class StateWatch:
    """Asks every `POLL_SECONDS` which of its flow runs are in a state, and says so once of each.

    Prefect's own observers, which are not documented, end for good when their server is away for minutes.
    """

    def __init__(self, state: str, listen: Callable[[UUID, State[Any]], object]) -> None:
        self.flow_runs: set[UUID] = set()
        self._state, self._listen = state, listen
        self._asking: asyncio.Task[None] | None = None

    def start(self, client: PrefectClient) -> None:
        self._asking = asyncio.create_task(self._ask(client))

    async def stop(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    async def _ask(self, client: PrefectClient) -> None:
        from prefect.client.schemas.filters import FlowRunFilter

        while True:
            await asyncio.sleep(POLL_SECONDS)
            if not self.flow_runs:
                continue
            wanted = {"id": {"any_": self.flow_runs}, "state": {"name": {"any_": [self._state]}}}
            with suppress(Exception):  # the server is away
                given = FlowRunFilter.model_validate(wanted)
                for one in await client.read_flow_runs(flow_run_filter=given):
                    if one.state is not None and one.id in self.flow_runs:
                        self.flow_runs.discard(one.id)
                        self._listen(one.id, one.state)


class SharedRuns:
    """What the flow runs of one process share: a client, and who hears that one is suspended.

    Prefect starts a thread with a connection for each, and blocks the loop of all until that stands and until it
    ends. Read from flow_engine.py, _flow_run_suspension.py and context.py.
    """

    async def __aenter__(self) -> Self:
        from prefect import flow_engine
        from prefect._flow_run_suspension import mark_flow_run_suspension_requested as mark
        from prefect.context import AsyncClientContext

        self._stack = AsyncExitStack()
        context = AsyncClientContext()
        self.client = context.client
        # It repeats a refused call only where one succeeded before.
        setattr(self.client._client, "_has_connected", True)  # noqa: B010 - of Prefect's subclass
        await self._stack.enter_async_context(context)
        self._suspensions = StateWatch("Suspended", mark)
        self._suspensions.start(self.client)
        self._stack.push_async_callback(self._suspensions.stop)
        setattr(flow_engine, "observe_flow_run_suspension", self._observe)  # noqa: B010 - not its name to export
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    @contextmanager
    def _observe(self, flow_run_id: UUID, _request: object) -> Iterator[None]:
        self._suspensions.flow_runs.add(flow_run_id)
        try:
            yield
        finally:
            self._suspensions.flow_runs.discard(flow_run_id)

    async def execute(self, flow_run_id: UUID, load: Callable[[], Flow[..., Any]]) -> bool:
        """Executes a flow run as engine.py and flow_engine.py do; whether Prefect knows its state."""
        from prefect.exceptions import Abort, Pause
        from prefect.flow_engine import run_flow
        from prefect.logging.loggers import flow_run_logger

        flow_run = await self.client.read_flow_run(flow_run_id)
        logger = flow_run_logger(flow_run)
        flow = await asyncio.to_thread(load)
        flow_run.parameters = {
            name: await self._load(value) for name, value in flow_run.parameters.items()
        }
        try:
            ended: Any = run_flow(flow, flow_run, return_type="state", error_logger=logger)  # type: ignore[arg-type]  # an adapter will do
            state: State[Any] = await ended
        except (Abort, Pause):  # the server knows better, or waits for an answer
            return True
        return state.is_final()

    async def _load(self, value: Any) -> Any:
        """A parameter with the block that it refers to, which Prefect would load in the event loop."""
        from prefect.blocks.core import Block

        if not (isinstance(value, dict) and "$ref" in value):
            return value
        try:
            return await Block.aload_from_ref(value["$ref"], client=self.client)
        except (ValueError, RuntimeError):  # Prefect says so when it validates the parameters
            return value
