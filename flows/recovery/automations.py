"""The automations of this package on a Prefect server: those that restart runs, and those that send how runs end.

Those that restart a run whose process or worker died, for flow runs with our tag:

* *lost*: no heartbeat → Crashed. (A live worker reports a dead process itself.)
* *again*: Crashed for `AGAIN_SECONDS` → rescheduled; the run resumes from its journal. A worker reports a dead
  process twice, some seconds apart: the second report would overwrite a new schedule.
* *enough*: Crashed `CRASHES` times within `CRASHES_SECONDS` → Failed, which ends the wait of *again*. A run that
  crashes now and then stops after `EXECUTIONS` executions.
* *unbegun*: Pending for `PENDING_SECONDS` → rescheduled. Its worker died before it began.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from prefect import get_client
from prefect.blocks.abstract import NotificationBlock, NotificationError
from prefect.blocks.core import Block
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import BlockDocument, StateType
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import (
    Automation,
    AutomationCore,
    CompoundTrigger,
    EventTrigger,
    Posture,
)
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from rivya_client.printable import one_line
from rivya_flows.errors import UsageError
from rivya_flows.flows.prefect_api import Resource, open_client, read_all, refusals, sync
from rivya_flows.flows.prefect_internals import RUN_COUNT_LABEL, has_no_recipient
from rivya_flows.flows.questions import SWEEP, WAKER
from rivya_flows.preparation.deploy_blocks import OWNER_TAG

EVENT_PREFIX = "rivya-flows.run."
"""Begins the events of a run's end; automations of users match it too."""

ROW_PREFIX, BATCH_PREFIX = "rivya-flows.row.", "rivya-flows.batch."  # events of their ends
DRIFTED = "rivya-flows.spec.drifted"  # of a deployment: its spec no longer works, or costs more
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
    """Makes or updates the automations that restart runs; one that somebody switched off stays off.

    `heartbeat_seconds` of all workers; None: that of an existing automation, or Prefect's default. Gives what was
    done to each, by name: `made`, `changed` or `unchanged`.
    """
    with refusals("automations", "update the Prefect server"):
        async with get_client() as client:
            heartbeat = heartbeat_seconds or HEARTBEAT_SECONDS
            for one in await client.read_automations_by_name(LOST):
                if not heartbeat_seconds and isinstance(one.trigger, EventTrigger):
                    silence = one.trigger.within.total_seconds()
                    heartbeat = (silence - _SLACK_SECONDS) / MISSED_HEARTBEATS
            return await ensure(client, *automations(heartbeat, again_seconds))


def configured_heartbeat() -> float | None:
    """The heartbeat of flow runs in seconds as set in this process; None if it is not set."""
    flows = get_current_settings().flows
    return flows.heartbeat_frequency if "heartbeat_frequency" in flows.model_fields_set else None


def automations(heartbeat_seconds: float, again_seconds: float) -> list[AutomationCore]:
    """Those that restart runs."""
    silence = MISSED_HEARTBEATS * heartbeat_seconds + _SLACK_SECONDS
    period = f"{CRASHES_SECONDS / 60:g} minutes"
    restarts = {RUN_COUNT_LABEL: [str(count) for count in range(EXECUTIONS)]}
    too_often = (
        f"crashed {CRASHES} times in {period}; not restarted automatically; see its log, then Retry"
    )

    def again(message: str) -> ChangeFlowRunState:
        state = StateType.SCHEDULED
        return ChangeFlowRunState(state=state, name="AwaitingRetry", message=message)

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
            again("its process ended unexpectedly; it resumes from its journal"),
        ),
        (
            ENOUGH,
            f"Ends a run that crashed {CRASHES} times in {period}.",
            trigger(f"{RUN}Crashed", within=CRASHES_SECONDS, threshold=CRASHES),
            ChangeFlowRunState(state=StateType.FAILED, message=too_often),
        ),
        (
            UNBEGUN,
            "Restarts a run whose worker died before the run began.",
            # A worker of Prefect's own sets Submitting while it starts the process.
            trigger(f"{RUN}*", after=("Pending", "Submitting"), within=PENDING_SECONDS),
            again("its worker never started it"),
        ),
    )
    return [
        AutomationCore(name=name, description=what, tags=[OWNER_TAG], trigger=when, actions=[act])
        for name, what, when, act in rows
    ]


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
    existing: dict[str, Automation] = {}
    for one in desired:
        for found in await client.read_automations_by_name(one.name):
            if existing.setdefault(one.name, found) is not found:
                await client.delete_automation(found.id)  # two processes made it at the same time
    wanted = {
        one.name: one.model_copy(update={"enabled": existing[one.name].enabled})
        if one.name in existing
        else one
        for one in desired
    }
    return await sync(wanted, existing, automations_on(client))


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
        existing = {name: await client.read_automations_by_name(name) for name in names}
    return [name for name, found in existing.items() if not any(one.enabled for one in found)]


