"""The deployments on a Prefect server: read, selected for pruning, and what they left behind."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import DeploymentFilter, FlowFilter
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from rivya_flows.flows.deploy_blocks import COLLECTION_VARIABLE, OWNER_TAG, SPEC_VARIABLE
from rivya_flows.flows.paging import PAGE, flow_runs_with, read_all, read_flow_runs


@dataclass(frozen=True)
class ExistingDeployment:
    """A deployment on the server and the name of its flow."""

    flow: str
    deployment: DeploymentResponse

    @property
    def name(self) -> str:
        """As Prefect names it: ``flow/deployment``."""
        return f"{self.flow}/{self.deployment.name}"

    @property
    def is_ours(self) -> bool:
        """Whether `deploy` made it. The waker, and what `prefect deploy` made, have our tag and name no spec."""
        return OWNER_TAG in self.deployment.tags and SPEC_VARIABLE in self._environment

    @property
    def spec_hash(self) -> str:
        """The hash of its spec; only of one that is ours."""
        return str(self._environment[SPEC_VARIABLE])

    @property
    def collection(self) -> str | None:
        """The collection of its spec; None if it names none."""
        found = self._environment.get(COLLECTION_VARIABLE)
        return found if isinstance(found, str) else None

    @property
    def _environment(self) -> Mapping[str, Any]:
        found = (self.deployment.job_variables or {}).get("env")
        return found if isinstance(found, Mapping) else {}


async def read_existing(
    client: PrefectClient, flows: Iterable[str]
) -> dict[str, ExistingDeployment]:
    """All deployments with our tag and all of these flows, by name."""
    tagged = DeploymentFilter.model_validate({"tags": {"all_": [OWNER_TAG]}})
    named = FlowFilter.model_validate({"name": {"any_": sorted(flows)}})
    found = await read_all(
        lambda at: client.read_deployments(deployment_filter=tagged, limit=PAGE, offset=at)
    )
    found += await read_all(
        lambda at: client.read_deployments(flow_filter=named, limit=PAGE, offset=at)
    )
    ids = sorted({str(one.flow_id) for one in found})
    names: dict[UUID, str] = {}
    for start in range(0, len(ids), PAGE):
        some = FlowFilter.model_validate({"id": {"any_": ids[start : start + PAGE]}})
        names |= {one.id: one.name for one in await client.read_flows(flow_filter=some)}
    existing = [
        ExistingDeployment(names[one.flow_id], one) for one in found if one.flow_id in names
    ]
    return {one.name: one for one in existing}


@dataclass(frozen=True)
class Unspecified:
    """Our deployments that none of the given specs has; `unsure`: only a part of its collection was given."""

    stale: tuple[str, ...]
    unsure: tuple[str, ...]


def unspecified(
    existing: Iterable[ExistingDeployment],
    desired: Collection[str],
    flows: Collection[str],
    given: Collection[str],
    covered: Collection[str],
) -> Unspecified:
    ours = [one for one in existing if one.is_ours and one.name not in desired]
    stale = {one.name for one in ours if one.flow in flows or one.collection in covered}
    unsure = {one.name for one in ours if one.collection in given} - stale
    return Unspecified(tuple(sorted(stale)), tuple(sorted(unsure)))


_PLANNED = "auto-scheduled"
"""The tag that the server gives to the runs of a schedule."""


async def delete_orphans(client: PrefectClient) -> None:
    """Deletes runs that were planned for our deployments and whose deployment is gone.

    The server deletes them with the deployment, but its scheduler may store some after that, and a worker
    would take them at their time.
    """
    planned = flow_runs_with(tags=[OWNER_TAG, _PLANNED], states=[StateType.SCHEDULED])
    waiting = [run for run in await read_flow_runs(client, planned) if run.run_count == 0]
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
