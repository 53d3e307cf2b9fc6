"""The automations of this package on a Prefect server: list and remove them, and send how runs end."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import cast

from prefect.blocks.abstract import NotificationBlock, NotificationError
from prefect.blocks.core import Block
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import BlockDocument
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import (
    Automation,
    AutomationCore,
    CompoundTrigger,
    EventTrigger,
)
from prefect.exceptions import ObjectNotFound

from rivya_client.printable import one_line
from rivya_flows.errors import UsageError
from rivya_flows.flows.prefect_api import open_client, read_all
from rivya_flows.flows.prefect_internals import RUN_COUNT_LABEL, has_no_recipient
from rivya_flows.flows.questions import WAKER
from rivya_flows.flows.recovery.automations import (
    BATCH_PREFIX,
    EVENT_PREFIX,
    PREFIX,
    RESOURCE,
    RUN,
    configured_heartbeat,
    ensure,
    ensure_automations,
    trigger,
)
from rivya_flows.flows.recovery.waker import SWEEP
from rivya_flows.preparation.deploy_blocks import OWNER_TAG

_TEST_BODY = "Messages about runs arrive here. `rivya-flows automations test` sent this one."


_CREATE_BLOCK = (
    "create one under Blocks in Prefect's pages, such as Slack Webhook, and name it as TYPE/NAME:"
    " slack-webhook/team; a program that saves one needs PREFECT_API_URL, and PREFECT_API_AUTH_STRING for"
    " the server of `up`, or it saves it elsewhere"
)


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
        said = re.findall(r"^\s*\[(?:WARNING|ERROR)\]: (.*)", error.log, re.MULTILINE)
        return one_line(" ".join(said))[:300] or "the service refused it"
    except Exception as error:  # a block may raise anything, and its words may have the address
        answer = getattr(error, "response", None)
        status = getattr(answer, "status_code", None)
        return f"the service answered with HTTP {status}" if status else type(error).__name__
    return None


def _notifies(document: BlockDocument) -> bool:
    schema = document.block_schema
    return schema is not None and "notify" in (schema.capabilities or ())


ENDS = {
    "completed": ("Completed",),
    "failed": ("Failed", "TimedOut"),
    "cancelled": ("Cancelled",),
    "suspended": (),
}
"""How a run can end, with Prefect's events of that end. Of a run that waits only our own says for what."""

NEWS = (*ENDS, "crashed", "late", "waker-silent")
"""What a message can tell: the ends, and what no run can tell itself."""

_AGAIN_SECONDS = 3600.0
"""Our event of an end and Prefect's are one piece of news, whichever comes first."""

_SILENCE_SECONDS = SWEEP.total_seconds() + 600
"""By then a sweep would have started a crashed run again."""

_NAMES = """\
{% set name = (flow_run.name or event.payload.title) | replace("://", ": //") %}\
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
    """Sends a test message through blocks, from this machine; gives why each was not sent, None where it was."""
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
            # By something: without, Prefect looks also where nothing was heard, and tells it again.
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
    ended = (EVENT_PREFIX + news, *(RUN + state for state in ENDS[news]))
    # A run that was retried may fail again, but is completed once.
    by = [RESOURCE] if news == "completed" else [RESOURCE, RUN_COUNT_LABEL]
    return trigger(*ended, within=_AGAIN_SECONDS, related=of, for_each=by)


async def _ours(client: PrefectClient) -> list[Automation]:
    found = await read_all(client.read_automations)
    return sorted((one for one in found if one.name.startswith(PREFIX)), key=lambda one: one.name)
