"""Brings one deployment on the server to what its spec says: itself, its schedules, its triggers.

Only what differs is sent. An update makes the server forget runs that it has planned already, and
a run that was due in that moment would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from rivya_flows.flows.compiler import attribute_of, compile_flow
from rivya_flows.flows.deploy_blocks import (
    OWNER_TAG,
    collision_of,
    entrypoint_of,
    is_ours,
    parameters_of,
    slug_of,
    tags_of,
    trigger_of,
)
from rivya_flows.flows.deployment.desired import DesiredDeployment
from rivya_flows.flows.deployment.pruning import COLLECTION_VARIABLE, SPEC_VARIABLE
from rivya_flows.flows.run_page.markdown import paragraphs


@dataclass
class Change:
    """What was done, or with a dry run would be, to one deployment.

    Attributes:
        name: As ``flow/deployment``.
        done: `made`, `changed`, `unchanged` or `removed`.
        id: None for one that a dry run would make.
        version: Of its spec; None for one that goes.
        schedules: What became of each schedule of ours, by its slug.
        triggers: What became of each trigger, by the name of its automation.
    """

    name: str
    done: str
    id: UUID | None = None
    version: str | None = None
    work_pool: str | None = None
    schedules: dict[str, str] = field(default_factory=dict)
    triggers: dict[str, str] = field(default_factory=dict)

    def tell(self, what: dict[str, str], name: str, done: str) -> None:
        """Notes what became of a part; a changed part makes a changed deployment."""
        what[name] = done
        if done != "unchanged" and self.done == "unchanged":
            self.done = "changed"


@dataclass(frozen=True)
class ApplyOptions:
    """How it is done.

    Attributes:
        prune: Schedules and triggers that the spec no longer has are removed, not switched off.
        dry: Nothing is sent that changes anything.
    """

    prune: bool
    dry: bool


async def reconcile(
    client: PrefectClient,
    wanted: DesiredDeployment,
    flow_id: UUID | None,
    there: DeploymentResponse | None,
    manner: ApplyOptions,
) -> Change:
    """Makes a deployment, or changes what differs of the one that is there.

    Args:
        client: Of the server.
        wanted: What is to be.
        flow_id: Of its flow; None in a dry run.
        there: The deployment of that name.
        manner: How.
    """
    fields = fields_of(wanted)
    change = Change(
        wanted.name,
        "unchanged",
        id=there.id if there else None,
        version=wanted.spec.version,
        work_pool=wanted.work_pool,
    )
    if there is None:
        change.done = "made"
        change.schedules = {one.slug or "": "made" for one in _new_schedules(wanted)}
        if flow_id is not None and not manner.dry:
            change.id = await client.create_deployment(
                flow_id,
                wanted.deploy.name,
                **fields,
                pull_steps=[],
                schedules=_new_schedules(wanted),
            )
    elif _differs(fields, there):
        change.done = "changed"
        if not manner.dry:
            # Since Prefect's own defaults count as said there, what it is not to touch is left out.
            await client.update_deployment(there.id, DeploymentUpdate(pull_steps=[], **fields))
    if there is not None:
        await _reconcile_schedules(client, wanted, there, change, manner)
    await _reconcile_triggers(client, wanted, change, manner)
    return change


def _new_schedules(wanted: DesiredDeployment) -> list[DeploymentScheduleCreate]:
    return [
        DeploymentScheduleCreate(
            schedule=schedule, active=wanted.deploy.schedules[number].active, slug=slug_of(number)
        )
        for number, schedule in enumerate(wanted.schedules)
    ]


def fields_of(wanted: DesiredDeployment) -> dict[str, Any]:
    """What a deployment is, beside its name, its schedules and its triggers."""
    workflow, deploy = wanted.workflow, wanted.deploy
    form = compile_flow(
        workflow,
        spec_text=wanted.spec.text,
        attribute=attribute_of(workflow.name),
        execute=_never,
    )
    limit = deploy.concurrency_limit
    collision = ConcurrencyLimitStrategy(collision_of(deploy))
    return {
        "version": wanted.spec.version,
        "description": paragraphs(deploy.description) if deploy.description else form.description,
        "tags": tags_of(deploy),
        "entrypoint": entrypoint_of(workflow),
        "work_pool_name": wanted.work_pool,
        "parameters": parameters_of(workflow, deploy.inputs),
        "parameter_openapi_schema": {
            **form.parameters.model_dump_for_openapi(),
            # A mistyped name is refused by the server, and not by a worker some time later.
            "additionalProperties": False,
        },
        "enforce_parameter_schema": True,
        "concurrency_limit": limit,
        "concurrency_options": (
            None if limit is None else ConcurrencyOptions(collision_strategy=collision)
        ),
        "job_variables": {
            "env": {
                SPEC_VARIABLE: wanted.spec.hash,
                COLLECTION_VARIABLE: wanted.collection,
            }
        },
    }


async def _never(**_: Any) -> Any:
    raise RuntimeError("a flow that is only looked at does not run")


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
    wanted: DesiredDeployment,
    there: DeploymentResponse,
    change: Change,
    manner: ApplyOptions,
) -> None:
    """Those of people, whose slugs are not ours, are left alone."""
    found = {one.slug: one for one in there.schedules if is_ours(one.slug)}
    for new in _new_schedules(wanted):
        slug, old = new.slug or "", found.pop(new.slug, None)
        if old is None:
            change.tell(change.schedules, slug, "made")
            if not manner.dry:
                await client.create_deployment_schedules(there.id, [new])
        elif (old.active, _plain(old.schedule)) != (new.active, _plain(new.schedule)):
            change.tell(change.schedules, slug, "changed")
            if not manner.dry:
                await client.update_deployment_schedule(
                    there.id, old.id, active=new.active, schedule=new.schedule
                )
        else:
            change.tell(change.schedules, slug, "unchanged")
    for stray in found.values():
        if not (manner.prune or stray.active):
            continue
        done = "removed" if manner.prune else "switched off"
        change.tell(change.schedules, str(stray.slug), done)
        if manner.dry:
            continue
        if manner.prune:
            await client.delete_deployment_schedule(there.id, stray.id)
        else:
            await client.update_deployment_schedule(there.id, stray.id, active=False)


async def _reconcile_triggers(
    client: PrefectClient, wanted: DesiredDeployment, change: Change, manner: ApplyOptions
) -> None:
    there: dict[str, Automation] = {}
    if change.id is not None and change.done != "made":
        there = await automations_of(client, change.id, wanted.name)
    for number in range(len(wanted.deploy.triggers)):
        automation = automation_of(wanted, number, change.id)
        old = there.pop(automation.name, None)
        sent = change.id is not None and not manner.dry
        if old is None:
            change.tell(change.triggers, automation.name, "made")
            if sent:
                # Said only here: an update must not name its owner.
                owner = {"owner_resource": f"prefect.deployment.{change.id}"}
                await client.create_automation(automation.model_copy(update=owner))
        elif _compared(old) != _compared(automation):
            change.tell(change.triggers, automation.name, "changed")
            if sent:
                await client.update_automation(old.id, automation)
        else:
            change.tell(change.triggers, automation.name, "unchanged")
    for name, old in there.items():
        if not (manner.prune or old.enabled):
            continue
        change.tell(change.triggers, name, "removed" if manner.prune else "switched off")
        if not manner.dry:
            await (client.delete_automation if manner.prune else client.pause_automation)(old.id)


def automation_of(
    wanted: DesiredDeployment, number: int, deployment_id: UUID | None
) -> AutomationCore:
    """The automation of a trigger, counted from 0; without an id it is only good to look at."""
    trigger = trigger_of(wanted.workflow, wanted.deploy, number)
    run_deployment = RunDeployment(
        source="selected" if deployment_id else "inferred",
        deployment_id=deployment_id,
        parameters=trigger["parameters"],
    )
    return AutomationCore(
        name=trigger["name"],
        description=f"Runs {wanted.name} when {wanted.deploy.triggers[number].event} comes.",
        enabled=trigger["enabled"],
        tags=[OWNER_TAG],
        trigger=EventTrigger(
            expect=set(trigger["expect"]),
            match=ResourceSpecification(trigger["match"]),
            # What an update needs to be said, though it is the default.
            posture=Posture.Reactive,
        ),
        actions=[run_deployment],
    )


async def automations_of(
    client: PrefectClient, deployment_id: UUID, name: str
) -> dict[str, Automation]:
    """The automations of ours that belong to a deployment, by their names.

    The server does not tell who owns an automation, so those of people are known by their names.
    """
    found = await client.read_resource_related_automations(f"prefect.deployment.{deployment_id}")
    return {one.name: one for one in found if one.name.startswith(f"{name}: trigger ")}


def _compared(automation: AutomationCore) -> dict[str, Any]:
    found = automation.model_dump(
        mode="json", include={"name", "description", "enabled", "tags", "trigger", "actions"}
    )
    found["trigger"] = {
        key: sorted(value) if isinstance(value, list) else value
        for key, value in found["trigger"].items()
        if key not in ("id", "type")
    }
    return found


def _plain(schedule: Any) -> dict[str, Any]:
    found: dict[str, Any] = schedule.model_dump(mode="json")
    return found
