"""Which run a flow run executes, and whether this execution is its first."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from prefect.context import FlowRunContext


def run_id_of(flow_run_id: str) -> str:
    """The id of the run that a deployment's flow run drives: the same over its retries."""
    return f"run-{flow_run_id}"


def flow_run_of(run_id: str) -> UUID | None:
    """The flow run of a deployment that a run belongs to; None for one of the command line."""
    try:
        return UUID(run_id.removeprefix(run_id_of("")))
    except ValueError:
        return None


def ran_before() -> bool:
    """Whether this flow run was executed before: retried, or resumed from a question.

    Prefect counts retries as runs of their own, and what follows a suspension as the same run.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return run is not None and (run.run_count > 1 or run.total_run_time > timedelta(0))
