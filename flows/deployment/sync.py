"""The deployments on a Prefect server: read, and brought to what the specs say.

Sends only what differs: an update makes the server drop the runs that it has planned, and a run due
at that moment is lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.filters import FlowFilter
from prefect.client.schemas.objects import DeploymentSchedule, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.exceptions import ObjectNotFound

from rivya_flows.flows.deploy_blocks import (
    COLLECTION_VARIABLE,
    OWNER_TAG,
    SPEC_VARIABLE,
    JobVariables,
    is_ours,
)
from rivya_flows.flows.deployment.desired import DesiredDeployment
from rivya_flows.flows.paging import PAGE, flow_runs_with, read_deployments, read_flow_runs
from rivya_flows.flows.prefect_internals import made_by
from rivya_flows.flows.recovery.automations import comparable


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
        return OWNER_TAG in self.deployment.tags and SPEC_VARIABLE in self._env

    @property
    def spec_hash(self) -> str:
        """The hash of its spec; only of one that is ours."""
        return self._env[SPEC_VARIABLE]

    @property
    def collection(self) -> str | None:
        """The collection of its spec; None if it names none."""
        return self._env.get(COLLECTION_VARIABLE)

    @property
    def _env(self) -> Mapping[str, str]:
        return JobVariables.of(self.deployment).env


async def read_existing(
    client: PrefectClient, flows: Iterable[str]
) -> dict[str, ExistingDeployment]:
    """All deployments with our tag and all of these flows, by name."""
    found = await read_deployments(client, tag=OWNER_TAG)
    found += await read_deployments(client, flows=sorted(flows))
    ids = sorted({str(one.flow_id) for one in found})
    names: dict[UUID, str] = {}
    for start in range(0, len(ids), PAGE):
        some = FlowFilter.model_validate({"id": {"any_": ids[start : start + PAGE]}})
        names |= {one.id: one.name for one in await client.read_flows(flow_filter=some)}
    existing = [
        ExistingDeployment(names[one.flow_id], one) for one in found if one.flow_id in names
    ]
    return {one.name: one for one in existing}


def unspecified(
    existing: Iterable[ExistingDeployment],
    desired: Collection[str],
    flows: Collection[str],
    given: Collection[str],
    covered: Collection[str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Our deployments that none of the given specs has: those that are stale, and those of collections of
    which only a part was given.
    """
    ours = [one for one in existing if one.is_ours and one.name not in desired]
    stale = {one.name for one in ours if one.flow in flows or one.collection in covered}
    unsure = {one.name for one in ours if one.collection in given} - stale
    return tuple(sorted(stale)), tuple(sorted(unsure))


There = TypeVar("There")
Wanted = TypeVar("Wanted")


@dataclass
class Change:
    """What was done to a deployment, or would be done without `dry`.

    Attributes:
        id: None for one that `--plan` would make.
        version: Of its spec; None for a removed one.
    """

    name: str
    done: str
    id: UUID | None = None
    version: str | None = None
    work_pool: str | None = None
    job_variables: tuple[str, ...] = ()
    schedules: dict[str, str] = field(default_factory=dict)
    triggers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Resource(Generic[Wanted, There]):
    """How one kind of part is compared and changed on the server."""

    is_equal: Callable[[There, Wanted], bool]
    is_active: Callable[[There], bool]
    create: Callable[[Wanted], Awaitable[object]]
    update: Callable[[There, Wanted], Awaitable[object]]
    switch_off: Callable[[There], Awaitable[object]]
    remove: Callable[[There], Awaitable[object]]


async def sync(
    wanted: Mapping[str, Wanted],
    there: Mapping[str, There],
    of: Resource[Wanted, There],
    *,
    prune: bool,
    dry: bool,
) -> dict[str, str]:
    """Makes and changes parts, and removes or switches off the others that are there; says what it did by name."""
    done: dict[str, str] = {}
    calls: list[Callable[[], Awaitable[object]]] = []
    for name, new in wanted.items():
        old = there.get(name)
        if old is None:
            done[name] = "made"
            calls.append(partial(of.create, new))
        elif of.is_equal(old, new):
            done[name] = "unchanged"
        else:
            done[name] = "changed"
            calls.append(partial(of.update, old, new))
    for name, old in there.items():
        if name not in wanted and (prune or of.is_active(old)):
            done[name] = "removed" if prune else "switched off"
            calls.append(partial(of.remove if prune else of.switch_off, old))
    for call in calls if not dry else ():
        await call()
    return done


