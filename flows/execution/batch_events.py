"""The event that tells Prefect how a batch ended: its rows send none that an automation of ours hears."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from prefect.events import Event
from pydantic import JsonValue

from rivya_flows.assets import assets_in
from rivya_flows.batch.summary import BatchResult, RowReport, rerun_with
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


class _Row(NamedTuple):
    """A row with the addresses of its contact sheet and of its first still."""

    row: RowReport
    report: str | None
    picture: str | None


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


def payload_of(context: RunContext, result: BatchResult) -> dict[str, JsonValue]:
    """The payload: plain values, for automations and as a message."""
    first = next((row.receipt for row in result.rows if row.receipt), None)
    name = first.name if first else result.batch_id
    title = (first and first.title) or name
    rows = [_row(context, row) for row in result.rows]
    rows.sort(key=lambda one: one.row.status == "completed")  # what asks for a person comes first
    counts = Counter(one.row.status for one in rows)
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
        "rows": [
            {
                "name": one.row.state.name,
                "run_id": one.row.state.run_id,
                "status": one.row.status,
                "credits": one.row.state.spent,
                "reason": one.row.reason,
                "report": one.report,
                "picture": one.picture,
            }
            for one in rows[:_MAX_ROWS]
        ],
        "markdown": "\n".join(_lines(result, f"**{text(title)}**", sentence, rows)),
    }


def _row(context: RunContext, row: RowReport) -> _Row:
    address = addresses_of(context, row.receipt.media if row.receipt else {})
    stills = (one for one in assets_in(row.outputs) if one.kind == "image")
    report = report_of(context, row.state.run_id) if row.receipt else None
    return _Row(row, report, next(filter(None, map(address, stills)), None))


def _lines(result: BatchResult, title: str, sentence: str, rows: Sequence[_Row]) -> Iterator[str]:
    """The same as a message for people."""
    status = {"suspended": "waits for answers", "over_budget": "failed"}
    yield f"{title}, batch {status.get(result.status, result.status)}: {text(sentence)}"
    for row, report, _ in rows[:_MAX_LINES]:
        name = link(row.state.name, report) if report else text(row.state.name)
        reason = f": {text(row.reason)}" if row.reason else ""
        yield f"* {name}: {_WORDS.get(row.status, row.status)}{reason}"
    listed = code(f"rivya-flows runs --label {BATCH_LABEL}={result.batch_id}")
    if (others := len(rows) - _MAX_LINES) > 0:
        yield f"* and {others} more: {listed}"
    pictures = (picture(one.row.state.name, one.picture) for one in rows if one.picture)
    yield from itertools.islice(pictures, _MAX_PICTURES)
    if result.status != "completed":
        linked = any(one.report for one in rows[:_MAX_LINES])
        one = ", or one row with the command on its contact sheet" if linked else ""
        yield f"rerun the same command{rerun_with(result)} to continue{one}; its runs: {listed}"
