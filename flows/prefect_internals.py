"""What we use of Prefect beyond its documented interface: here, in `flows.worker.prefect_internals`, and nowhere else.

Each docstring names the files of Prefect 3.9.1 that it was read from; pyproject.toml pins the minor version.
tests/flows/test_prefect_internals.py checks every assumption, and that only `CampaignWorker` makes others.

Importing this module does not import Prefect: a server starts while Prefect is still loading.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import UUID
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from prefect import Task
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import DeploymentSchedule, FlowRun, State
    from prefect.client.schemas.schedules import SCHEDULE_TYPES
    from prefect.context import FlowRunContext
    from prefect.events import Event
    from prefect.server.database.configurations import AioSqliteConfiguration
    from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction
    from starlette.types import ASGIApp

READ_FROM = "3.9"
"""The minor version that all of this was read from."""

# --- The server -----------------------------------------------------------------------------------


def api_app() -> ASGIApp:
    """Prefect's API and UI as `prefect server start` serves them: server/api/server.py, `create_app`."""
    from prefect.server.api.server import create_app

    return create_app(final=True)


TURN_SECONDS = 60.0  # that a transaction waits for those before it; as Prefect's busy timeout

_turn: ContextVar[list[bool] | None] = ContextVar("_turn", default=None)


def write_in_turns() -> None:
    """Makes each transaction on SQLite in this process begin as a writer, one after the other.

    SQLite refuses one that reads before it writes if another one wrote in between ("database is locked",
    HTTP 503), whatever the busy timeout. A turn is asked for before the connection: SQLite wakes those
    that wait in no order, and they would keep the pool's connections from readers. Read from
    server/database/configurations.py: all transactions of the server pass `begin_transaction`.
    """
    from prefect.server.database.configurations import AioSqliteConfiguration

    begin = AioSqliteConfiguration.begin_transaction
    turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    @asynccontextmanager
    async def in_turn(
        self: AioSqliteConfiguration, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncIterator[AsyncSessionTransaction]:
        if _turn.get():  # within another one
            async with begin(self, session, with_for_update) as transaction:
                yield transaction
            return
        lock = turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with AsyncExitStack() as stack:
            # After the timeout it asks SQLite, which refuses it if the other one still writes.
            with suppress(TimeoutError):
                await asyncio.wait_for(stack.enter_async_context(lock), TURN_SECONDS)
            mine = [True]  # shared with tasks that it starts, which may outlive it
            token = _turn.set(mine)
            try:
                async with begin(self, session, with_for_update=True) as transaction:
                    yield transaction
            finally:
                mine.clear()
                _turn.reset(token)

    AioSqliteConfiguration.begin_transaction = in_turn  # type: ignore[method-assign]


LEASES_ON_DISK = "prefect.server.concurrency.lease_storage.filesystem"
"""Keeps the leases of concurrency slots in files: in memory, a slot that is held when the server ends is never freed."""

UI_PASSWORD_KEY = "prefect-password"
"""Where server/ui and server/ui-v2 keep the password, in `localStorage`: Base64 of ``user:password``."""

RUN_COUNT_LABEL = "prefect.run-count"
"""The label of a flow run's events that counts its executions, as a string: server/models/events.py."""


async def is_on_sqlite(client: PrefectClient, flow: str) -> bool:
    """Whether a server that has this flow keeps its rows in SQLite, which its settings hide.

    A backslash in a pattern escapes the next character in PostgreSQL, and is a character in SQLite.
    Read from server/schemas/filters.py, `FlowFilterName`. If it changes, doctor overlooks SQLite.
    """
    from prefect.client.schemas.filters import FlowFilter

    async def matches(pattern: str) -> bool:
        named = FlowFilter.model_validate({"name": {"like_": pattern}})
        return bool(await client.read_flows(flow_filter=named, limit=1))

    return await matches(flow) and not await matches(flow.replace("-", r"\-"))


def made_by(run: FlowRun, schedules: Iterable[DeploymentSchedule]) -> DeploymentSchedule | None:
    """The schedule that made a flow run, also by its slug: deploying again may give it another id. None: no such.

    Read from server/models/deployments.py: `created_by` shows the schedule's id, and its slug if it has one.
    """
    if not run.auto_scheduled or run.created_by is None:
        return None
    made, slug = run.created_by.id, run.created_by.display_value
    return next((one for one in schedules if made == one.id or (slug and slug == one.slug)), None)


async def dates_of(
    schedule: SCHEDULE_TYPES, most: int, begin: datetime, end: datetime | None = None
) -> list[datetime]:
    """The first dates of a schedule from a moment on, at most 1,000, as the server plans them, in its time zone.

    Read from server/schemas/schedules.py: each class has the fields of the client's class of the same name.
    """
    from prefect.server.schemas import schedules

    of_server = getattr(schedules, type(schedule).__name__)(**schedule.model_dump())
    # Some are of a class of Prefect's own.
    return [
        datetime.fromtimestamp(one.timestamp(), begin.tzinfo)
        for one in await of_server.get_dates(most, begin, end)
    ]


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

A flow run that is suspended or scheduled again logs an error that it "finished"; each worker of a pool says that
it submits a flow run. Read from flow_engine.py, task_engine.py and workers/base.py.
"""


def executed_before() -> bool:
    """Whether the flow run of this process was executed before: retried, or resumed.

    Read from server/orchestration/core_policy.py: a retry raises `run_count`; a resumed run keeps
    its count and has a `total_run_time`.
    """
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return run is not None and (run.run_count > 1 or run.total_run_time > timedelta(0))


def call_counts(context: FlowRunContext) -> dict[str, int | str]:
    """What the calls in one attempt of a flow run are counted in, by any names.

    Read from context.py and _internal/engine.py: each attempt makes another context, and
    Prefect keeps its own counts there under the keys of tasks.
    """
    return context.task_run_dynamic_keys


class Boxed:
    """A task's result that the graph cannot take for another one.

    Prefect takes an argument for a task's result if it has the `id()` of one that is gone, but for objects
    that can be referenced weakly. Read from utilities/engine/__init__.py, `link_state_to_result`.
    """

    def __init__(self, value: Any) -> None:
        self.value = value


def task_named(
    task: Task[..., Any], name: str, function: Callable[..., Awaitable[Any]]
) -> Task[..., Any]:
    """The task under a name of its own that calls another function, without arguments.

    Read from task_engine.py, which calls `task.fn`, and tasks.py, which formats the run's name with `str.format`.
    """
    from prefect.cache_policies import NO_CACHE

    named = task.with_options(
        name=name,
        task_run_name=name.replace("{", "{{").replace("}", "}}"),
        # The journal alone records a run; Prefect's retries would multiply those of the transport.
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=0,
    )
    named.fn = function
    return named


def goes_on_elsewhere() -> bool:
    """Whether the signal that stops this flow run comes from a container that is taken away.

    `prefect flow-run execute` has then rescheduled the flow run, or leaves that to who started the
    container. Read from cli/flow_run.py, `_termination_intent`.
    """
    from prefect._internal.control_listener import get_intent

    return get_intent() in ("reschedule", "relinquish")


async def send_event(event: Event) -> None:
    """Sends an event, with what is related to this flow run, and returns once the server has it.

    `emit_event` leaves that to a thread, which ends with its process. The server takes an event of one id once.
    Read from events/worker.py, `attach_related_resources_from_context`, and server/api/events.py.
    """
    from prefect import get_client
    from prefect.events.related import related_resources_from_run_context

    async with get_client() as client:
        known = {one.id for one in event.involved_resources}
        related = await related_resources_from_run_context(client, exclude=known)
        event = event.model_copy(update={"related": [*event.related, *related]})
        answer = await client.request("POST", "/events", json=[event.model_dump(mode="json")])
        answer.raise_for_status()


def _senders() -> tuple[Any, ...]:
    """The classes of the threads that send events and logs; none while Prefect is not imported."""
    if "prefect.events.worker" not in sys.modules:
        return ()
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    return EventsWorker, APILogWorker


async def send_pending(seconds: float) -> None:
    """Sends the events and logs that Prefect's threads in this process still hold.

    Read from _internal/concurrency/services.py: a service warns on the logger of its class name of what it holds.
    """
    for worker in _senders():
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

    The process would not exit before each was sent to a dead server for a minute. Read from
    _internal/concurrency/services.py: a service ends when its task is cancelled.
    """
    for service in [one for worker in _senders() for one in worker._instances.values()]:
        if service._task is not None and service._loop is not None:
            with suppress(RuntimeError):  # its loop has ended
                service._loop.call_soon_threadsafe(service._task.cancel)


def has_no_recipient(block: object) -> bool:
    """Whether a notification block took its address for none of its service: blocks/notifications.py."""
    client = getattr(block, "_apprise_client", None)
    return client is not None and not len(client)


# --- Forms of suspended flow runs -----------------------------------------------------------------

_INPUTS = 10_000  # of one flow run: three for each form


async def last_response(
    client: PrefectClient, flow_run_id: UUID, key_prefix: str
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Schema and values of the form of a flow run that was filled in last; None without any.

    Prefect itself reads an answer only of the form that is suspended now. Read from
    input/run_input.py: the keys are ``suspended-KEY-schema`` and ``suspended-KEY-response``, or
    begin with ``paused-``, and the server lists them in the order of their creation.
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
    client: PrefectClient, flow_run_id: UUID, values: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> bool:
    """Resumes a flow run that waits with a form; False if it does not, or just was resumed.

    Read from flow_runs.py: Prefect stores the form a moment after the state. A process that dies in
    between leaves a run that cannot be resumed with values; its state is set instead. Of two that
    resume at once one gets ACCEPT: server/api/flow_runs.py.
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
