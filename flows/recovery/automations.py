"""The automations that restart a run whose process or worker died, for flow runs with our tag.

* *lost*: no heartbeat → Crashed. (A live worker reports a dead process itself.)
* *again*: Crashed for `AGAIN_SECONDS` → rescheduled; the run resumes from its journal. A worker reports a dead
  process twice, some seconds apart: the second report would overwrite a new schedule.
* *enough*: Crashed `CRASHES` times within `CRASHES_SECONDS` → Failed, which ends the wait of *again*. A run that
  crashes now and then stops after `EXECUTIONS` executions.
* *unbegun*: Pending for `PENDING_SECONDS` → rescheduled. Its worker died before it began.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.settings import get_current_settings

from rivya_flows.flows.prefect_api import Resource, refusals, sync
from rivya_flows.flows.prefect_internals import RUN_COUNT_LABEL
from rivya_flows.preparation.deploy_blocks import OWNER_TAG

EVENT_PREFIX = "rivya-flows.run."
"""Begins the events of a run's end; automations of users match it too."""

ROW_PREFIX, BATCH_PREFIX = "rivya-flows.row.", "rivya-flows.batch."  # events of their ends
LAST_HEARTBEAT = "rivya-flows.last-heartbeat"  # of a flow run that ended or was suspended
RESOURCE = "prefect.resource.id"
OURS = {"prefect.resource.role": "tag", RESOURCE: f"prefect.tag.{OWNER_TAG}"}  # a related resource
HEARTBEAT_SECONDS = 180.0  # the default of Prefect 3.9
MISSED_HEARTBEATS = 3
AGAIN_SECONDS = 15.0  # at least 10
CRASHES = 5
CRASHES_SECONDS = 15 * 60.0
EXECUTIONS = 20
PENDING_SECONDS = 5 * 60.0

PREFIX = f"{OWNER_TAG}: "  # of the names of our automations
LOST = f"{PREFIX}heartbeat lost"
AGAIN = f"{PREFIX}crashed, start again"
ENOUGH = f"{PREFIX}crashed too often"
UNBEGUN = f"{PREFIX}never began, start again"
NAMES = (LOST, AGAIN, ENOUGH, UNBEGUN)

RUN = "prefect.flow-run."  # begins the resource of a flow run and Prefect's events of it
_SLACK_SECONDS = 10.0


async def ensure_automations(
    *, heartbeat_seconds: float | None = None, again_seconds: float = AGAIN_SECONDS
) -> dict[str, str]:
    """Makes or updates the automations on the server of this process; one that somebody switched off stays off.

    `heartbeat_seconds` of all workers; None: that of an existing automation, or Prefect's default. Gives what was
    done to each, by name: `made`, `changed` or `unchanged`.
    """
    with refusals("automations", "update the Prefect server"):
        async with get_client() as client:
            heartbeat = heartbeat_seconds or await _heartbeat_there(client) or HEARTBEAT_SECONDS
            return await ensure(client, *automations(heartbeat, again_seconds))


async def _heartbeat_there(client: PrefectClient) -> float | None:
    for one in await client.read_automations_by_name(LOST):
        if isinstance(one.trigger, EventTrigger):
            return (one.trigger.within.total_seconds() - _SLACK_SECONDS) / MISSED_HEARTBEATS
    return None


def configured_heartbeat() -> float | None:
    """The heartbeat of flow runs in seconds as set in this process; None if it is not set."""
    flows = get_current_settings().flows
    return flows.heartbeat_frequency if "heartbeat_frequency" in flows.model_fields_set else None


