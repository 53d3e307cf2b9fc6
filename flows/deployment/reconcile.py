"""Brings a deployment on the server, its schedules and its triggers to what the spec says.

Sends only what differs: an update makes the server drop the runs that it has planned, and a run due
at that moment is lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.objects import (
    ConcurrencyLimitStrategy,
    ConcurrencyOptions,
    DeploymentSchedule,
    StateType,
)
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from rivya_flows.flows.compiler import attribute_of, compile_flow
from rivya_flows.flows.deploy_blocks import (
    COLLECTION_VARIABLE,
    OWNER_TAG,
    SET_VARIABLE,
    SPEC_VARIABLE,
    collision_of,
    entrypoint_of,
    is_ours,
    parameters_of,
    slug_of,
    tags_of,
    trigger_of,
)
from rivya_flows.flows.deployment.desired import DesiredDeployment
from rivya_flows.flows.paging import flow_runs_with, read_flow_runs
from rivya_flows.flows.prefect_internals import made_by
from rivya_flows.flows.recovery.automations import comparable
from rivya_flows.flows.run_form import CREDENTIALS, shown_form, upload_link
from rivya_flows.planning.markdown import paragraphs

_QUEUE = "work queue"
"""Stands among the names of the job variables that a spec set."""


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

    def note(self, parts: dict[str, str], name: str, done: str) -> None:
        """Records what was done to a part; a changed part makes a changed deployment."""
        parts[name] = done
        if done != "unchanged" and self.done == "unchanged":
            self.done = "changed"


async def reconcile(
    client: PrefectClient,
    desired: DesiredDeployment,
    flow_id: UUID | None,
    existing: DeploymentResponse | None,
    *,
    prune: bool,
    dry: bool,
) -> Change:
    """Makes a deployment, or changes what differs in the existing one; `flow_id` is None for a new flow of a plan."""
    fields = fields_of(desired, existing)
    change = Change(
        desired.name,
        "unchanged",
        id=existing.id if existing else None,
        version=desired.spec.version,
        work_pool=desired.work_pool,
        job_variables=_named(fields["job_variables"]),
    )
    if existing is None:
        change.done = "made"
        change.schedules = {one.slug or "": "made" for one in _new_schedules(desired)}
        if flow_id is not None and not dry:
            change.id = await client.create_deployment(
                flow_id,
                desired.deploy.name,
                **fields,
                pull_steps=[],
                schedules=_new_schedules(desired),
            )
    elif _differs(fields, existing):
        change.done = "changed"
        if not dry:
            # Only what shall change: Prefect sends the defaults of all other fields too.
            await client.update_deployment(existing.id, DeploymentUpdate(pull_steps=[], **fields))
    if existing is not None:
        await _reconcile_schedules(client, desired, existing, change, prune=prune, dry=dry)
    await _reconcile_triggers(client, desired, change, prune=prune, dry=dry)
    return change


def _new_schedules(desired: DesiredDeployment) -> list[DeploymentScheduleCreate]:
    return [
        DeploymentScheduleCreate(
            schedule=schedule, active=desired.deploy.schedules[number].active, slug=slug_of(number)
        )
        for number, schedule in enumerate(desired.schedules)
    ]


def fields_of(desired: DesiredDeployment, existing: DeploymentResponse | None) -> dict[str, Any]:
    """The fields of a deployment, without its name, schedules and triggers."""
    workflow, deploy = desired.workflow, desired.deploy
    form = compile_flow(
        workflow, spec_text=desired.spec.text, attribute=attribute_of(workflow.name), execute=_never
    )
    wallet = existing.parameters.get(CREDENTIALS) if existing else None
    kept = {CREDENTIALS: wallet} if isinstance(wallet, dict) else {}
    limit = deploy.concurrency_limit
    collision = ConcurrencyLimitStrategy(collision_of(deploy))
    parameters = parameters_of(workflow, deploy.inputs)
    schema = form.parameters.model_dump_for_openapi()
    # What the entry gives is the default here, and not that of the spec: calls that `prefect sdk
    # generate` writes leave a parameter out that equals its default.
    for name, value in parameters.items():
        schema["properties"][name]["default"] = value
    if "required" in schema:
        schema["required"] = [name for name in schema["required"] if name not in parameters]
    return {
        "version": desired.spec.version,
        "description": "\n\n".join(
            filter(
                None,
                (
                    desired.price,
                    paragraphs(deploy.description) if deploy.description else form.description,
                    upload_link(workflow, desired.upload_page),
                ),
            )
        ),
        "tags": tags_of(deploy),
        "entrypoint": entrypoint_of(workflow),
        "work_pool_name": desired.work_pool,
        "parameters": parameters | kept,
        "parameter_openapi_schema": {
            **shown_form(schema, workflow, desired.upload_page),
            # So that the server refuses a mistyped name, before a worker does.
            "additionalProperties": False,
        },
        "enforce_parameter_schema": True,
        "concurrency_limit": limit,
        "concurrency_options": (
            None if limit is None else ConcurrencyOptions(collision_strategy=collision)
        ),
        **job_fields(desired, existing),
    }


def job_fields(desired: DesiredDeployment, existing: DeploymentResponse | None) -> dict[str, Any]:
    """Job variables and queue: those given now over those of the spec over those that are there."""
    pool, given = desired.deploy.work_pool, dict(desired.job_variables)
    given_env = given.pop("env", {})
    wanted = {} if pool is None else {k: v for k, v in pool.resources.items() if k not in given}
    queue = pool.queue if pool else None
    kept = dict(existing.job_variables or {}) if existing else {}
    kept_env = dict(kept.pop("env", None) or {})
    before = _named(existing.job_variables if existing else None)
    kept_env.pop(SET_VARIABLE, None)
    kept = {name: value for name, value in kept.items() if name not in before}
    ours = {SPEC_VARIABLE: desired.spec.hash, COLLECTION_VARIABLE: desired.collection}
    names = [*wanted, *([_QUEUE] if queue else [])]
    if names:
        ours[SET_VARIABLE] = json.dumps(sorted(names))
    env = kept_env | given_env | ours
    made: dict[str, Any] = {"job_variables": kept | wanted | given | {"env": env}}
    if queue or _QUEUE in before:
        made["work_queue_name"] = queue or "default"
    return made


def _named(job_variables: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The names of what a deploy set; none if somebody changed the variable that has them."""
    with suppress(AttributeError, KeyError, TypeError, ValueError):
        return tuple(map(str, json.loads((job_variables or {})["env"][SET_VARIABLE])))
    return ()


