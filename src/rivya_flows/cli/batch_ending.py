"""How a batch ended: summary, what is printed, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rivya_flows.app.batch.rows import BatchRow
from rivya_flows.app.batch.rules import outcome
from rivya_flows.app.batch.state import Batch
from rivya_flows.app.batch.summary import WalletChange, batch_json, summary, write_summary
from rivya_flows.app.report import write_report
from rivya_flows.app.run_context import RunContext, known_run
from rivya_flows.cli.batch_words import counted, spent, word
from rivya_flows.cli.ending import commands, resume_options
from rivya_flows.cli.failures import CREDITS, FAILED, INTERRUPTED
from rivya_flows.cli.output import print_json, print_table, show, tell
from rivya_flows.ledger.summary import is_owed
from rivya_flows.planning.questions.open_questions import answerable
from rivya_flows.planning.queue.queue import replay

_SHOWN = 40
"""Rows up to which the table on stdout has every one; of more, only those that are not done."""

_ADVISED = 10


@dataclass(frozen=True)
class BatchEnd:
    """A batch that is over.

    Attributes:
        folder: Of the batch; the summary goes there.
        interrupted: A signal ended it.
        wallet: Over this execution.
    """

    batch_id: str
    batch: Batch
    rows: Sequence[BatchRow]
    folder: Path
    interrupted: bool
    wallet: WalletChange


def end(context: RunContext, ended: BatchEnd, *, as_json: bool) -> int:
    """Writes the summary, tells the end, and gives the exit code.

    Raises:
        StoreError: The summary cannot be written; the journal has all of it.
    """
    receipts = {
        row.run_id: receipt
        for row in ended.batch.rows
        if (receipt := _receipt(context, row.run_id, done=row.status == "completed")) is not None
    }
    documents = summary(ended.batch, ended.rows, receipts)
    path = ended.folder / "summary.csv"
    write_summary(path, documents)
    if as_json:
        document = batch_json(
            ended.batch_id, ended.batch, documents, ended.wallet, summary_path=str(path)
        )
        print_json(document | ({"status": "cancelled"} if ended.interrupted else {}))
    else:
        _print(ended, documents, path)
    if ended.wallet.words:
        tell(f"warning: {ended.wallet.words}")
    for line in _advice(context, ended, receipts):
        tell(line)
    return INTERRUPTED if ended.interrupted else exit_code(ended.batch)


def exit_code(batch: Batch) -> int:
    """0 done or waiting for picks, 1 a row failed, 3 credits or budget."""
    return {"completed": 0, "suspended": 0, "over_budget": CREDITS, "failed": FAILED}[
        outcome(batch)
    ]


def _receipt(context: RunContext, run_id: str, *, done: bool) -> Mapping[str, Any] | None:
    """The receipt of a row with paths for people; None where there is no run."""
    if context.journal.run(run_id) is None:
        return None
    row = known_run(context, run_id)
    if done:
        # Written at its end, and nothing has changed since.
        try:
            document: Any = json.loads((row.folder / "receipt.json").read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            pass
        else:
            if (
                isinstance(document, dict)
                and document.get("run_id") == run_id
                and document.get("status") == "completed"
            ):
                return document
    return write_report(context.journal.entries(run_id), row.folder, context.assets).receipt


def _print(ended: BatchEnd, documents: Sequence[Mapping[str, Any]], path: Path) -> None:
    every = len(documents) <= _SHOWN
    shown = [one for one in documents if every or one["status"] != "completed"]
    rows = [
        [
            str(one["row"]),
            word(one["status"]),
            str(one["credits"]),
            str(one["saved"]),
            one["run_id"],
        ]
        for one in shown[: None if every else _SHOWN]
    ]
    show("")
    if rows:
        print_table([">row", "status", ">credits", ">saved", "run"], rows)
        show("")
    for one in shown[:_SHOWN]:
        if one["reason"]:
            show(f"row {one['row']} {word(one['status'])}: {one['reason']}")
    if len(shown) > _SHOWN:
        show(f"and {len(shown) - _SHOWN} more that are not done; the summary has them all")
    saved = sum(one["saved"] for one in documents)
    show(f"{ended.batch_id}: {counted(ended.batch)}; {spent(ended.batch, saved)}")
    show(f"summary {path}")


def _advice(
    context: RunContext, ended: BatchEnd, receipts: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """What can be done next about the rows that are not done."""
    if ended.interrupted:
        yield "to go on: give the same command again"
        return
    lines: list[str] = []
    others = False
    for row in ended.batch.rows:
        if row.status == "suspended":
            entries = context.journal.entries(row.run_id)
            questions = answerable(replay(entry.event for entry in entries))
            lines += commands(row.run_id, questions)
        elif row.status == "failed" and (options := resume_options(receipts.get(row.run_id, {}))):
            lines.append(f"rivya-flows resume {row.run_id}{options}")
        elif row.status == "completed" and is_owed(receipts[row.run_id]):
            # The spec allows that it failed, and it was paid for.
            lines.append(f"rivya-flows resume {row.run_id}")
        else:
            others = others or row.status != "completed"
    if lines:
        yield "to go on with single rows:"
        yield from (f"  {line}" for line in lines[:_ADVISED])
    if len(lines) > _ADVISED:
        yield f"  and {len(lines) - _ADVISED} more like these"
    if outcome(ended.batch) == "over_budget":
        yield "to go on: give the same command again, with more --budget or more credits"
    elif others:
        yield "to try the others again: give the same command again"
