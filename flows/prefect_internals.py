"""What we use of Prefect beyond its documented interface: here, and nowhere else.

Only `CampaignWorker` overrides private methods of its base class; the test below lists them, and why.
All of it was read from Prefect 3.9.1, in the files that each docstring names (relative to the
package `prefect`); pyproject.toml pins the minor version. tests/flows/test_prefect_internals.py
checks every assumption and that no other module makes one.

Importing this module does not import Prefect: a server starts while Prefect is still loading.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from prefect import Flow, Task
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import (
        ConcurrencyLeaseHolder,
        DeploymentSchedule,
        FlowRun,
        State,
    )
    from prefect.client.schemas.schedules import SCHEDULE_TYPES
    from prefect.context import FlowRunContext
    from prefect.events import Event
    from prefect.server.database.configurations import AioSqliteConfiguration
    from prefect.workers.process import ProcessJobConfiguration
    from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
    from starlette.types import ASGIApp

READ_FROM = "3.9"
"""The minor version that all of this was read from."""

# --- The server -----------------------------------------------------------------------------------


def api_app() -> ASGIApp:
    """Prefect's API and UI as `prefect server start` serves them.

    Read from server/api/server.py, `create_app`. If it changes, no local server starts.
    """
    from prefect.server.api.server import create_app

    return create_app(final=True)


TURN_SECONDS = 60.0
"""How long a transaction waits for those before it; Prefect's busy timeout is the same."""

_turn: ContextVar[list[bool] | None] = ContextVar("_turn", default=None)