# --- Messages to people ---

ENDS = {
    "completed": ("Completed",),
    "failed": ("Failed", "TimedOut"),
    "cancelled": ("Cancelled",),
    "suspended": (),
}
"""How a run can end, with Prefect's events of that end. Of a run that waits only our own says for what."""

NEWS = (*ENDS, "crashed", "late", "waker-silent", "drifted")
"""What a message can tell: the ends, what no run can tell itself, and that a deployed spec drifted."""

_AGAIN_SECONDS = 3600.0
"""Our event of an end and Prefect's are one piece of news, whichever comes first."""

_SILENCE_SECONDS = SWEEP.total_seconds() + 600
"""By then a sweep would have started a crashed run again."""

_NAMES = """\
{% set name = (event.payload.deployment or flow_run.name or event.payload.title) | replace("://", ": //") %}\
{% set said = flow_run.state.message | default("", true) | replace("://", ": //") %}\
"""
"""Texts of others, without an address that a chat would make a link of."""

_SUBJECT = f"""{_NAMES}\
{{% if flow.name == "{WAKER}" %}}rivya-flows: the waker is silent\
{{% elif event.payload.markdown %}}\
{{{{ name }}}} {{{{ event.payload.status | replace("over_budget", "over the budget") }}}}: {{{{ event.payload.sentence | truncate(200) }}}}\
{{% else %}}{{{{ name }}}} {{{{ flow_run.state.name | lower }}}}\
{{% if said %}}: {{{{ said | truncate(200) }}}}{{% endif %}}\
{{% endif %}}"""

_BODY = f"""{_NAMES}\
{{% if flow.name == "{WAKER}" %}}\
No sweep was complete for {_SILENCE_SECONDS / 60:g} minutes: no deadline of a question acts, and lost runs are not \
found. `rivya-flows doctor` says what is missing. The last sweep:
{{% elif event.payload.markdown %}}{{{{ event.payload.markdown }}}}
{{% elif flow_run.state.name == "Late" %}}\
It is due, and no worker has taken it: `rivya-flows doctor` says what is missing.
{{% else %}}{{{{ said }}}}
`rivya-flows receipt run-{{{{ flow_run.id }}}}` says what it has spent. Unless it has completed, Retry continues it; \
nothing is bought twice.
{{% endif %}}\
{{% if flow_run %}}{{{{ flow_run | ui_url or "" }}}}{{% endif %}}"""

_TEST_BODY = "Messages about runs arrive here. `rivya-flows automations test` sent this one."

_CREATE_BLOCK = (
    "create one under Blocks in Prefect's pages, such as Slack Webhook, and name it as TYPE/NAME:"
    " slack-webhook/team; a program that saves one needs PREFECT_API_URL, and PREFECT_API_AUTH_STRING for"
    " the server of `up`, or it saves it elsewhere"
)


async def apply(
    block: str | None, ends: Collection[str], spec: str | None = None
) -> dict[str, str]:
    """Makes or updates the automation that sends how runs end through a block, or without one those of lost runs.

    One that is off stays off. Gives what was done, by name: `made`, `changed` or `unchanged`.
    """
    async with open_client() as client:
        if block is None:
            return await ensure_automations(heartbeat_seconds=configured_heartbeat())
        found = await notification_block(client, block)
        return await ensure(client, notification(block, found, ends, spec))


async def try_notifications(blocks: Sequence[str]) -> dict[str, str | None]:
    """Sends a test message through blocks, from this machine; gives why each was not sent, None if it was."""
    async with open_client() as client:
        sends = f"{PREFIX}notify "
        ours = [one.name for one in await _ours(client) if one.name.startswith(sends)]
        names = blocks or [name.removeprefix(sends).partition(" of ")[0] for name in ours]
        if not names:
            raise UsageError(
                "no automation sends messages",
                "make one with `rivya-flows automations apply --notify TYPE/NAME`, or name a block",
            )
        for name in names:
            await notification_block(client, name)
        return {name: await send_test(client, name) for name in dict.fromkeys(names)}


async def automations_of_ours() -> list[Automation]:
    async with open_client() as client:
        return await _ours(client)


async def remove_automation(name: str) -> None:
    """Removes an automation of ours, named with or without `PREFIX`."""
    wanted = name if name.startswith(PREFIX) else PREFIX + name
    async with open_client() as client:
        ours = await _ours(client)
        found = [one for one in ours if one.name == wanted]
        if not found:
            known = ", ".join(repr(one.name) for one in ours)
            raise UsageError(
                f"there is no automation {wanted!r:.300}", f"there are: {known}" if known else None
            )
        for one in found:
            await client.delete_automation(one.id)


