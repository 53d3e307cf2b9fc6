"""Notification blocks of a Prefect server: find one, check it, and send a message through it."""

from __future__ import annotations

from typing import cast

from prefect.blocks.abstract import NotificationBlock, NotificationError
from prefect.blocks.core import Block
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import ObjectNotFound

from rivya_flows.errors import UsageError
from rivya_flows.flows.paging import PAGE, read_all
from rivya_flows.flows.prefect_internals import has_no_recipient
from rivya_flows.printable import one_line

_SUBJECT = "rivya-flows: a test"
_BODY = "Messages about runs arrive here. `rivya-flows automations test` sent this one."
_MOST_WORDS = 300  # characters of a reason


async def notification_block(client: PrefectClient, block: str) -> BlockDocument:
    """The block of that name, checked as far as that is possible without a message.

    Raises:
        UsageError: There is no such block, it sends no notifications, or its address is none of its kind.
    """
    kind, _, name = block.partition("/")
    try:
        found = await client.read_block_document_by_name(name, kind, include_secrets=False)
    except ObjectNotFound:
        found = None
    if found is not None and _notifies(found):
        try:
            loaded = await Block.aload(block, client=client)
        except Exception:  # its type may be installed on the server alone
            return found
        if has_no_recipient(loaded):
            raise UsageError(
                f"the block {block!r:.200} has an address that its service does not have",
                "copy the address of the webhook once more, whole, into the block in Prefect's pages",
            )
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
        " slack-webhook/team; a program that saves one needs PREFECT_API_URL, and PREFECT_API_AUTH_STRING for"
        " the server of `up`, or it saves it elsewhere",
    )


async def send_test(client: PrefectClient, block: str) -> str | None:
    """Sends a test message through a block, from this machine.

    Returns:
        Why it was not sent, without addresses, which are secrets; None if the service took it.
    """
    try:
        loaded = cast("NotificationBlock", await Block.aload(block, client=client))
        with loaded.raise_on_failure():
            await loaded.notify(subject=_SUBJECT, body=_BODY)
    except NotificationError as error:
        # Lines below a warning name the address.
        marks = ("[WARNING]: ", "[ERROR]: ")
        said = [line.strip() for line in error.log.splitlines()]
        words = [
            line.removeprefix(mark) for line in said for mark in marks if line.startswith(mark)
        ]
        return one_line(" ".join(words))[:_MOST_WORDS] or "the service refused it"
    except Exception as error:  # a block may raise anything, and its words may have the address
        answer = getattr(error, "response", None)
        status = getattr(answer, "status_code", None)
        return f"the service answered with HTTP {status}" if status else type(error).__name__
    return None


def _notifies(document: BlockDocument) -> bool:
    schema = document.block_schema
    return schema is not None and "notify" in (schema.capabilities or ())
