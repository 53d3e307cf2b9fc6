"""The flow run that this code is in: its logger, and the id of its run.

The id is the same in all retries, so that nothing is bought again. If another flow calls the campaign, it follows
from the outermost flow run and from the call: Prefect makes another flow run for the campaign in each retry.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple
from uuid import UUID

from prefect import get_client, get_run_logger
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext, TaskRunContext

from rivya_flows.engine.observers import CleanedLines
from rivya_flows.errors import UsageError
from rivya_flows.flows.prefect_internals import ROUTINE_LINES, call_counts
from rivya_flows.language.workflow import Inputs, Workflow

Logger = logging.Logger | logging.LoggerAdapter[Any]

_MOST_CLAIMS = 10_000


def run_logger() -> Logger:
    """The logger of this flow run or task run, without control characters and routine lines."""
    clean_logs()
    return get_run_logger()


def clean_logs() -> None:
    """Keeps control characters and routine lines out of what this process logs of flow runs."""
    for name, routine in ROUTINE_LINES.items():
        logger = logging.getLogger(name)
        if not any(isinstance(one, CleanedLines) for one in logger.filters):
            logger.addFilter(CleanedLines(routine))


def run_id_of(flow_run_id: str) -> str:
    """The id of the run that a deployment's flow run executes: the same in all its retries."""
    return f"run-{flow_run_id}"


def flow_run_of(run_id: str) -> UUID | None:
    """The flow run that a deployment's run belongs to; None for all other runs."""
    try:
        return UUID(run_id.removeprefix(run_id_of("")))
    except ValueError:
        return None


def flow_run_here() -> FlowRun | None:
    """The flow run that this code is in; None outside of one."""
    context = FlowRunContext.get()
    return context.flow_run if context else None


def can_be_suspended() -> bool:
    """Whether Prefect suspends this flow run: one of a deployment that no other flow run called."""
    run = flow_run_here()
    return run is not None and run.deployment_id is not None and run.parent_task_run_id is None


class RunId(NamedTuple):
    """The id of the run that a flow run executes, and the key that it was called with, if any."""

    text: str
    run_key: str | None = None


class _Call(NamedTuple):
    """Who called a campaign: the flow run, and the task run in it; with which key."""

    flow: FlowRunContext
    task: TaskRunContext | None
    run_key: str | None


_CALL: ContextVar[_Call | None] = ContextVar("rivya_flows_call", default=None)
_nested: dict[str, tuple[object, UUID]] = {}
"""By run id: the attempt of the outermost flow run, and the flow run within it, that called the run last."""


@contextmanager
def remember_call(run_key: str | None) -> Iterator[None]:
    """Remembers who calls a campaign, for `run_id_here` in its flow run."""
    flow = FlowRunContext.get()
    if flow is None and run_key is not None:
        raise UsageError(
            f"run_key {run_key!r} was given outside of a flow",
            "it names a run within the flow run that calls; call the campaign in a flow of your own",
        )
    token = _CALL.set(_Call(flow, TaskRunContext.get(), run_key) if flow else None)
    try:
        yield
    finally:
        _CALL.reset(token)


async def run_id_here(workflow: Workflow, inputs: Inputs, wallet: str | None) -> RunId:
    """The id of the run of this flow run; inputs that equal their default do not change it."""
    run, call = flow_run_here(), _CALL.get()
    parent = call.flow.flow_run if call else None
    if run is None or run.parent_task_run_id is None or call is None or parent is None:
        return RunId(run_id_of(str(run.id) if run else "direct"))
    own = {name: value for name, value in inputs.items() if value != workflow.inputs[name].default}
    name, given = workflow.name, _digest([own, wallet])
    outermost, between = await _outermost(parent)
    counts = call_counts(call.flow)
    if call.run_key is not None:
        key = f"{run_id_of(str(outermost.id))}-{_digest(['key', name, call.run_key])}-"
        if counts.setdefault(key, given) != given:
            raise run_key_conflict(call.run_key)
        return RunId(key + given, call.run_key)
    task = call.task.task_run if call.task else None
    if task is not None and task.flow_run_id != parent.id:
        task = None  # it is around a subflow in between
    place = [name, given, between]
    caller = _digest([*place, *((str(task.id), task.run_count) if task else ())])
    nth = counts[caller] = int(counts.get(caller, 0)) + 1
    run_id = f"{run_id_of(str(outermost.id))}-{_digest([*place, nth])}-{given}"
    task_id = str(task.id) if task else "flow"
    # In one attempt of the outermost flow run, one task of one subflow may call this run.
    mine = (outermost.state_id, parent.id)
    attempt, last = _nested.pop(run_id, mine)
    _nested[run_id] = mine
    if len(_nested) > _MOST_CLAIMS:
        del _nested[next(iter(_nested))]
    if counts.setdefault(run_id, task_id) != task_id or (attempt == mine[0] and last != parent.id):
        raise UsageError(
            f"{name} is called with the same inputs from several tasks or subflows of one flow run:"
            " after a retry no one could say which run is whose",
            "give each call a key: campaign.with_options(run_key=…)(…)",
        )
    return RunId(run_id)


def run_key_conflict(run_key: str | None) -> UsageError:
    """The error of a key that names a run with other inputs, or another wallet."""
    return UsageError(
        f"run_key {run_key!r} names a run of this flow run that began with other inputs, or with"
        " another wallet",
        "give another call another key; to continue that run, call as it began",
    )


async def _outermost(run: FlowRun) -> tuple[FlowRun, list[object]]:
    """The outermost flow run around a flow run, and what names those in between; that of a deployment is outermost."""
    if run.parent_task_run_id is None or run.deployment_id is not None:
        return run, []
    async with get_client() as client:
        tracked = await client.read_task_run(run.parent_task_run_id)
        assert tracked.flow_run_id is not None  # it tracks a subflow
        around = await client.read_flow_run(tracked.flow_run_id)
    outermost, between = await _outermost(around)
    # Not by its id: Prefect makes another flow run of a subflow that failed.
    return outermost, [*between, [str(run.flow_id), run.parameters]]


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
