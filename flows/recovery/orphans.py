"""Task runs of earlier executions: what a dead process left open is closed, so that the graph is true."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State, TaskRun
from prefect.client.schemas.sorting import TaskRunSort
from prefect.runtime import flow_run
from prefect.states import Crashed

from rivya_flows.flows.prefect_internals import executed_before
from rivya_flows.flows.run_ids import flow_run_of

_logger = logging.getLogger("rivya_flows.orphans")
_PAGE = 200


async def earlier_task_runs(run_id: str, began: datetime) -> list[tuple[str, UUID]]:
    """Those of earlier executions of this flow run; no execution of the run has open ones any more.

    Whoever asks must hold the run's lease: nobody else is driving it. Asked again at the end,
    since what a dead process told of its tasks may reach the database late.

    Args:
        run_id: The run.
        began: When this execution did, ahead of its first task.
    """
    here = flow_run.id
    if here is None:
        return []
    first = flow_run_of(run_id)
    if first is not None and first != UUID(here):
        await close_orphans(first, began)
    return await close_orphans(UUID(here), began) if executed_before() else []


async def close_orphans(flow_run_id: UUID, began: datetime) -> list[tuple[str, UUID]]:
    """Closes the open task runs of earlier executions of a flow run.

    A retried flow run makes new task runs; those that were in flight when its process died would
    stay Running for ever. Those that have ended stay as they are.

    Args:
        flow_run_id: The flow run.
        began: When the execution that goes on began: its own task runs, which the database may
            not show as they are yet, are left alone.

    Returns:
        Names and ids of all task runs of earlier executions, in their order; none where the
        server did not answer.
    """
    try:
        async with get_client() as client:
            found = await _all(client, flow_run_id)
            earlier = [one for one in found if (one.expected_start_time or began) < began]
            for one in earlier:
                if one.state is None or not one.state.is_final():
                    state: State[Any] = Crashed(
                        message="its process ended; the run goes on from its journal"
                    )
                    await client.set_task_run_state(one.id, state, force=True)
    except Exception as error:  # the graph is a picture: the run goes on without it
        _logger.warning("orphaned task runs were not closed: %s", error)
        return []
    return [(one.name, one.id) for one in earlier]


async def _all(client: PrefectClient, flow_run_id: UUID) -> list[TaskRun]:
    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    found: list[TaskRun] = []
    while True:
        page = await client.read_task_runs(
            flow_run_filter=wanted,
            sort=TaskRunSort.EXPECTED_START_TIME_ASC,
            limit=_PAGE,
            offset=len(found),
        )
        found += page
        if len(page) < _PAGE:
            return found
