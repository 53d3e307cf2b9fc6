"""The result of a batch: for people, ``--json``, a CSV file, a page, and the event of its end."""

from __future__ import annotations

import csv
import io
import itertools
import json
import unicodedata
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import JsonValue

from rivya_client.printable import spreadsheet_text
from rivya_flows.assets import assets_in
from rivya_flows.batch.pricing import Batch
from rivya_flows.batch.rows import STATUS_WORDS, Row
from rivya_flows.engine.publishing import addresses_of, report_of
from rivya_flows.engine.run_context import RunContext, continuable
from rivya_flows.language.tables import NOTE
from rivya_flows.markdown import code, link, picture, text
from rivya_flows.plans.names import BATCH_LABEL
from rivya_flows.questions.open_questions import answerable
from rivya_flows.queue.events import MOST_OTHER_RUNS, OtherRun
from rivya_flows.queue.queue import replay
from rivya_flows.receipt.embedding import Embedder, SheetMedium
from rivya_flows.receipt.ledger import explain_wallet
from rivya_flows.receipt.model import Receipt
from rivya_flows.receipt.pages import render, value_text
from rivya_flows.receipt.phrases import credits_of, other_runs
from rivya_flows.receipt.report import write_report

_FIXED = ("row", "run_id", "status", "credits", "saved", "reason", "folder")
_FILE = {"path", "url", "file_id"}
_MAX_FACT, _MAX_TEXT = 60, 600  # characters of a cell, and of a text, on the card of its row
_MAX_MEDIA = 6
"""Media of one row on the sheet of a batch; the sheet of the row has all."""


@dataclass(frozen=True)
class WalletChange:
    """The wallet over one execution of a batch, whose rows share it; `after` is None if it could not be read.

    Of `other_runs` of the store, the first spent most.
    """

    before: int
    after: int | None
    spent: int
    other_runs: tuple[OtherRun, ...] = ()

    @property
    def unexplained(self) -> int | None:
        """Credits that no run of the store spent, negative if credits were added; None if unknown."""
        return self._explained[0]

    @property
    def spent_by_others(self) -> int:
        """Credits that other runs of the store spent, as far as it explains the wallet."""
        return self._explained[1]

    @property
    def _explained(self) -> tuple[int | None, int]:
        most = sum(one.most for one in self.other_runs)
        return explain_wallet(self.before, self.after, self.spent, most)

    @property
    def warning(self) -> str | None:
        """The difference, for people; None without one."""
        text = f"the wallet went from {self.before} to {self.after}; the rows spent {self.spent}"
        if self.spent_by_others:
            text += f", other runs {self.spent_by_others}{other_runs(self.spent_by_others, self.other_runs)}"
        if (unexplained := self.unexplained or 0) > 0:
            return f"{text}, and something else spent {credits_of(unexplained)}"
        if unexplained < 0:
            return f"{text}, and {credits_of(-unexplained)} were added"
        return text if self.spent_by_others else None


@dataclass(frozen=True)
class BatchResult:
    """How a batch ended; its folder is absolute."""

    batch: Batch
    folder: Path
    wallet: WalletChange
    cancelled: bool

    @property
    def summary_path(self) -> Path:
        return self.folder / "summary.csv"

    @property
    def sheet_path(self) -> Path:
        return self.folder / "contact-sheet.html"

    @property
    def saved(self) -> int:
        return sum(row.saved for row in self.batch.rows)

    @property
    def status(self) -> str:
        return "cancelled" if self.cancelled else self.batch.outcome

    def as_json(self) -> dict[str, JsonValue]:
        """The document of ``batch --json``."""
        other_runs = self.wallet.other_runs[:MOST_OTHER_RUNS] if self.wallet.spent_by_others else ()
        return {
            "batch_id": self.batch.batch_id,
            "status": self.status,
            "credits": {
                "spent": self.batch.spent,
                "saved": self.saved,
                "budget": self.batch.budget,
                "before": self.wallet.before,
                "after": self.wallet.after,
                "unexplained": self.wallet.unexplained,
                "others": self.wallet.spent_by_others,
                "other_runs": [one.model_dump() for one in other_runs],
            },
            "stopped": self.batch.stopped,
            "rows": [row.as_json() for row in self.batch.rows],
            "summary": str(self.summary_path),
            "report": str(self.sheet_path),
        }


def refusing_pools(result: BatchResult) -> Iterator[str | None]:
    """The pools that did not cover unfinished rows; None for a row that lacks something else."""
    for row in result.batch.rows:
        if row.status != "completed" and "over_budget" in row.codes:
            pools = [item.pool for _, item in row.receipt.each()] if row.receipt else []
            yield from [*filter(None, (row.pool, *pools))] or (None,)


