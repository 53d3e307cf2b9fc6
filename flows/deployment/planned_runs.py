"""Planned runs that nothing will start: those of a deployment that is gone."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound

from rivya_flows.flows.deploy_blocks import OWNER_TAG
from rivya_flows.flows.paging import PAGE, read_all

_PLANNED = "auto-scheduled"
"""The tag that the server gives to the runs of a schedule."""


async def delete_orphans(client: PrefectClient) -> None:
    """Deletes runs that were planned for our deployments and whose deployment is gone.

    The server deletes them with the deployment. But its scheduler reads the deployments first and
    stores their runs later: those that it stores after the removal stay, and a worker would take
    them at their time. The next prune finds what is stored after this one.
    """
    planned = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[OWNER_TAG, _PLANNED]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
    )
    found = await read_all(
        lambda at: client.read_flow_runs(flow_run_filter=planned, limit=PAGE, offset=at)
    )
    waiting = [run for run in found if run.run_count == 0]
    deployments = {run.deployment_id for run in waiting if run.deployment_id is not None}
    gone = {one for one in deployments if not await _exists(client, one)}
    for run in waiting:
        if run.deployment_id in gone:
            with suppress(ObjectNotFound):  # somebody was faster
                await client.delete_flow_run(run.id)


async def _exists(client: PrefectClient, deployment_id: UUID) -> bool:
    try:
        await client.read_deployment(deployment_id)
    except ObjectNotFound:
        return False
    return True
