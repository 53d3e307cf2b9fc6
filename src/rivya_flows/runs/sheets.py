"""The pages of runs that people open and send: contact sheet, a file for a client, and two runs compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rivya_flows.errors import UsageError
from rivya_flows.language.diagnostic_report import suggest
from rivya_flows.language.expressions.values import slug
from rivya_flows.plans.names import BATCH_LABEL, subject_of
from rivya_flows.queue.queue import replay
from rivya_flows.receipt.comparison import comparison, comparison_page
from rivya_flows.receipt.contact_sheet import MAX_SHARED_BYTES, share_page, shared_outputs
from rivya_flows.receipt.from_journal import receipt, receipt_of
from rivya_flows.receipt.ledger import History
from rivya_flows.receipt.report import media_of, write_report, write_whole
from rivya_flows.runs.execution import run_folder
from rivya_flows.runs.lookup import LAST, batch_runs, find_run, list_run, open_assets, open_journal
from rivya_flows.settings import Settings
from rivya_flows.store.journal import RunRow

_SHEET = "contact-sheet.html"
_MAX_NAME = 60  # characters of the name of a file for a client


def sheet_of(settings: Settings, name: str) -> Path:
    """The contact sheet of a run, made if it is missing, or of a batch; `last` is the newest run, or its batch."""
    with open_journal(settings) as journal:
        of_batch = batch_runs(journal, name)
        row = of_batch[0] if of_batch else find_run(journal, name, only_read=True)
        if of_batch or (name == LAST and BATCH_LABEL in row.labels):
            together = row.folder.parent / _SHEET
            if together.is_file():
                return together
        if (own := row.folder / _SHEET).is_file():
            return own
        entries = journal.entries(row.run_id)
    with open_assets(settings) as assets:
        return write_report(entries, sheet_folder(settings, row), assets).sheet_path


def at_work(settings: Settings, name: str) -> str | None:
    """The id of a run that has not ended, or waits; None of any other run, and of a batch."""
    with open_journal(settings) as journal:
        if batch_runs(journal, name):
            return None
        row = find_run(journal, name, only_read=True)
        is_open = list_run(journal, row.run_id).status not in ("completed", "failed", "cancelled")
        return row.run_id if is_open else None


def sheet_folder(settings: Settings, row: RunRow) -> Path:
    """Where the pages of a run are: its folder; without one, as of a deployment, in the data folder."""
    return row.folder if row.folder.is_dir() else run_folder(settings.data / "runs", row.run_id)


class SharedRun(NamedTuple):
    """A page for a client; `smaller` says what to send instead, if it is too large for a mail."""

    page: Path
    lacks: dict[str, str]
    smaller: str


def share(
    settings: Settings,
    name: str,
    file: Path | None,
    *,
    only: Sequence[str] = (),
    title: str | None = None,
) -> SharedRun:
    """Writes one HTML file with the finished media of a run, for somebody who sees nothing else of it.

    `file` None is a new one in the current folder. Without a title it says what the run is about.
    """
    if file and file.exists() and file.suffix.lower() != ".html":
        raise UsageError(f"{file} exists and is no page", "give --out a name that ends in .html")
    if file and not file.parent.is_dir():
        raise UsageError(f"there is no folder {file.parent}", "make it, or give --out another")
    with open_journal(settings) as journal:
        row = find_run(journal, name, only_read=True)
        entries = journal.entries(row.run_id)
    state = replay(entry.event for entry in entries)
    receipt = receipt_of(History(entries), state)
    # A long text may be a prompt, which a client is not to see.
    subject = subject_of(state.plan.workflow, state.plan.inputs, prose=False)
    outputs = receipt.outputs
    for one in only:
        if one not in outputs:
            hint = suggest(one, outputs) or f"it has {', '.join(outputs) or 'no outputs'}"
            raise UsageError(f"--output {one!r:.60}: {row.run_id} has no such output", hint)
    with open_assets(settings) as assets:
        every = shared_outputs(receipt, media_of(receipt, row.folder, assets), only)
        lacks = {one: "not made" for one in only or outputs if outputs[one] is None}
        lacks |= {one.name: "deleted" for one in every if one.gone}
        found = [one for one in every if one.media or one.text]
        if not found:
            status = receipt.status
            hints = {"completed": "its outputs are empty", "running": "it has not ended yet"}
            hint = hints.get(status, "it may still be resumed")
            if "deleted" in lacks.values():
                hint = "its media were deleted, as by `store prune`; a new run buys them again"
            raise UsageError(f"{row.run_id} ({status}) has nothing finished to share", hint)
        sizes = {one.name: one.size_bytes for one in found}
        smaller = f"send the files of {row.folder}"
        if len(sizes) > 1:
            listed = ", ".join(f"{one} {_megabytes(size)}" for one, size in sizes.items() if size)
            smaller = f"choose with --output NAME: {listed}; or {smaller}"
        if sum(sizes.values()) > MAX_SHARED_BYTES:
            raise UsageError(
                f"the media of {row.run_id} are {_megabytes(sum(sizes.values()))}; a page holds"
                f" {_megabytes(MAX_SHARED_BYTES)}",
                smaller,
            )
        titled = {"subject": subject} if title is None else {"title": title, "subject": ""}
        page = share_page(receipt.model_copy(update=titled), found)
    named = slug(f"{receipt.name} {subject}")[:_MAX_NAME].strip("-")
    target = (file or _free(Path(f"{named}.html"))).absolute()
    write_whole(target, page)
    return SharedRun(target, lacks, smaller)


def _free(path: Path) -> Path:
    """This path, or with a number the first that is free: pages of other runs stay."""
    taken, number = path, 1
    while taken.exists():
        number += 1
        taken = path.with_stem(f"{path.stem}-{number}")
    return taken


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def compare(
    settings: Settings, named: Sequence[str], page: Path | None = None, *, opens: bool = False
) -> tuple[dict[str, Any], Path | None]:
    """Two runs side by side, or a fork beside its run, and the page, which `opens` writes without `page` too."""
    with open_journal(settings) as journal:
        rows = [find_run(journal, name, only_read=True) for name in named]
        if len(rows) == 1:
            fork = replay(one.event for one in journal.entries(rows[0].run_id)).fork
            if fork is None:
                raise UsageError(
                    f"{rows[0].run_id} is no fork, so it needs another run to be compared with",
                    f"rivya-flows compare RUN {named[0]}",
                )
            rows = [find_run(journal, fork.run_id), *rows]
        journals = [journal.entries(row.run_id) for row in rows]
    document = comparison(*journals)
    if page is None and opens:
        page = sheet_folder(settings, rows[1]) / f"compared-with-{rows[0].run_id}.html"
    if page is not None:
        page = page.expanduser().absolute()
        with open_assets(settings) as assets:
            receipts = [receipt(entries) for entries in journals]
            media = [
                media_of(one, row.folder, assets) for one, row in zip(receipts, rows, strict=True)
            ]
            write_whole(page, comparison_page(document, receipts, media))
    return document, page
