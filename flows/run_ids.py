"""The ids of a run and of its flow run, and whether a deployment asked for it."""

from __future__ import annotations

from uuid import UUID

from prefect.context import FlowRunContext


def run_id_of(flow_run_id: str) -> str:
    """The id of the run that a deployment's flow run executes: the same in all its retries."""
    return f"run-{flow_run_id}"


def flow_run_of(run_id: str) -> UUID | None:
    """The flow run that a deployment's run belongs to; None for a run of the command line."""
    try:
        return UUID(run_id.removeprefix(run_id_of("")))
    except ValueError:
        return None


def is_of_deployment() -> bool:
    """Whether this flow run itself is one of a deployment; not a subflow of one."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return run is not None and run.deployment_id is not None