async def reconcile(
    client: PrefectClient,
    desired: DesiredDeployment,
    there: DeploymentResponse | None,
    *,
    prune: bool,
    dry: bool,
) -> Change:
    """Makes a deployment, or changes what differs in the existing one."""
    fields, schedules = desired.fields(there), desired.schedules
    change = Change(
        desired.name,
        "made" if there is None else "changed" if _differs(fields, there) else "unchanged",
        id=there.id if there else None,
        version=desired.spec.version,
        work_pool=desired.work_pool,
        job_variables=desired.all_job_variables(there).of_spec,
    )
    if not dry and there is None:
        flow_id = await client.create_flow_from_name(desired.workflow.name)
        sent = fields.model_dump(exclude_unset=True)
        change.id = await client.create_deployment(
            flow_id, desired.deploy.name, **sent, schedules=list(schedules.values())
        )
    elif not dry and there is not None and change.done == "changed":
        await client.update_deployment(there.id, fields)
    ours = {one.slug or "": one for one in there.schedules if is_ours(one.slug)} if there else {}
    triggers = await automations_of(client, there.id, desired.name) if there else {}
    deployment_id = change.id or UUID(int=0)  # only of a plan
    change.schedules = await sync(
        schedules, ours, _schedules(client, deployment_id), prune=prune, dry=dry or there is None
    )
    change.triggers = await sync(
        desired.automations(deployment_id),
        triggers,
        _triggers(client, deployment_id),
        prune=prune,
        dry=dry or change.id is None,
    )
    parts = {*change.schedules.values(), *change.triggers.values()}
    if change.done == "unchanged" and parts - {"unchanged"}:
        change.done = "changed"
    return change


def _differs(fields: DeploymentUpdate, there: DeploymentResponse) -> bool:
    sent = fields.model_fields_set - {"concurrency_limit", "concurrency_options"}
    if any(getattr(there, name) != getattr(fields, name) for name in sent):
        return True
    limit, collides = there.global_concurrency_limit, there.concurrency_options
    if limit is None or fields.concurrency_options is None:
        return limit is not None or fields.concurrency_options is not None
    found = (limit.limit, collides and collides.collision_strategy)
    return found != (fields.concurrency_limit, fields.concurrency_options.collision_strategy)


def _schedules(
    client: PrefectClient, deployment_id: UUID
) -> Resource[DeploymentScheduleCreate, DeploymentSchedule]:
    """Those of a deployment with slugs of ours; people may have added others."""

    async def update(old: DeploymentSchedule, new: DeploymentScheduleCreate) -> None:
        await client.update_deployment_schedule(
            deployment_id, old.id, active=new.active, schedule=new.schedule
        )
        await _delete_planned(client, deployment_id, old)

    async def switch_off(old: DeploymentSchedule) -> None:
        await client.update_deployment_schedule(deployment_id, old.id, active=False)
        await _delete_planned(client, deployment_id, old)

    def plain(one: DeploymentSchedule | DeploymentScheduleCreate) -> object:
        return one.active, one.schedule.model_dump(mode="json")

    return Resource(
        is_equal=lambda old, new: plain(old) == plain(new),
        is_active=lambda old: old.active,
        create=lambda new: client.create_deployment_schedules(deployment_id, [new]),
        update=update,
        switch_off=switch_off,
        remove=lambda old: client.delete_deployment_schedule(deployment_id, old.id),
    )


async def _delete_planned(
    client: PrefectClient, deployment_id: UUID, schedule: DeploymentSchedule
) -> None:
    """Deletes the runs of a schedule that no worker took: the server keeps those that are due."""
    planned = flow_runs_with(deployment=deployment_id, states=[StateType.SCHEDULED])
    for run in await read_flow_runs(client, planned):
        if run.run_count == 0 and made_by(run, [schedule]):
            with suppress(ObjectNotFound):  # the server was faster
                await client.delete_flow_run(run.id)


def _triggers(client: PrefectClient, deployment_id: UUID) -> Resource[AutomationCore, Automation]:
    # Only of a new one: the server refuses an update that names its owner.
    owner = {"owner_resource": f"prefect.deployment.{deployment_id}"}
    return Resource(
        is_equal=lambda old, new: comparable(old) == comparable(new),
        is_active=lambda old: old.enabled,
        create=lambda new: client.create_automation(new.model_copy(update=owner)),
        update=lambda old, new: client.update_automation(old.id, new),
        switch_off=lambda old: client.pause_automation(old.id),
        remove=lambda old: client.delete_automation(old.id),
    )


async def automations_of(
    client: PrefectClient, deployment_id: UUID, name: str
) -> dict[str, Automation]:
    """Our automations of a deployment, by name: only that tells them from other people's."""
    found = await client.read_resource_related_automations(f"prefect.deployment.{deployment_id}")
    return {one.name: one for one in found if one.name.startswith(f"{name}: trigger ")}


async def remove(client: PrefectClient, stale: ExistingDeployment) -> None:
    """Deletes a deployment with its schedules, planned runs and triggers."""
    deployment_id = stale.deployment.id
    for automation in (await automations_of(client, deployment_id, stale.name)).values():
        await client.delete_automation(automation.id)
    with suppress(ObjectNotFound):  # somebody was faster
        # Paused first: a scheduler that reads it from here on plans no run of it.
        await client.pause_deployment(deployment_id)
        await client.delete_deployment(deployment_id)


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