def write_in_turns() -> None:
    """Makes each transaction on SQLite in this process begin as a writer, one after the other.

    A transaction that reads before it writes is refused at once if another one wrote in between
    ("database is locked", HTTP 503), whatever the busy timeout. In turns, and asked for before the
    connection: SQLite wakes those that wait in no order, and they would keep the pool's connections
    from readers. A transaction within another one begins as Prefect began it. Read from
    server/database/configurations.py, `AioSqliteConfiguration.begin_transaction`, which all
    transactions of the server pass. If it changes, forms and answers are refused under load.
    """
    from prefect.server.database.configurations import AioSqliteConfiguration

    begin = AioSqliteConfiguration.begin_transaction
    turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    @asynccontextmanager
    async def in_turn(
        self: AioSqliteConfiguration, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncIterator[AsyncSessionTransaction]:
        outer = _turn.get()
        if outer is not None and outer[0]:
            async with begin(self, session, with_for_update) as transaction:
                yield transaction
            return
        lock = turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        mine = [True]  # shared with tasks that it starts, which may outlive it
        # After the timeout it asks SQLite, which refuses it if the other one still writes.
        with suppress(TimeoutError):
            await asyncio.wait_for(lock.acquire(), TURN_SECONDS)
            mine.append(True)
        token = _turn.set(mine)
        try:
            async with begin(self, session, with_for_update=True) as transaction:
                yield transaction
        finally:
            mine[0] = False
            _turn.reset(token)
            if len(mine) > 1:
                lock.release()

    AioSqliteConfiguration.begin_transaction = in_turn  # type: ignore[method-assign]


LEASES_ON_DISK = "prefect.server.concurrency.lease_storage.filesystem"
"""The module that keeps the leases of concurrency slots in files.

Read from server/concurrency/lease_storage/. If it moves, no local server starts. The default, in
memory, loses its leases when the server ends: a slot that is held then is never freed.
"""

UI_PASSWORD_KEY = "prefect-password"  # the name of the entry
"""Where both UIs keep the password, in `localStorage`: Base64 of ``user:password``.

Read from server/ui and server/ui-v2. If it changes, the UI asks for the password of `up`.
"""

RUN_COUNT_LABEL = "prefect.run-count"
"""The label of a flow run's events that counts its executions, as a string.

Read from server/models/events.py. If it changes, crashed runs are not started again by the
automation, only by the sweep of `recovery.lost_runs`.
"""


async def is_on_sqlite(client: PrefectClient, flow: str) -> bool:
    """Whether a server keeps its rows in SQLite, which its settings hide.

    A backslash in a pattern escapes the next character in PostgreSQL, and is a character in SQLite.
    Read from server/schemas/filters.py, `FlowFilterName`. If it changes, doctor overlooks SQLite.

    Args:
        client: Of the server.
        flow: The name of a flow that it has, with a hyphen.
    """

    async def found(pattern: str) -> bool:
        named = FlowFilter(name=FlowFilterName(like_=pattern))
        return bool(await client.read_flows(flow_filter=named, limit=1))

    from prefect.client.schemas.filters import FlowFilter, FlowFilterName

    return await found(flow) and not await found(flow.replace("-", r"\-"))


async def take_slots(
    client: PrefectClient,
    limits: list[str],
    lease_seconds: float,
    holder: ConcurrencyLeaseHolder | None,
) -> UUID | None:
    """Takes one slot of each limit, or none of any; the id of the lease, None if one is full.

    Read from server/api/concurrency_limits_v2.py: full is HTTP 423, and a lease is answered as
    ``{"lease_id": …}``. If it changes, runs in a concurrency group end with `LimitError`.

    Raises:
        Exception: Whatever else the client raises.
    """
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        answer = await client.increment_concurrency_slots_with_lease(
            limits, 1, "concurrency", lease_seconds, holder
        )
    except PrefectHTTPStatusError as error:
        if error.response.status_code == HTTPStatus.LOCKED:
            return None
        raise
    return UUID(answer.json()["lease_id"])


def schedule_slug(run: FlowRun) -> str | None:
    """The slug of the schedule that made a flow run; None if no schedule made it.

    Read from server/models/deployments.py: `created_by` shows the slug, or the schedule's class
    where it has none, and the schedule's id. If it changes, every scheduled run is skipped.
    """
    if not run.auto_scheduled or run.created_by is None:
        return None
    return run.created_by.display_value


def made_by(run: FlowRun, schedules: Iterable[DeploymentSchedule]) -> DeploymentSchedule | None:
    """The schedule that made a flow run; None if it is not among these.

    By its slug too: deploying again may give a schedule another id. As `schedule_slug`.
    """
    slug, made = schedule_slug(run), run.created_by.id if run.created_by else None
    for one in schedules:
        if made == one.id or (slug is not None and slug == one.slug):
            return one
    return None


_BY_THE_UI = re.compile(
    "(Awesome|Rustic|Small|Gorgeous|Fantastic|Sleek|Intelligent|Unbranded|Refined|Licensed|Generic"
    "|Practical|Ergonomic|Handcrafted|Tasty|Handmade|Incredible)-"
)


async def dates_of(
    schedule: SCHEDULE_TYPES, most: int, begin: datetime, end: datetime | None = None
) -> list[datetime]:
    """The first dates of a schedule from a moment on, as the server plans them, in its time zone.

    Read from server/schemas/schedules.py: each class has the fields of the client's class of the same
    name, and `get_dates`, which gives at most 1,000.
    """
    from prefect.server.schemas import schedules

    of_server = getattr(schedules, type(schedule).__name__)(**schedule.model_dump())
    # Some are of a class of Prefect's own.
    return [
        datetime.fromtimestamp(one.timestamp(), begin.tzinfo)
        for one in await of_server.get_dates(most, begin, end)
    ]


def is_made_up(name: str) -> bool:
    """Whether Prefect made up the name of a flow run, so that nobody has typed it.

    Read from utilities/names.py: the server joins two words of `coolname`. Read from the form of
    server/ui-v2: an adjective of these with a capital letter, and an animal. If it changes, runs keep
    the names that Prefect makes up.
    """
    first, _, second = name.partition("-")
    return _BY_THE_UI.match(name) is not None or {first, second} <= _made_up_words()


@functools.cache
def _made_up_words() -> frozenset[str]:
    from coolname import data  # Prefect's dependency

    lists: dict[str, Any] = data.config
    return frozenset(word for one in lists.values() for word in one.get("words", ()))


# --- Flow runs and task runs ----------------------------------------------------------------------

ROUTINE_LINES: Mapping[str, tuple[str, ...]] = {
    "prefect.task_runs": ("Finished in state Completed",),
    "prefect.flow_runs": (
        "Finished in state Running",
        "Finished in state Suspended",
        "Finished in state AwaitingRetry",
    ),
    "prefect.flow_runs.worker": (
        "Worker '",
        "Running on worker id: ",
        "Aborted submission of flow run ",
    ),
}
"""Beginnings of lines, by logger, that say nothing new or something wrong.

Each task run that ended well is in the graph; a flow run that is cancelled, suspended or scheduled
again logs an error that it "finished". Each worker of a pool says that it submits a flow run, and
all but one then that they do not. Read from flow_engine.py, task_engine.py and workers/base.py. If
the text changes, the log shows these lines again.
"""


def executed_before() -> bool:
    """Whether the flow run of this process was executed before: retried, or resumed.

    Read from server/orchestration/core_policy.py: a retry raises `run_count`; a resumed run keeps
    its count and has a `total_run_time`. If it changes, a resumed run shows its artifacts twice.
    """
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return run is not None and (run.run_count > 1 or run.total_run_time > timedelta(0))


def call_counts(context: FlowRunContext) -> dict[str, int | str]:
    """What the calls in one attempt of a flow run are counted in, by any names.

    Read from context.py and _internal/engine.py: the context is made anew for each attempt, and
    Prefect keeps its own counts there under the keys of tasks. If it changes, two equal calls of a
    campaign in one flow are one run, or a flow that calls campaigns fails.
    """
    return context.task_run_dynamic_keys


class Boxed:
    """A task's result that the graph cannot take for another one.

    Prefect takes an argument for a task's result if it has the `id()` of one, also if that result
    is gone and its memory is used again. It is right only about objects that can be referenced
    weakly and that it does not look into. Edges come from `wait_for` instead. Read from
    utilities/engine/__init__.py, `link_state_to_result`. If it changes, the graph has wrong edges.
    """

    def __init__(self, value: Any) -> None:
        self.value = value


def task_named(
    task: Task[..., Any], name: str, function: Callable[..., Awaitable[Any]]
) -> Task[..., Any]:
    """The task under a name of its own that calls another function with the same signature.

    Read from task_engine.py, which calls `task.fn`, and tasks.py, which formats the run's name
    with `str.format`. If it changes, task runs end without the result that the run waits for, or
    a key with braces fails.
    """
    named = task.with_options(name=name, task_run_name=name.replace("{", "{{").replace("}", "}}"))
    named.fn = function
    return named


RESERVED_PARAMETERS = frozenset({"wait_for", "return_state", "self", "cls"})
"""Parameters that a flow cannot have in its form.

Read from flows.py, which refuses the first two; the form leaves out the others, as if the flow were
a method. If there are more, a spec with an input of that name does not compile.
"""


def goes_on_elsewhere() -> bool:
    """Whether the signal that stops this flow run comes from a container that is taken away.

    `prefect flow-run execute` has then rescheduled the flow run, or leaves that to who started the
    container. Read from cli/flow_run.py, `_termination_intent`, and _internal/control_listener.py.
    If it changes, such a run counts as cancelled until it continues.
    """
    from prefect._internal.control_listener import get_intent

    return get_intent() in ("reschedule", "relinquish")


async def send_event(event: Event) -> None:
    """Sends an event, with what is related to this flow run, and returns once the server has it.

    `emit_event` leaves that to a thread, which ends with its process. The server takes an event of one
    id once. Read from events/worker.py, `attach_related_resources_from_context`, and
    server/api/events.py, `create_events`. If it changes, ends of runs are not announced, but by Prefect.

    Raises:
        Exception: Whatever the client raises.
    """
    from prefect import get_client
    from prefect.events.related import related_resources_from_run_context

    async with get_client() as client:
        known = {one.id for one in event.involved_resources}
        related = await related_resources_from_run_context(client, exclude=known)
        event = event.model_copy(update={"related": [*event.related, *related]})
        answer = await client.request("POST", "/events", json=[event.model_dump(mode="json")])
        answer.raise_for_status()


async def send_pending(seconds: float) -> None:
    """Sends the events and logs that Prefect's threads in this process still hold.

    Read from events/worker.py, logging/handlers.py and _internal/concurrency/services.py: a service
    is drained by `drain_all`, and warns on the logger of its class name about what it still holds.
    If it changes, the last events and log lines of a run are lost.

    Args:
        seconds: How long to wait for each of the two.
    """
    if "prefect.events.worker" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (EventsWorker, APILogWorker):
        logger = logging.getLogger(worker.__name__)
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            draining = worker.drain_all(timeout=seconds)
            if asyncio.iscoroutine(draining):
                await draining
        finally:
            logger.setLevel(level)


def drop_pending() -> None:
    """Forgets the events and logs that Prefect's threads in this process still hold.

    For a server that died: each of them would be sent again and again for a minute, one after the
    other, and the process would not exit before. Read from _internal/concurrency/services.py:
    a service ends when its task is cancelled. If it changes, such a process exits late.
    """
    if "prefect.events.worker" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    workers: list[Any] = [EventsWorker, APILogWorker]
    for service in [one for worker in workers for one in worker._instances.values()]:
        if service._task is not None and service._loop is not None:
            with suppress(RuntimeError):  # its loop has ended
                service._loop.call_soon_threadsafe(service._task.cancel)


# --- Many flow runs in one process ----------------------------------------------------------------

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

    Args:
        kind: The class of the observer.
        heard: What it calls.
        ask: Has it ask for the states of its flow runs.
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
        """Hears of a flow run from now on."""
        self._flow_runs.add(flow_run_id)
        if self._observer is not None:
            self._observer.add_in_flight_flow_run_id(flow_run_id)

    def remove(self, flow_run_id: UUID) -> None:
        """Hears of a flow run no more."""
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
    """Hears which flow runs a person cancels.

    Args:
        heard: Called with the flow run, maybe more than once.
    """
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

        Args:
            flow_run_id: The flow run.
            load: Gives its flow; called in a thread.

        Raises:
            BaseException: Whatever ended the flow run in an unforeseen way.
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


# --- Forms of suspended flow runs -----------------------------------------------------------------

_INPUTS = 10_000  # of one flow run: three for each form


async def last_response(
    client: PrefectClient, flow_run_id: UUID, key_prefix: str
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Schema and values of the form of a flow run that was filled in last; None without any.

    Prefect itself reads an answer only of the form that is suspended now. Read from
    input/run_input.py: the keys are ``suspended-KEY-schema`` and ``suspended-KEY-response``, or
    begin with ``paused-``, and the server lists them in the order of their creation. If it changes,
    answers given in a form are not seen, and the run asks again.

    Args:
        client: Of the server.
        flow_run_id: The flow run.
        key_prefix: Beginning of the keys that the forms were suspended or paused with.
    """
    found = await client.filter_flow_run_input(flow_run_id, "", limit=_INPUTS, exclude_keys=set())
    ours = (f"suspended-{key_prefix}", f"paused-{key_prefix}")
    values = {one.key: one.decoded_value for one in found if one.key.startswith(ours)}
    responses = [key for key in values if key.endswith("-response")]
    if not responses:
        return None
    schema = values.get(responses[-1].removesuffix("response") + "schema")
    return schema or {}, values[responses[-1]]


async def resume_suspended(
    client: PrefectClient,
    flow_run_id: UUID,
    values: Callable[[Mapping[str, Any]], dict[str, Any]],
) -> bool:
    """Resumes a flow run that waits with a form; False if it does not, or just was resumed.

    Read from flow_runs.py: Prefect stores the form a moment after the state. A process that dies in
    between leaves a run that nobody can resume with values; its state is set instead. Read from
    server/api/flow_runs.py: two that resume at once get one ACCEPT. If it changes, deadlines of
    questions do not act.

    Args:
        client: Of the server.
        flow_run_id: The flow run.
        values: Makes the values of the form from its schema.
    """
    from prefect.client.schemas.responses import SetStateStatus
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.states import Scheduled

    state = (await client.read_flow_run(flow_run_id)).state
    keys = state.state_details.run_input_keyset if state else None
    if state is None or not state.is_paused() or not keys:
        return False
    try:
        schema = json.loads(await client.read_flow_run_input(flow_run_id, keys["schema"]))
    except PrefectHTTPStatusError as error:
        if error.response.status_code != HTTPStatus.NOT_FOUND:
            raise
        if not state.state_details.pause_reschedule:
            return False  # its process lives and is about to store the form
        resuming: State[Any] = Scheduled(name="Resuming", scheduled_time=datetime.now(UTC))
        answer = await client.set_flow_run_state(flow_run_id, resuming)
    else:
        answer = await client.resume_flow_run(flow_run_id, values(schema))
    return answer.status == SetStateStatus.ACCEPT
