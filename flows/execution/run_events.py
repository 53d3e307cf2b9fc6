"""The event that tells Prefect how a run ended, for automations; also of one that failed before it began."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4, uuid5

from prefect import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.events import Event, emit_event
from prefect.events.filters import EventFilter, EventIDFilter
from prefect.settings import get_current_settings

from rivya_client.printable import one_line
from rivya_flows.batch.summary import BatchResult, end_payload
from rivya_flows.engine.publishing import MAX_TEXT, EndPayload, addresses_of, payload_of, report_of
from rivya_flows.engine.run_context import RunContext
from rivya_flows.errors import RivyaError, hint_of
from rivya_flows.flows.current_run import can_be_suspended, flow_run_here, flow_run_of, run_id_of
from rivya_flows.flows.prefect_internals import RUN_COUNT_LABEL, send_event
from rivya_flows.flows.recovery.automations import (
    BATCH_PREFIX,
    EVENT_PREFIX,
    LAST_HEARTBEAT,
    OURS,
    ROW_PREFIX,
)
from rivya_flows.flows.recovery.waker import close_cancelled
from rivya_flows.markdown import text
from rivya_flows.receipt.model import Receipt
from rivya_flows.receipt.phrases import credits_of
from rivya_flows.settings import read_settings
from rivya_flows.store.database import in_thread
from rivya_flows.store.journal import Journal
from rivya_flows.store.run_list import FailedStart, listed_runs, record_failed_start

_ENDS = UUID("5f3c1d5e-6f0e-4f6b-9d52-0a4c7a1f9b21")
"""The namespace of the ids of events: one for each end of each run."""

_MAX_NAME = 64
_LONGEST_END_SECONDS, _LOOK_SECONDS = 60.0, 0.2
_endings: set[asyncio.Task[None]] = set()
_logger = logging.getLogger(__name__)


@contextlib.contextmanager
def _warn_if_not_sent(what: str) -> Iterator[None]:
    """Prefect may raise anything; the run has ended all the same."""
    try:
        yield
    except Exception as error:
        reason = error if isinstance(error, RivyaError) else type(error).__name__
        _logger.warning("the %s's end event was not sent: %s", what, reason)


async def announce(
    context: RunContext, receipt: Receipt, *, again: bool = False, in_batch: bool = False
) -> None:
    """Sends the event of a run's end; never fails a run.

    If a command continued the run while its flow run is suspended, that flow run sends it. Each process that sends
    it gives it the same id. With `again` an earlier process may have sent it: then not, if the server has it.
    """
    here, run_id = flow_run_here(), receipt.run_id
    if here is None or (receipt.status != "cancelled" and await _ends_elsewhere(run_id, here)):
        return
    with _warn_if_not_sent("run"):
        end = uuid5(_ENDS, f"{run_id} {receipt.executions}")
        if again:
            async with get_client() as client:
                found = await client.read_events(EventFilter(id=EventIDFilter(id=[end])), limit=1)
            if found.events:
                return
        address, report = addresses_of(context, receipt.media), report_of(context, run_id)
        payload = payload_of(receipt, address, report, deployed=can_be_suspended())
        await _send(here, payload, end, ROW_PREFIX if in_batch else EVENT_PREFIX)


async def announce_failure(error: Exception, status: Literal["cancelled", "failed"]) -> None:
    """Sends the event of a flow run that an error ends, and records one that never began."""
    run = flow_run_here()
    if run is None:
        return
    name = await _flow_name(run)
    reason = one_line(str(error))[:MAX_TEXT]
    failed = FailedStart(run_id_of(str(run.id)), name[:_MAX_NAME], time.time(), reason)
    spent = None
    if run.deployment_id is not None:  # else its run may have another id
        with contextlib.suppress(Exception):  # store or settings may be why it fails
            spent = await in_thread(_record, failed, status)
    following = "; ".join(filter(None, (hint_of(error), "then Retry, in the menu of the run")))
    found = EndPayload(
        run_id=failed.run_id,
        name=name,
        title=name,
        status=status,
        sentence=reason if spent is None else f"{reason}; {credits_of(spent)}",
        credits={"spent": spent, "saved": 0, "budget": None},
        next=following,
    )
    message = "\n".join([found.headline, text(following)])
    with _warn_if_not_sent("run"):
        await _send(run, found.model_copy(update={"markdown": message}), uuid4(), EVENT_PREFIX)


def end_heartbeats() -> None:
    """Sends `LAST_HEARTBEAT` of this flow run once Prefect sends no heartbeat any more; never waits."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if context is not None and run is not None and run.deployment_id is not None:
        ending = asyncio.get_running_loop().create_task(_last_heartbeat(run, context.start_time))
        _endings.add(ending)
        ending.add_done_callback(_endings.discard)