async def _never(**_: Any) -> Any:
    raise RuntimeError("this flow was compiled for its form only")


def _differs(fields: Mapping[str, Any], there: DeploymentResponse) -> bool:
    limited = ("concurrency_limit", "concurrency_options")
    if any(getattr(there, name) != fields[name] for name in fields if name not in limited):
        return True
    limit, options = there.global_concurrency_limit, fields["concurrency_options"]
    if limit is None or options is None:
        return limit is not None or options is not None
    there_options = there.concurrency_options
    found = there_options.collision_strategy if there_options else None
    return (limit.limit, found) != (fields["concurrency_limit"], options.collision_strategy)


async def _reconcile_schedules(
    client: PrefectClient,
    desired: DesiredDeployment,
    there: DeploymentResponse,
    change: Change,
    *,
    prune: bool,
    dry: bool,
) -> None:
    """Leaves schedules alone that people added: their slugs are not ours."""
    found = {one.slug: one for one in there.schedules if is_ours(one.slug)}
    for new in _new_schedules(desired):
        slug, old = new.slug or "", found.pop(new.slug, None)
        if old is None:
            change.note(change.schedules, slug, "made")
            if not dry:
                await client.create_deployment_schedules(there.id, [new])
        elif (old.active, _plain(old.schedule)) != (new.active, _plain(new.schedule)):
            change.note(change.schedules, slug, "changed")
            if not dry:
                await client.update_deployment_schedule(
                    there.id, old.id, active=new.active, schedule=new.schedule
                )
                await _delete_planned(client, there.id, old)
        else:
            change.note(change.schedules, slug, "unchanged")
    for stray in found.values():
        if not (prune or stray.active):
            continue
        done = "removed" if prune else "switched off"
        change.note(change.schedules, str(stray.slug), done)
        if dry:
            continue
        if prune:
            await client.delete_deployment_schedule(there.id, stray.id)
        else:
            await client.update_deployment_schedule(there.id, stray.id, active=False)
            await _delete_planned(client, there.id, stray)