def rerun_with(result: BatchResult) -> str:
    """What the same command needs to get further, such as `` with --budget 84 or more``; "" for nothing."""
    if not _lacks_credits(result):
        return ""
    needed = needed_budget(result)
    return (
        f" with --budget {needed} or more" if needed else " with a higher --budget or more credits"
    )


def needed_budget(result: BatchResult) -> int | None:
    """The budget with which the same command gets further; None if that is not what it lacks."""
    budget, least = result.batch.budget, result.batch.least_budget
    return least if budget is not None and least > budget and _lacks_credits(result) else None


def _lacks_credits(result: BatchResult) -> bool:
    pools = [*refusing_pools(result)]
    return result.status == "over_budget" and (not pools or None in pools)


def read_reports(context: RunContext, batch: Batch) -> None:
    """Gives each row the receipt, folder and questions of its run; writes receipts that are out of date."""
    for row in batch.rows:
        if row.status == "waiting":
            row.reason = batch.stopped
        if run := context.journal.run(row.run_id):
            row.folder = continuable(context, run).folder
            completed = row.status == "completed"
            row.receipt = _receipt(context, run.run_id, row.folder, completed=completed)
        if row.status == "suspended":
            state = replay(one.event for one in context.journal.entries(row.run_id))
            row.questions = answerable(state)


def _receipt(context: RunContext, run_id: str, folder: Path, *, completed: bool) -> Receipt:
    if completed:  # written at that moment, and nothing has changed since
        with suppress(OSError, ValueError, RecursionError):
            written = json.loads((folder / "receipt.json").read_text("utf-8"))
            made = Receipt.model_validate(written)
            if (made.run_id, made.status) == (run_id, "completed"):
                return made
    return write_report(context.journal.entries(run_id), folder, context.assets).receipt


class Card(NamedTuple):
    """A row on the contact sheet of a batch.

    Attributes:
        title, mark: What names it, and the note that does, such as a SKU.
        price: The first of its cells that is a price; "" without one.
        facts: Its other short cells, by column, that tell it from other rows.
        link: To the sheet of its run; "" without one.
        media, texts: The first ones of its outputs, by name.
        more: How many media are left out.
    """

    row: Row
    title: str
    mark: str
    price: str
    facts: list[tuple[str, str]]
    link: str
    media: list[tuple[str, SheetMedium]]
    texts: list[tuple[str, str]]
    more: int


def sheet_text(result: BatchResult, title: str) -> str:
    """The page of a batch: every row with its outputs, price and state, and links to its own pages."""
    rows = result.batch.rows
    media: dict[str, Path] = {}
    for row in rows:
        for asset in assets_in(row.outputs):
            # A receipt may have been changed: what lies elsewhere is not embedded.
            if (
                row.folder
                and asset.path
                and asset.path.resolve().is_relative_to(row.folder.resolve())
            ):
                media.setdefault(asset.sha256, asset.path)
    receipts = [row.receipt for row in rows if row.receipt]
    embedder = Embedder(receipts, media.__getitem__, result.folder)
    of_rows = [[*assets_in(row.outputs)][:_MAX_MEDIA] for row in rows]
    # The first of each row before the second of any.
    ranked = sorted((index, one.sha256) for found in of_rows for index, one in enumerate(found))
    embedder.draw([sha256 for _, sha256 in ranked], only=True)
    of_all = [_cells(row) for row in rows]
    same = {
        name
        for name, value in (of_all[0] if len(of_all) > 1 else {}).items()
        if all(one.get(name) == value for one in of_all)
    }
    # The balances are those of the last execution alone.
    before = result.batch.spent - result.wallet.spent
    cards = [_card(row, embedder, same) for row in rows]
    view = {"title": title, "result": result, "before": before, "cards": cards}
    return render("batch_sheet.html", view)