async def _last_heartbeat(run: FlowRun, began: datetime) -> None:
    """The end of the event loop ends the wait too; a run that is suspended has no final state."""
    try:
        async with asyncio.timeout(_LONGEST_END_SECONDS):
            while run.state is None or not run.state.is_final():
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        pass
    finally:
        every = get_current_settings().flows.heartbeat_frequency
        # The first one is sent at the beginning.
        if every is not None and datetime.now(UTC) - began >= timedelta(seconds=every):
            with contextlib.suppress(Exception):  # Prefect may raise anything
                of = {"prefect.resource.id": f"prefect.flow-run.{run.id}"}
                emit_event(event=LAST_HEARTBEAT, resource=of, related=[OURS])


async def _flow_name(run: FlowRun) -> str:
    """The name of its spec, also of one that this process does not find."""
    try:
        async with get_client() as client:
            return (await client.read_flow(run.flow_id)).name
    except Exception as error:  # the server is away
        _logger.debug("the flow of %s was not read: %s", run.id, error)
        return "unknown"


def _record(failed: FailedStart, status: str) -> int:
    """Records a failed start unless the run has begun; what it has spent in earlier executions."""
    with contextlib.closing(Journal(read_settings().store_url)) as journal:
        for found in listed_runs(journal.engine, run_id=failed.run_id, limit=1):
            if found.unbegun is None:
                if status == "cancelled":
                    close_cancelled(journal, failed.run_id)
                return found.spent
        if status == "failed":
            record_failed_start(journal.engine, failed)
    return 0


async def _send(run: FlowRun, payload: EndPayload, end: UUID, prefix: str) -> None:
    event = Event(
        id=end,
        occurred=datetime.now(UTC),
        event=prefix + payload.status,
        resource=resource_of(payload, run),
        # Prefect adds those of a deployment; a run without one has the tag only here.
        related=[OURS],
        payload=payload.model_dump(mode="json"),
    )
    if event.size_bytes > get_current_settings().server.events.maximum_size_bytes:
        event.payload["outputs"] = {}  # the server would drop the event
    await send_event(event)


async def _ends_elsewhere(run_id: str, here: FlowRun) -> bool:
    """Whether the deployment's flow run of this run is suspended: it is resumed now, and announces the end."""
    waiting = flow_run_of(run_id)
    if waiting is None or waiting == here.id:
        return False
    try:
        async with get_client() as client:
            state = (await client.read_flow_run(waiting)).state
        return state is not None and state.is_paused()
    except Exception as error:  # it is on another server, or this one is away
        _logger.debug("the flow run of %s was not read: %s", run_id, error)
        return False


def resource_of(payload: EndPayload, run: FlowRun) -> dict[str, str]:
    """What the event is about: the flow run, with the labels that automations match."""
    return {
        "prefect.resource.id": f"prefect.flow-run.{run.id}",
        "prefect.resource.name": run.name or payload.run_id,
        # As on Prefect's own event of this end, so that a message tells both once.
        RUN_COUNT_LABEL: str(run.run_count),
        "rivya-flows.campaign": payload.name,
        "rivya-flows.run-id": payload.run_id,
    }


async def announce_batch(context: RunContext, result: BatchResult) -> None:
    """Sends the event of a batch's end, whose rows send none that an automation of ours matches; never raises."""
    with _warn_if_not_sent("batch"):
        payload = end_payload(context, result)
        status = "failed" if result.status == "over_budget" else result.status
        resource = {
            "prefect.resource.id": f"rivya-flows.batch.{result.batch.batch_id}",
            "prefect.resource.name": result.batch.batch_id,
            "rivya-flows.campaign": payload["name"],
        }
        await send_event(
            Event(
                occurred=datetime.now(UTC),
                event=BATCH_PREFIX + status,
                resource=resource,
                related=[OURS],
                payload=payload,
            )
        )
