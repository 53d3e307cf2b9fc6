"""The deployments on a Prefect server: read, and brought to what is desired.

Sends only what differs: an update makes the server drop the runs that it has planned, and a run due
at that moment is lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.filters import DeploymentFilter, FlowFilter
from prefect.client.schemas.objects import DeploymentSchedule, FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.exceptions import ObjectNotFound

from rivya_flows.flows.prefect_api import Resource, flow_runs_with, read_all, read_flow_runs, sync
from rivya_flows.flows.prefect_internals import made_by
from rivya_flows.flows.recovery.automations import automations_on
from rivya_flows.preparation.deploy_blocks import (
    COLLECTION_VARIABLE,
    OWNER_TAG,
    PRICE_VARIABLE,
    SET_VARIABLE,
    SPEC_VARIABLE,
    is_slug_of_spec,
)
from rivya_flows.preparation.drift import Credits
from rivya_flows.store.deployments import DeployedSpec

Deployment = DeploymentResponse | DeploymentUpdate


def environment_of(deployment: Deployment | None) -> Mapping[str, str]:
    """The environment of its runs."""
    found = ((deployment and deployment.job_variables) or {}).get("env")
    return found if isinstance(found, Mapping) else {}


def set_by_spec(deployment: Deployment | None) -> tuple[str, ...]:
    """The names of the job variables that a spec set; none if somebody changed the variable that has them."""
    with suppress(KeyError, TypeError, ValueError):
        return tuple(map(str, json.loads(environment_of(deployment)[SET_VARIABLE])))
    return ()


def price_when_deployed(deployment: Deployment) -> Credits | None:
    """What a run of it cost when it was deployed; None if that was not known, or somebody changed the variable."""
    with suppress(KeyError, TypeError, ValueError):
        least, most = json.loads(environment_of(deployment)[PRICE_VARIABLE])
        return Credits(int(least), None if most is None else int(most))
    return None


def is_ours(deployment: DeploymentResponse) -> bool:
    """Whether `deploy` made it. The waker, and what `prefect deploy` made, have our tag and name no spec."""
    return OWNER_TAG in deployment.tags and SPEC_VARIABLE in environment_of(deployment)


async def read_existing(
    client: PrefectClient, flows: Iterable[str]
) -> dict[str, DeploymentResponse]:
    """All deployments with our tag and all of these flows, by name: ``flow/deployment``."""
    tagged = DeploymentFilter.model_validate({"tags": {"all_": [OWNER_TAG]}})
    named = FlowFilter.model_validate({"name": {"any_": sorted(flows)}})
    found: dict[str, DeploymentResponse] = {}
    for wanted in ({"deployment_filter": tagged}, {"flow_filter": named}):
        deployments = await read_all(client.read_deployments, **wanted)
        names = {one.id: one.name for one in await read_all(client.read_flows, **wanted)}
        found |= {
            f"{names[one.flow_id]}/{one.name}": one for one in deployments if one.flow_id in names
        }
    return found


def find_unspecified(
    existing: Mapping[str, DeploymentResponse],
    desired: Collection[str],
    flows: Collection[str],
    given: Collection[str],
    covered: Collection[str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Our deployments that no given spec has: stale ones, and those of a collection that was given in part."""
    collections = {
        name: environment_of(one).get(COLLECTION_VARIABLE)
        for name, one in existing.items()
        if is_ours(one) and name not in desired
    }
    stale = {
        name
        for name, collection in collections.items()
        if name.partition("/")[0] in flows or collection in covered
    }
    unsure = {name for name, collection in collections.items() if collection in given} - stale
    return tuple(sorted(stale)), tuple(sorted(unsure))


@dataclass(frozen=True)
class Desired:
    """What Prefect gets of ``flow/deployment``: schedules by slug, automations for its id by name; and its spec."""

    name: str
    fields: DeploymentUpdate
    schedules: Mapping[str, DeploymentScheduleCreate]
    automations: Callable[[UUID], Mapping[str, AutomationCore]] = lambda _: {}
    spec: DeployedSpec | None = None


@dataclass
class Change:
    """What was done to a deployment, or would be done without `dry`; one that would be made has no id."""

    name: str
    done: str
    id: UUID | None = None
    version: str | None = None
    work_pool: str | None = None
    job_variables: tuple[str, ...] = ()
    schedules: dict[str, str] = field(default_factory=dict)
    triggers: dict[str, str] = field(default_factory=dict)


