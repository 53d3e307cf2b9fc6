"""The automations of this package on a Prefect server: list and remove them, and send how runs end.

Their names begin with `PREFIX`, also those of `rivya_flows.flows.recovery.automations`; no others are
touched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from prefect import get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import BlockDocument
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from rivya_flows.errors import UsageError
from rivya_flows.flows.deploy_blocks import OWNER_TAG
from rivya_flows.flows.deployment.deploy import check_server
from rivya_flows.flows.paging import PAGE, read_all
from rivya_flows.flows.recovery.automations import (
    EVENT_PREFIX,
    configured_heartbeat,
    ensure,
    ensure_automations,
    refusals,
)

PREFIX = f"{OWNER_TAG}: "
"""Begins the name of each automation of ours."""

ENDS = ("completed", "failed", "cancelled", "suspended")
"""How a run can end, as far as its event says."""

_SUBJECT = "{{ event.payload.title }} {{ event.payload.status }}: {{ event.payload.credits.spent }} credits"
_BODY = "{{ event.payload.markdown }}"


async def apply_recovery() -> dict[str, str]:
    """As `ensure_automations`, with the heartbeat that is set for this process."""
    async with _connected():
        return await ensure_automations(heartbeat_seconds=configured_heartbeat())


async def apply_notification(
    block: str, ends: Collection[str], spec: str | None = None
) -> dict[str, str]:
    """Makes or updates the automation that sends how runs end through a block; idempotent.

    One that somebody switched off stays off.

    Args:
        block: As ``TYPE/NAME``, such as ``slack-webhook/team``.
        ends: Of `ENDS`, at least one.
        spec: The name of the only spec; None is every spec.

    Returns:
        What was done to it, by its name: `made`, `changed` or `unchanged`.

    Raises:
        UsageError: There is no such block, or it sends no notifications; or the server does not
            answer, or refuses.
    """
    async with _connected() as client:
        found = await _notification_block(client, block)
        wanted = notification(block, found, ends, spec)
        return {wanted.name: await ensure(client, wanted)}


async def automations_of_ours() -> list[Automation]:
    """All automations of ours, by name.

    Raises:
        UsageError: The server does not answer, or refuses.
    """
    async with _connected() as client:
        return await _ours(client)


async def remove_automation(name: str) -> None:
    """Removes an automation of ours.

    Args:
        name: With or without `PREFIX`.

    Raises:
        UsageError: There is none of that name; or the server does not answer, or refuses.
    """
    wanted = name if name.startswith(PREFIX) else PREFIX + name
    async with _connected() as client:
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
    """The automation that `apply_notification` makes; its name says the block and the spec."""
    of = f" of {spec}" if spec else ""
    chosen = [end for end in ENDS if end in ends]
    return AutomationCore(
        name=f"{PREFIX}notify {block}{of}",
        description=f"Sends how runs{of} end ({', '.join(chosen)}) through {block}.",
        tags=[OWNER_TAG],
        trigger=EventTrigger(
            expect={EVENT_PREFIX + end for end in chosen},
            match=ResourceSpecification({"rivya-flows.campaign": spec} if spec else {}),
            posture=Posture.Reactive,  # the default, but an update requires it
            threshold=1,
        ),
        actions=[
            SendNotification(block_document_id=document.id, subject=_SUBJECT, body=_BODY),
        ],
    )


@asynccontextmanager
async def _connected() -> AsyncIterator[PrefectClient]:
    with refusals():
        async with get_client() as client:
            await check_server(client)
            yield client


async def _ours(client: PrefectClient) -> list[Automation]:
    found = await read_all(lambda at: client.read_automations(limit=PAGE, offset=at))
    ours = (one for one in found if one.name.startswith(PREFIX))
    return sorted(ours, key=lambda one: one.name)


async def _notification_block(client: PrefectClient, block: str) -> BlockDocument:
    kind, _, name = block.partition("/")
    try:
        found = await client.read_block_document_by_name(name, kind, include_secrets=False)
    except ObjectNotFound:
        found = None
    if found is not None and _notifies(found):
        return found
    known = await read_all(
        lambda at: client.read_block_documents(limit=PAGE, offset=at, include_secrets=False)
    )
    names = [f"{one.block_type.slug}/{one.name}" for one in known if one.block_type and _notifies(one)]  # fmt: skip
    what = "sends no notifications" if found else "does not exist on the Prefect server"
    raise UsageError(
        f"the block {block!r:.200} {what}",
        f"choose one of: {', '.join(names)}"
        if names
        else "create one under Blocks in Prefect's pages, such as Slack Webhook, and name it as TYPE/NAME:"
        " slack-webhook/team",
    )


def _notifies(document: BlockDocument) -> bool:
    schema = document.block_schema
    return schema is not None and "notify" in (schema.capabilities or ())
