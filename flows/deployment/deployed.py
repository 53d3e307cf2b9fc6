"""The deployments on a Prefect server that a call of `deploy` may have to do with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterTags,
    FlowFilter,
    FlowFilterId,
    FlowFilterName,
)
from prefect.client.schemas.responses import DeploymentResponse

from rivya_flows.flows.deploy_blocks import OWNER_TAG
from rivya_flows.flows.deployment.pruning import ExistingDeployment

_PAGE = 200

T = TypeVar("T")


@dataclass(frozen=True)
class DeployedDeployment:
    """A deployment on the server: as it is, and as pruning sees it."""

    deployment: DeploymentResponse
    standing: ExistingDeployment


async def read_there(client: PrefectClient, flows: Iterable[str]) -> dict[str, DeployedDeployment]:
    """All deployments with our tag, and all of the flows that are to be deployed, by name."""
    tagged = DeploymentFilter(tags=DeploymentFilterTags(all_=[OWNER_TAG]))
    named = FlowFilter(name=FlowFilterName(any_=sorted(flows)))
    found = {
        one.id: one
        for one in [
            *await _pages(
                lambda at: client.read_deployments(deployment_filter=tagged, limit=_PAGE, offset=at)
            ),
            *await _pages(
                lambda at: client.read_deployments(flow_filter=named, limit=_PAGE, offset=at)
            ),
        ]
    }
    ids = sorted({one.flow_id for one in found.values()}, key=str)
    names: dict[UUID, str] = {}
    for start in range(0, len(ids), _PAGE):
        some = FlowFilter(id=FlowFilterId(any_=ids[start : start + _PAGE]))
        names |= {one.id: one.name for one in await client.read_flows(flow_filter=some)}
    return {
        f"{flow}/{one.name}": DeployedDeployment(
            one, ExistingDeployment(f"{flow}/{one.name}", flow, one.tags, one.job_variables or {})
        )
        for one in found.values()
        if (flow := names.get(one.flow_id)) is not None
    }


async def _pages(read: Callable[[int], Awaitable[list[T]]]) -> list[T]:
    found: list[T] = []
    while True:
        page = await read(len(found))
        found += page
        if len(page) < _PAGE:
            return found
