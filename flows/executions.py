"""Whether this execution of a flow run is its first."""

from __future__ import annotations

from datetime import timedelta

from prefect.context import FlowRunContext


def ran_before() -> bool:
    """Whether this flow run was executed before: retried, or resumed from a question.

    Prefect counts retries as runs of their own, and what follows a suspension as the same run.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return run is not None and (run.run_count > 1 or run.total_run_time > timedelta(0))
