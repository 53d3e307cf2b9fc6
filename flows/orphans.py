"""Task runs that a dead process left behind: set to Crashed, so that the graph tells the truth."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.states import Crashed

_logger = logging.getLogger("rivya_flows.orphans")
_OPEN = [StateType.RUNNING, StateType.PENDING, StateType.SCHEDULED, StateType.CANCELLING]


async def close_orphans(flow_run_id: UUID) -> int:
    """Closes the open task runs of an earlier execution of this flow run.

    A retried flow run makes new task runs; those that were in flight when its process died would
    stay Running for ever. Must be called before this execution makes any.

    Returns:
        How many there were; 0 also where the server did not answer.
    """
    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    still_open = TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=_OPEN)))
    try:
        async with get_client() as client:
            orphans = await client.read_task_runs(
                flow_run_filter=wanted, task_run_filter=still_open
            )
            for orphan in orphans:
                state: State[Any] = Crashed(
                    message="its process ended; the run went on from its journal"
                )
                await client.set_task_run_state(orphan.id, state, force=True)
    except Exception as error:  # the graph is a picture: the run goes on without it
        _logger.warning("orphaned task runs were not closed: %s", error)
        return 0
    return len(orphans)
