"""The event that tells Prefect how a batch ended: its rows send none that an automation of ours hears."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from prefect.events import Event

from rivya_flows.assets import assets_in
from rivya_flows.batch.rows import Row
from rivya_flows.batch.summary import BatchResult, rerun_with
from rivya_flows.engine.publishing import addresses_of, report_of
from rivya_flows.engine.run_context import RunContext
from rivya_flows.errors import RivyaError
from rivya_flows.flows.prefect_internals import send_event
from rivya_flows.flows.recovery.automations import BATCH_PREFIX, OURS
from rivya_flows.markdown import code, link, picture, text
from rivya_flows.plans.names import BATCH_LABEL
from rivya_flows.receipt.phrases import credits_of

_MAX_ROWS = 50
_MAX_LINES = 10
_MAX_PICTURES = 4
_WORDS = {"not_started": "not started", "over_budget": "over the budget", "suspended": "waiting"}
_logger = logging.getLogger(__name__)


async def announce_batch(context: RunContext, result: BatchResult) -> None:
    """Sends the event of a batch's end; never raises."""
    try:
        found = payload_of(context, result)
        status = "failed" if result.status == "over_budget" else result.status
        await send_event(
            Event(
                occurred=datetime.now(UTC),
                event=BATCH_PREFIX + status,
                resource={
                    "prefect.resource.id": f"rivya-flows.batch.{result.batch_id}",
                    "prefect.resource.name": result.batch_id,
                    "rivya-flows.campaign": found["name"],
                },
                related=[OURS],
                payload=found,
            )
        )
    except Exception as error:  # Prefect may raise anything; the batch has ended all the same
        shown = error if isinstance(error, RivyaError) else type(error).__name__
        _logger.warning("the batch's end event was not sent: %s", shown)


def payload_of(context: RunContext, result: BatchResult) -> dict[str, Any]:
    """The payload: plain values, for automations and as a message."""
    first = next((row.receipt for row in result.rows if row.receipt), None)
    name = first.name if first else result.batch_id
    title = (first and first.title) or name
    rows = [_row(context, row) for row in result.rows]
    rows.sort(key=lambda row: row["status"] == "completed")  # what asks for a person comes first
    counts = Counter(row["status"] for row in rows)
    others = [f"{counts[one]} {_WORDS.get(one, one)}" for one in counts if one != "completed"]
    done = f"{counts['completed']} of {len(rows)} rows completed"
    spent, where = result.batch.spent, " (sandbox)" if first and first.sandbox else ""
    sentence = f"{', '.join([done, *others])}; {credits_of(spent)}{where}"
    return {
        "batch_id": result.batch_id,
        "name": name,
        "title": title,
        "status": result.status,
        "sentence": sentence,
        "credits": {"spent": spent, "saved": result.saved, "budget": result.batch.budget},
        "rows": rows[:_MAX_ROWS],
        "markdown": "\n".join(_lines(result, f"**{text(title)}**", sentence, rows)),
    }


def _row(context: RunContext, row: Row) -> dict[str, Any]:
    """A row with the addresses of its contact sheet and of its first still."""
    address = addresses_of(context, row.receipt.media if row.receipt else {})
    stills = (one for one in assets_in(row.outputs) if one.kind == "image")
    return {
        "name": row.name,
        "run_id": row.run_id,
        "status": row.shown_status,
        "credits": row.spent,
        "reason": row.reason,
        "report": report_of(context, row.run_id) if row.receipt else None,
        "picture": next(filter(None, map(address, stills)), None),
    }


def _lines(
    result: BatchResult, title: str, sentence: str, rows: Sequence[dict[str, Any]]
) -> Iterator[str]:
    """The same as a message for people."""
    status = {"suspended": "waits for answers", "over_budget": "failed"}
    yield f"{title}, batch {status.get(result.status, result.status)}: {text(sentence)}"
    for row in rows[:_MAX_LINES]:
        name = link(row["name"], row["report"]) if row["report"] else text(row["name"])
        reason = f": {text(row['reason'])}" if row["reason"] else ""
        yield f"* {name}: {_WORDS.get(row['status'], row['status'])}{reason}"
    listed = code(f"rivya-flows runs --label {BATCH_LABEL}={result.batch_id}")
    if (others := len(rows) - _MAX_LINES) > 0:
        yield f"* and {others} more: {listed}"
    pictures = (picture(row["name"], row["picture"]) for row in rows if row["picture"])
    yield from itertools.islice(pictures, _MAX_PICTURES)
    if result.status != "completed":
        linked = any(row["report"] for row in rows[:_MAX_LINES])
        one = ", or one row with the command on its contact sheet" if linked else ""
        yield f"rerun the same command{rerun_with(result)} to continue{one}; its runs: {listed}"
