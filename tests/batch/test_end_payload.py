"""The message of a batch that its budget ended."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from prefect.client.schemas.objects import BlockDocument
from prefect.events.actions import SendNotification
from prefect.server.utilities.user_templates import render_user_template

from rivya_flows.batch.rows import Row
from rivya_flows.batch.scheduler import Batch
from rivya_flows.batch.summary import BatchResult, WalletChange, end_payload
from rivya_flows.flows.notifications import notification
from support.receipts import parsed


async def test_the_message_of_a_batch_over_its_budget_names_a_budget_that_covers_the_rows() -> None:
    done = Row("run-1", "Lamp", least=1, most=1, status="completed", spent=2)
    codes = frozenset({"over_budget"})
    refused = Row("run-2", "Desk", least=3, most=3, status="over_budget", codes=codes)
    receipt = parsed({"name": "card", "sandbox": True})
    done.receipt = receipt
    batch = Batch((done, refused), 2, batch_id="b")
    result = BatchResult(batch, Path(), WalletChange(9, 7, 2), False)
    context: Any = SimpleNamespace(settings=SimpleNamespace(rivya_flows_public_url=None))
    payload: Any = end_payload(context, result)
    said = "1 of 2 completed, 1 over the budget; 2 credits (sandbox)"
    assert payload["markdown"].split("\n") == [
        f"**card**, batch failed: {said}",
        "* Desk: over the budget",
        "* Lamp: completed",
        "rerun the same command with --budget 5 or more to continue; its runs:"
        " `rivya-flows runs --label batch=b`",
    ]
    of = BlockDocument(
        id=UUID(int=1), name="team", block_schema_id=UUID(int=2), block_type_id=UUID(int=3)
    )
    [action] = notification("slack-webhook/team", of, ["failed"], None).actions
    subject = cast("SendNotification", action).subject
    event = SimpleNamespace(payload=payload)
    assert await render_user_template(subject, {"event": event}) == f"card over the budget: {said}"