def _card(row: Row, embedder: Embedder, same: Container[str]) -> Card:
    media: list[tuple[str, SheetMedium]] = []
    texts: list[tuple[str, str]] = []
    more = 0
    for name, value in row.outputs.items():
        assets = [*assets_in(value)]
        first = assets[: _MAX_MEDIA - len(media)]
        found = [one for asset in first for one in embedder.of_hash(asset.sha256)]
        media += [(" · ".join(filter(None, [name, one.about.key])), one) for one in found]
        more += len(assets) - len(first)
        if not assets and (text := value_text(value)):
            texts.append((name, text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"))
    notes = [text for name, text in row.keys.items() if name in row.notes]
    names = [text for name, text in row.keys.items() if name not in row.notes]
    names = names or [row.receipt.subject if row.receipt else ""]
    facts = [*_facts(row, same)]
    return Card(
        row,
        title=" · ".join(filter(None, names)) or row.name,
        mark=" · ".join(filter(None, notes)) if any(names) else "",
        price=next((text for name, text in facts if _is_price(name, text)), ""),
        facts=[one for one in facts if not _is_price(*one)],
        link=embedder.link_to(row.folder / "contact-sheet.html") if row.folder else "",
        media=media,
        texts=texts,
        more=more,
    )


def _is_price(name: str, text: str) -> bool:
    return "price" in name or any(unicodedata.category(letter) == "Sc" for letter in text)


def _cells(row: Row) -> dict[str, object]:
    return {**row.values, **row.notes}


def _facts(row: Row, same: Container[str]) -> Iterator[tuple[str, str]]:
    """The short cells of a row that do not name it and differ from those of other rows."""
    for name, value in _cells(row).items():
        text = str(value) if isinstance(value, str | int | float) else ""
        if text.strip() and len(text) <= _MAX_FACT and name not in row.keys and name not in same:
            yield name.removeprefix(NOTE), text


def csv_text(rows: Sequence[Row]) -> str:
    """The rows as CSV with a BOM: the columns of their table, what became of them, and each output.

    What a spreadsheet could read as a formula gets an apostrophe before it: models may have written it.
    """
    documents = [row.as_json() for row in rows]
    # An input and an output may have the same name.
    groups = ("notes", "inputs", "outputs")
    notes, inputs, outputs = (
        list(dict.fromkeys(name for one in documents for name in one[group])) for group in groups
    )
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    head = [*notes, *inputs, *_FIXED, *(f"output: {name}" for name in outputs)]
    writer.writerow(map(spreadsheet_text, head))
    for one in documents:
        cells = [one["notes"].get(name) for name in notes]
        cells += [one["inputs"].get(name) for name in inputs]
        cells += [one[name] for name in _FIXED]
        cells += [one["outputs"].get(name) for name in outputs]
        writer.writerow(map(_cell, cells))
    return "\ufeff" + text.getvalue()


def _cell(value: Any) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return spreadsheet_text(_text(value))


def _text(value: Any) -> str:
    if isinstance(value, list) and value and all(_is_medium(one) for one in value):
        return "\n".join(_text(one) for one in value)
    if _is_medium(value):
        named = value.get("path") or value.get("url") or value.get("file_id")
        return str(named or value.get("sha256") or "")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_medium(value: Any) -> bool:
    """Whether a value is an asset, or a file as an input names it."""
    if not isinstance(value, Mapping):
        return False
    return "mime_type" in value or (len(value) == 1 and bool(_FILE & value.keys()))


_MAX_EVENT_ROWS, _MAX_LINES, _MAX_PICTURES = 50, 10, 4


def end_payload(context: RunContext, result: BatchResult) -> dict[str, Any]:
    """What the event of its end carries: plain values, for automations and as a message."""
    first = next((row.receipt for row in result.batch.rows if row.receipt), None)
    name = first.name if first else result.batch.batch_id
    title = (first and first.title) or name
    rows = [_event_row(context, row) for row in result.batch.rows]
    rows.sort(key=lambda row: row["status"] == "completed")  # what asks for a person comes first
    spent, where = result.batch.spent, " (sandbox)" if first and first.sandbox else ""
    sentence = f"{result.batch.counts}; {credits_of(spent)}{where}"
    return {
        "batch_id": result.batch.batch_id,
        "name": name,
        "title": title,
        "status": result.status,
        "sentence": sentence,
        "credits": {"spent": spent, "saved": result.saved, "budget": result.batch.budget},
        "rows": rows[:_MAX_EVENT_ROWS],
        "markdown": "\n".join(_message(result, f"**{text(title)}**", sentence, rows)),
    }


def _event_row(context: RunContext, row: Row) -> dict[str, Any]:
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


def _message(
    result: BatchResult, title: str, sentence: str, rows: Sequence[dict[str, Any]]
) -> Iterator[str]:
    """The same as a message for people."""
    status = {"suspended": "waits for answers", "over_budget": "failed"}
    yield f"{title}, batch {status.get(result.status, result.status)}: {text(sentence)}"
    for row in rows[:_MAX_LINES]:
        name = link(row["name"], row["report"]) if row["report"] else text(row["name"])
        reason = f": {text(row['reason'])}" if row["reason"] else ""
        yield f"* {name}: {STATUS_WORDS.get(row['status'], 'not started')}{reason}"
    listed = code(f"rivya-flows runs --label {BATCH_LABEL}={result.batch.batch_id}")
    if (more := len(rows) - _MAX_LINES) > 0:
        yield f"* and {more} more: {listed}"
    pictures = (picture(row["name"], row["picture"]) for row in rows if row["picture"])
    yield from itertools.islice(pictures, _MAX_PICTURES)
    if result.status != "completed":
        linked = any(row["report"] for row in rows[:_MAX_LINES])
        one = ", or one row with the command on its contact sheet" if linked else ""
        yield f"rerun the same command{rerun_with(result)} to continue{one}; its runs: {listed}"