async def _delete_planned(
    client: PrefectClient, deployment_id: UUID, schedule: DeploymentSchedule
) -> None:
    """Deletes the runs of a schedule that no worker took: the server keeps those that are due."""
    planned = flow_runs_with(deployment=deployment_id, states=[StateType.SCHEDULED])
    for run in await read_flow_runs(client, planned):
        if run.run_count == 0 and made_by(run, [schedule]):
            with suppress(ObjectNotFound):  # the server was faster
                await client.delete_flow_run(run.id)


async def _reconcile_triggers(
    client: PrefectClient, desired: DesiredDeployment, change: Change, *, prune: bool, dry: bool
) -> None:
    there: dict[str, Automation] = {}
    if change.id is not None and change.done != "made":
        there = await automations_of(client, change.id, desired.name)
    for number in range(len(desired.deploy.triggers)):
        automation = automation_of(desired, number, change.id)
        old = there.pop(automation.name, None)
        sent = change.id is not None and not dry
        if old is None:
            change.note(change.triggers, automation.name, "made")
            if sent:
                # Only here: the server refuses an update that names its owner.
                owner = {"owner_resource": f"prefect.deployment.{change.id}"}
                await client.create_automation(automation.model_copy(update=owner))
        elif comparable(old) != comparable(automation):
            change.note(change.triggers, automation.name, "changed")
            if sent:
                await client.update_automation(old.id, automation)
        else:
            change.note(change.triggers, automation.name, "unchanged")
    for name, old in there.items():
        if not (prune or old.enabled):
            continue
        change.note(change.triggers, name, "removed" if prune else "switched off")
        if not dry:
            await (client.delete_automation if prune else client.pause_automation)(old.id)


def automation_of(
    desired: DesiredDeployment, number: int, deployment_id: UUID | None
) -> AutomationCore:
    """The automation of a trigger, counted from 0; without an id only for comparing."""
    trigger = trigger_of(desired.workflow, desired.deploy, number)
    run_deployment = RunDeployment(
        source="selected" if deployment_id else "inferred",
        deployment_id=deployment_id,
        parameters=trigger["parameters"],
    )
    return AutomationCore(
        name=trigger["name"],
        description=f"Runs {desired.name} on the event {desired.deploy.triggers[number].event}.",
        enabled=trigger["enabled"],
        tags=[OWNER_TAG],
        trigger=EventTrigger(
            expect=set(trigger["expect"]),
            match=ResourceSpecification(trigger["match"]),
            # The default, but an update requires it.
            posture=Posture.Reactive,
        ),
        actions=[run_deployment],
    )


async def automations_of(
    client: PrefectClient, deployment_id: UUID, name: str
) -> dict[str, Automation]:
    """Our automations of a deployment, by name: only that tells them from other people's."""
    found = await client.read_resource_related_automations(f"prefect.deployment.{deployment_id}")
    return {one.name: one for one in found if one.name.startswith(f"{name}: trigger ")}


def _plain(schedule: Any) -> dict[str, Any]:
    found: dict[str, Any] = schedule.model_dump(mode="json")
    return found