def notification(
    block: str, document: BlockDocument, ends: Collection[str], spec: str | None
) -> AutomationCore:
    """The automation that sends ends; its name says the block and the spec."""
    of = f" of {spec}" if spec else ""
    body = _BODY
    if block.startswith("discord-webhook/"):  # which refuses more than 2,000 characters
        body = body.replace("payload.markdown }}", "payload.markdown | truncate(1500, true) }}")
    chosen = [one for one in NEWS if one in ends]
    triggers = [_trigger(one, spec) for one in chosen]
    if of_batches := [BATCH_PREFIX + one for one in chosen if one in ENDS]:
        # At the end of a batch; its rows have events of other names.
        labels = {RESOURCE: f"{BATCH_PREFIX}*", "rivya-flows.campaign": spec or "*"}
        triggers.append(trigger(*of_batches, labels=labels))
    return AutomationCore(
        name=f"{PREFIX}notify {block}{of}",
        description=f"Sends how runs{of} end ({', '.join(chosen)}) through {block}.",
        tags=[OWNER_TAG],
        trigger=CompoundTrigger(require="any", triggers=triggers, within=None),
        actions=[SendNotification(block_document_id=document.id, subject=_SUBJECT, body=body)],
    )


def _trigger(news: str, spec: str | None) -> EventTrigger:
    flow = WAKER if news == "waker-silent" else spec or f"!{WAKER}"
    of = [{"prefect.resource.role": "flow", "prefect.resource.name": flow}]
    match news:
        case "waker-silent":
            # By something: without, Prefect also fires where no event came, and sends it again.
            by = [f"related:flow:{RESOURCE}"]
            swept, silence = f"{RUN}Completed", _SILENCE_SECONDS
            return trigger(swept, after=["Completed"], within=silence, related=of, for_each=by)
        case "crashed":
            return trigger(f"{RUN}*", after=["Crashed"], within=_SILENCE_SECONDS, related=of)
        case "late":
            # The first one of a deployment: without a worker there may be hundreds.
            by = [f"related:deployment:{RESOURCE}"]
            return trigger(f"{RUN}Late", within=_AGAIN_SECONDS, related=of, for_each=by)
        case "suspended":
            return trigger(f"{EVENT_PREFIX}suspended", related=of)
        case "drifted":
            labels = {RESOURCE: "prefect.deployment.*", "rivya-flows.campaign": spec or "*"}
            return trigger(DRIFTED, labels=labels)
    ended = (EVENT_PREFIX + news, *(RUN + state for state in ENDS[news]))
    # A run that was retried may fail again, but is completed once.
    by = [RESOURCE] if news == "completed" else [RESOURCE, RUN_COUNT_LABEL]
    return trigger(*ended, within=_AGAIN_SECONDS, related=of, for_each=by)


async def _ours(client: PrefectClient) -> list[Automation]:
    found = await read_all(client.read_automations)
    return sorted((one for one in found if one.name.startswith(PREFIX)), key=lambda one: one.name)


async def notification_block(client: PrefectClient, block: str) -> BlockDocument:
    """The block of that name, checked as far as that is possible without a message."""
    kind, _, name = block.partition("/")
    try:
        found = await client.read_block_document_by_name(name, kind, include_secrets=False)
    except ObjectNotFound:
        found = None
    if found is not None and _notifies(found):
        loaded: object = None
        with suppress(Exception):  # its type may be installed on the server alone
            loaded = await Block.aload(block, client=client)
        if has_no_recipient(loaded):
            raise UsageError(
                f"the block {block!r:.200} has an address that its service does not have",
                "copy the address of the webhook once more, whole, into the block in Prefect's pages",
            )
        return found
    known = await read_all(client.read_block_documents, include_secrets=False)
    names = [f"{one.block_type.slug}/{one.name}" for one in known if one.block_type and _notifies(one)]  # fmt: skip
    what = "sends no notifications" if found else "does not exist on the Prefect server"
    choose = f"choose one of: {', '.join(names)}"
    raise UsageError(f"the block {block!r:.200} {what}", choose if names else _CREATE_BLOCK)


async def send_test(client: PrefectClient, block: str) -> str | None:
    """Sends a test message through a block, from this machine; gives why it was not sent, without addresses."""
    try:
        loaded = cast("NotificationBlock", await Block.aload(block, client=client))
        with loaded.raise_on_failure():
            await loaded.notify(subject="rivya-flows: a test", body=_TEST_BODY)
    except NotificationError as error:
        # Lines below a warning name the address.
        lines = re.findall(r"^\s*\[(?:WARNING|ERROR)\]: (.*)", error.log, re.MULTILINE)
        return one_line(" ".join(lines))[:300] or "the service refused it"
    except Exception as error:  # a block may raise anything, and its words may have the address
        answer = getattr(error, "response", None)
        status = getattr(answer, "status_code", None)
        return f"the service answered with HTTP {status}" if status else type(error).__name__
    return None


def _notifies(document: BlockDocument) -> bool:
    schema = document.block_schema
    return schema is not None and "notify" in (schema.capabilities or ())