async def reconcile(
    client: PrefectClient,
    desired: Desired,
    existing: DeploymentResponse | None,
    *,
    prune: bool = False,
    dry: bool = False,
) -> Change:
    """Makes a deployment, or changes what differs in the existing one."""
    fields = desired.fields
    change = Change(
        desired.name,
        "made" if existing is None else "changed" if _differs(fields, existing) else "unchanged",
        id=existing.id if existing else None,
        version=fields.version,
        work_pool=fields.work_pool_name,
        job_variables=set_by_spec(fields),
    )
    if not dry and existing is None:
        flow, _, name = desired.name.partition("/")
        flow_id = await client.create_flow_from_name(flow)
        sent, schedules = fields.model_dump(exclude_unset=True), [*desired.schedules.values()]
        change.id = await client.create_deployment(flow_id, name, **sent, schedules=schedules)
    elif not dry and existing is not None and change.done == "changed":
        await client.update_deployment(existing.id, fields)
    deployment_id = change.id or UUID(int=0)  # only of a plan
    found = {one.slug or "": one for one in (existing.schedules if existing else ())}
    change.schedules = await sync(
        desired.schedules,
        {  # people may have added others
            slug: one
            for slug, one in found.items()
            if slug in desired.schedules or is_slug_of_spec(slug)
        },
        _schedules_of(client, deployment_id),
        prune=prune,
        dry=dry or existing is None,
    )
    change.triggers = await sync(
        desired.automations(deployment_id),
        await automations_of(client, existing.id, desired.name) if existing else {},
        automations_on(client, deployment_id),
        prune=prune,
        dry=dry,
    )
    parts = {*change.schedules.values(), *change.triggers.values()}
    if change.done == "unchanged" and parts - {"unchanged"}:
        change.done = "changed"
    return change


def _differs(fields: DeploymentUpdate, existing: DeploymentResponse) -> bool:
    sent = fields.model_fields_set - {"concurrency_limit", "concurrency_options"}
    if any(getattr(existing, name) != getattr(fields, name) for name in sent):
        return True
    limit, collides = existing.global_concurrency_limit, existing.concurrency_options
    if limit is None or fields.concurrency_options is None:
        return limit is not None or fields.concurrency_options is not None
    found = (limit.limit, collides and collides.collision_strategy)
    return found != (fields.concurrency_limit, fields.concurrency_options.collision_strategy)


def _schedules_of(
    client: PrefectClient, deployment_id: UUID
) -> Resource[DeploymentScheduleCreate, DeploymentSchedule]:
    async def update(old: DeploymentSchedule, **changes: Any) -> None:
        await client.update_deployment_schedule(deployment_id, old.id, **changes)
        # The server keeps the runs that are due.
        planned = flow_runs_with(deployment=deployment_id, states=[StateType.SCHEDULED])
        runs = await read_flow_runs(client, planned)
        await _delete(client, [run for run in runs if made_by(run, [old])])

    def plain(one: DeploymentSchedule | DeploymentScheduleCreate) -> object:
        return one.active, one.schedule.model_dump(mode="json")

    return Resource(
        is_equal=lambda old, new: plain(old) == plain(new),
        is_active=lambda old: old.active,
        create=lambda new: client.create_deployment_schedules(deployment_id, [new]),
        update=lambda old, new: update(old, active=new.active, schedule=new.schedule),
        switch_off=lambda old: update(old, active=False),
        remove=lambda old: client.delete_deployment_schedule(deployment_id, old.id),
    )


async def automations_of(
    client: PrefectClient, deployment_id: UUID, name: str
) -> dict[str, Automation]:
    """Our automations of a deployment, by name: only that tells them from other people's."""
    found = await client.read_resource_related_automations(f"prefect.deployment.{deployment_id}")
    return {one.name: one for one in found if one.name.startswith(f"{name}: trigger ")}


async def remove(client: PrefectClient, name: str, deployment_id: UUID) -> None:
    """Deletes a deployment with its schedules, planned runs and triggers."""
    for automation in (await automations_of(client, deployment_id, name)).values():
        await client.delete_automation(automation.id)
    with suppress(ObjectNotFound):  # somebody was faster
        # Paused first: a scheduler that reads it from here on plans no run of it.
        await client.pause_deployment(deployment_id)
        await client.delete_deployment(deployment_id)


async def delete_orphans(client: PrefectClient) -> None:
    """Deletes planned runs that the server's scheduler stored after their deployment of ours was deleted."""
    planned = flow_runs_with(tags=[OWNER_TAG, "auto-scheduled"], states=[StateType.SCHEDULED])
    runs = await read_flow_runs(client, planned)
    named = {"any_": list({run.deployment_id for run in runs if run.deployment_id})}
    wanted = DeploymentFilter.model_validate({"id": named})
    existing = {one.id for one in await read_all(client.read_deployments, deployment_filter=wanted)}
    await _delete(client, [run for run in runs if run.deployment_id not in {*existing, None}])


async def _delete(client: PrefectClient, planned: Iterable[FlowRun]) -> None:
    """Deletes planned runs that no worker took."""
    for run in planned:
        if run.run_count == 0:
            with suppress(ObjectNotFound):  # somebody was faster
                await client.delete_flow_run(run.id)
