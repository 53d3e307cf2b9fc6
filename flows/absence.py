"""A flow run that tries again later: the service, the store or the Prefect server is away.

Prefect's own retries would begin at once, and keep the process.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta

import httpx  # noqa: TID251 - what Prefect's client raises
from prefect import get_client
from prefect.client.schemas.objects import State
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import Pause, PrefectHTTPStatusError
from prefect.states import AwaitingRetry

from rivya_client.printable import one_line
from rivya_flows.engine import run as engine_run
from rivya_flows.errors import RivyaError, StoreUnreachableError
from rivya_flows.flows.current_run import can_be_suspended, flow_run_here, run_id_of, run_logger
from rivya_flows.flows.prefect_internals import executed_before
from rivya_flows.queue.events import RunWaits
from rivya_flows.runs.execution import append_events
from rivya_flows.settings import read_settings
from rivya_flows.store.database import in_thread
from rivya_flows.store.journal import Journal

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=10)
WITHIN = timedelta(hours=24)
_PREFIX = "away: "  # of the message of each state of ours


def is_absence(error: BaseException | None) -> bool:
    """As `engine.run.is_absence`, also of a Prefect server."""

    def is_prefects(one: BaseException) -> bool:
        if isinstance(one, PrefectHTTPStatusError):
            return one.response.is_server_error
        return isinstance(one, httpx.TransportError)

    return engine_run.is_absence(error, is_prefects)


async def can_try_later() -> bool:
    """Whether this flow run would try again after an absence; a first execution asks no server."""
    if not can_be_suspended():
        return False
    if not executed_before():
        return read_settings().rivya_flows_outage_retries > 0
    try:
        return await _tries() < read_settings().rivya_flows_outage_retries
    except Exception as error:
        if not is_absence(error):
            raise
        return True


async def try_later(error: Exception) -> bool:
    """Schedules this flow run again and ends its process by `Pause`, if the error is an absence.

    Else whether it is being cancelled. Waits for a Prefect server that is away too: one that came back later
    would only get that the flow run failed.
    """
    if not is_absence(error) or not can_be_suspended():
        return False
    give_up, first = time.monotonic() + LONGEST_PAUSE.total_seconds(), None
    while True:
        try:
            tries = await _tries()
            first = tries if first is None else first
            return await _schedule(error, tries, is_scheduled=tries > first)
        except Exception as away:
            if not is_absence(away) or time.monotonic() > give_up:
                raise
        await asyncio.sleep(FIRST_PAUSE.total_seconds())


async def _schedule(error: Exception, tries: int, *, is_scheduled: bool) -> bool:
    """As `try_later`; `is_scheduled` if only the server's answer was lost."""
    here, most = flow_run_here(), read_settings().rivya_flows_outage_retries
    assert here is not None  # it can be suspended
    if tries >= most and not is_scheduled:
        return False
    at = datetime.now(UTC) + min(FIRST_PAUSE * 2**tries, LONGEST_PAUSE)
    waits = RunWaits(reason=one_line(str(error)), until=at)
    message = f"{waits.reason}; tries again at {at:%H:%M:%S} UTC ({tries + 1} of {most})"
    later: State[None] = AwaitingRetry(scheduled_time=at, message=_PREFIX + message)
    if is_scheduled:
        raise Pause(state=later)
    async with get_client() as client:
        answer = await client.set_flow_run_state(here.id, later)
        if answer.status != SetStateStatus.ACCEPT:
            state = (await client.read_flow_run(here.id)).state
            return state is not None and (state.is_cancelling() or state.is_cancelled())
    run_logger().warning("%s", message)
    if not isinstance(error, StoreUnreachableError):
        await in_thread(_record, run_id_of(str(here.id)), waits)
    raise Pause(state=answer.state)


def _record(run_id: str, waits: RunWaits) -> None:
    """Journals it, for `rivya-flows runs`, of a run that has begun and not ended."""
    with suppress(RivyaError), closing(Journal(read_settings().store_url)) as journal:
        if journal.run(run_id) is not None:
            append_events(journal, run_id, [waits], only_if=lambda state: state.ended is None)


async def _tries() -> int:
    """How often this flow run has been scheduled again; tries of an earlier day do not count."""
    here = flow_run_here()
    assert here is not None
    async with get_client() as client:
        states = await client.read_flow_run_states(here.id)
    since = datetime.now(UTC) - WITHIN
    return sum(
        one.is_scheduled() and one.timestamp > since and (one.message or "").startswith(_PREFIX)
        for one in states
    )
