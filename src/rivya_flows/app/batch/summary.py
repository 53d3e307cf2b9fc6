"""How a batch ended, row by row and in all: for a table, for ``--json``, and as a CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rivya_flows.app.batch.rows import BatchRow
from rivya_flows.app.batch.rules import outcome
from rivya_flows.app.batch.state import Batch
from rivya_flows.app.report import write_whole
from rivya_flows.ledger.phrases import credits_of

_FIXED = ("row", "run_id", "status", "credits", "saved", "reason")
_FILE = {"path", "url", "file_id"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class WalletChange:
    """The wallet over one execution of a batch, compared once for all rows: they share it.

    Attributes:
        before: Ahead of the first row.
        after: Behind the last one; None where it could not be read.
        spent: What the rows have spent or hold since.
    """

    before: int
    after: int | None
    spent: int

    @property
    def unexplained(self) -> int | None:
        """Credits that went for something else, negative for what came in; None: not known."""
        return None if self.after is None else self.before - self.after - self.spent

    @property
    def words(self) -> str | None:
        """The difference for people; None where there is none."""
        if not self.unexplained:
            return None
        moved = f"the wallet went from {self.before} to {self.after}; the rows spent {self.spent}"
        if self.unexplained > 0:
            return f"{moved}, and {credits_of(self.unexplained)} went for something else"
        return f"{moved}, and {credits_of(-self.unexplained)} came in beside it"


def summary(
    batch: Batch, rows: Iterable[BatchRow], receipts: Mapping[str, Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """One document for each row, in the order of the file.

    Args:
        batch: At its end.
        rows: Of the file.
        receipts: Of the runs that there are, by run id, with paths of the copies for people.
    """
    states = {state.run_id: state for state in batch.rows}
    documents: list[Mapping[str, Any]] = []
    for row in rows:
        state, receipt = states[row.run_id], receipts.get(row.run_id, {})
        waiting = state.status == "waiting"
        documents.append(
            {
                "row": row.number,
                "run_id": row.run_id,
                "status": "not_started" if waiting else state.status,
                "credits": state.spent,
                "saved": receipt.get("credits", {}).get("saved", 0),
                "reason": batch.stopped if waiting else state.reason,
                "inputs": dict(row.values),
                "notes": dict(row.notes),
                "outputs": dict(receipt.get("outputs", {})),
            }
        )
    return documents


def batch_json(
    batch_id: str,
    batch: Batch,
    rows: list[Mapping[str, Any]],
    wallet: WalletChange,
    *,
    summary_path: str,
) -> dict[str, Any]:
    """The document that ``batch --json`` prints.

    Args:
        batch_id: The batch.
        batch: At its end.
        rows: Of the summary.
        wallet: Over this execution.
        summary_path: Absolute path of the summary's CSV.
    """
    return {
        "batch_id": batch_id,
        "status": outcome(batch),
        "credits": {
            "spent": batch.spent,
            "saved": sum(row["saved"] for row in rows),
            "budget": batch.budget,
            "before": wallet.before,
            "after": wallet.after,
            "unexplained": wallet.unexplained,
        },
        "stopped": batch.stopped,
        "rows": rows,
        "summary": summary_path,
    }


def summary_csv(documents: Iterable[Mapping[str, Any]]) -> str:
    """The same as a CSV: a column for each input, note and output, media by their path.

    A text that a spreadsheet would take for a formula gets an apostrophe in front: answers of
    models stand in it.
    """
    listed = list(documents)
    inputs, notes, outputs = (_names(listed, group) for group in ("inputs", "notes", "outputs"))
    # An input and an output may have one name; who reads the file should not have to guess.
    header = [*_FIXED, *inputs, *notes, *(f"output: {name}" for name in outputs)]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    for document in listed:
        cells = [document[name] for name in _FIXED]
        cells += [document["inputs"].get(name) for name in inputs]
        cells += [document["notes"].get(name) for name in notes]
        cells += [document["outputs"].get(name) for name in outputs]
        writer.writerow([_cell(cell) for cell in cells])
    return text.getvalue()


def write_summary(path: Path, documents: Iterable[Mapping[str, Any]]) -> None:
    """Writes the CSV, whole; spreadsheets know by its first bytes that it is UTF-8.

    Raises:
        StoreError: It cannot be written.
    """
    write_whole(path, "\ufeff" + summary_csv(documents))


def _names(documents: Iterable[Mapping[str, Any]], group: str) -> list[str]:
    return list(dict.fromkeys(name for document in documents for name in document[group]))


def _cell(value: Any) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = _text(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _text(value: Any) -> str:
    if isinstance(value, list) and value and all(_is_medium(one) for one in value):
        return "\n".join(_text(one) for one in value)
    if _is_medium(value):
        named = value.get("path") or value.get("url") or value.get("file_id")
        return str(named or value.get("sha256") or "")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_medium(value: Any) -> bool:
    """An asset, or a file as an input names it."""
    if not isinstance(value, Mapping):
        return False
    return "mime_type" in value or (len(value) == 1 and bool(_FILE & value.keys()))