def automations(heartbeat_seconds: float, again_seconds: float) -> list[AutomationCore]:
    silence = MISSED_HEARTBEATS * heartbeat_seconds + _SLACK_SECONDS
    period = f"{CRASHES_SECONDS / 60:g} minutes"
    restarts = {RUN_COUNT_LABEL: [str(count) for count in range(EXECUTIONS)]}
    rows = (
        (
            LOST,
            "Marks a run as crashed if its worker and its process are gone.",
            # Any event of a run is a sign of life, its end or its suspension. A process may die
            # between Running and its first heartbeat. Its last heartbeat may come after its end.
            trigger(f"{RUN}*", LAST_HEARTBEAT, after=("Running", "heartbeat"), within=silence),
            ChangeFlowRunState(state=StateType.CRASHED, message="its heartbeat stopped"),
        ),
        (
            AGAIN,
            f"Restarts a crashed run, at most {EXECUTIONS} times.",
            trigger(f"{RUN}*", after=("Crashed",), within=again_seconds, labels=restarts),
            _again("its process ended unexpectedly; it resumes from its journal"),
        ),
        (
            ENOUGH,
            f"Ends a run that crashed {CRASHES} times in {period}.",
            trigger(f"{RUN}Crashed", within=CRASHES_SECONDS, threshold=CRASHES),
            ChangeFlowRunState(
                state=StateType.FAILED,
                message=f"crashed {CRASHES} times in {period}; not restarted automatically;"
                " see its log, then Retry",
            ),
        ),
        (
            UNBEGUN,
            "Restarts a run whose worker died before the run began.",
            # A worker of Prefect's own sets Submitting while it starts the process.
            trigger(f"{RUN}*", after=("Pending", "Submitting"), within=PENDING_SECONDS),
            _again("its worker never started it"),
        ),
    )
    return [
        AutomationCore(name=name, description=what, tags=[OWNER_TAG], trigger=when, actions=[act])
        for name, what, when, act in rows
    ]


def _again(message: str) -> ChangeFlowRunState:
    return ChangeFlowRunState(state=StateType.SCHEDULED, name="AwaitingRetry", message=message)


def trigger(
    *expect: str,
    after: Collection[str] = (),
    within: float = 0,
    threshold: int = 1,
    labels: Mapping[str, str | list[str]] | None = None,
    related: Iterable[Mapping[str, str | list[str]]] = (),
    for_each: Collection[str] = (RESOURCE,),
) -> EventTrigger:
    """Fires at events of flow runs of ours; with `after`, if none follows these events of Prefect in time."""
    return EventTrigger(
        expect={*expect},
        after={RUN + one for one in after},
        match={RESOURCE: f"{RUN}*", **(labels or {})},
        match_related=[{**one} for one in (OURS, *related)],
        for_each={*for_each},
        posture=Posture.Proactive if after else Posture.Reactive,
        threshold=threshold,
        within=timedelta(seconds=within),
    )


async def ensure(client: PrefectClient, *desired: AutomationCore) -> dict[str, str]:
    """Makes automations of ours, or updates those of the same names, which stay off if they are off."""
    there: dict[str, Automation] = {}
    for one in desired:
        for found in await client.read_automations_by_name(one.name):
            if there.setdefault(one.name, found) is not found:
                await client.delete_automation(found.id)  # two processes made it at the same time
    wanted = {
        one.name: one.model_copy(update={"enabled": there[one.name].enabled})
        if one.name in there
        else one
        for one in desired
    }
    return await sync(wanted, there, automations_on(client))


def automations_on(
    client: PrefectClient, deployment_id: UUID | None = None
) -> Resource[AutomationCore, Automation]:
    """Those of a server, or of a deployment. An update resets the time that the server has waited."""
    # Only of a new one: the server refuses an update that names its owner.
    owner = {"owner_resource": f"prefect.deployment.{deployment_id}"} if deployment_id else {}
    return Resource(
        is_equal=lambda old, new: _comparable(old) == _comparable(new),
        is_active=lambda old: old.enabled,
        create=lambda new: client.create_automation(new.model_copy(update=owner)),
        update=lambda old, new: client.update_automation(old.id, new),
        switch_off=lambda old: client.pause_automation(old.id),
        remove=lambda old: client.delete_automation(old.id),
    )


def _comparable(automation: AutomationCore) -> str:
    """What we set of an automation, as JSON, in the same order for the same content."""
    ours = {"name", "description", "enabled", "tags", "trigger", "actions"}
    return json.dumps(_in_order(automation.model_dump(mode="json", include=ours)), sort_keys=True)


def _in_order(value: Any) -> Any:
    """Without the ids that the server gives; sets of texts sorted."""
    if isinstance(value, dict):
        return {key: _in_order(one) for key, one in value.items() if key not in ("id", "type")}
    if isinstance(value, list):
        found = [_in_order(one) for one in value]
        return sorted(found) if all(isinstance(one, str) for one in found) else found
    return value


async def missing_automations(names: Iterable[str] = NAMES) -> list[str]:
    """The automations that the server of this process lacks, or that are switched off."""
    async with get_client() as client:
        there = {name: await client.read_automations_by_name(name) for name in names}
    return [name for name, found in there.items() if not any(one.enabled for one in found)]
