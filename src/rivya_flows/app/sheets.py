"""The pages of a run that people open and send: its contact sheet, and one file for a client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rivya_flows.app.execution import run_folder
from rivya_flows.app.report import write_report, write_whole
from rivya_flows.app.runs import LAST, batch_runs, find_run, open_journal
from rivya_flows.errors import UsageError
from rivya_flows.language.diagnostic_report import meant
from rivya_flows.ledger.receipt import receipt
from rivya_flows.media.share_page import MAX_SHARED_BYTES, share_page, shared_outputs
from rivya_flows.planning.names import BATCH_LABEL
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore

_SHEET = "contact-sheet.html"


def sheet_of(settings: Settings, name: str) -> Path:
    """The contact sheet of a run or a batch; that of a run is made if it is missing.

    A run of a deployment has no folder of its own: its sheet is made in the data folder, which
    `store prune` clears.

    Args:
        settings: Those of the store.
        name: Names the run, see `find_run`, or the batch, by its id or its folder; `last` is the newest run, or the
            batch that it belongs to.

    Raises:
        UsageError: It is not in the store.
        StoreError: The store cannot be read, or the sheet cannot be written.
    """
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
    folder = row.folder if row.folder.is_dir() else run_folder(settings.data / "runs", row.run_id)
    with TemporaryDirectory(prefix="rivya-flows-") as scratch:
        assets = AssetStore(settings.assets_url, Path(scratch))
        return write_report(entries, folder, assets).sheet_path


def share(
    settings: Settings,
    name: str,
    file: Path | None,
    *,
    only: Sequence[str] = (),
    title: str | None = None,
) -> tuple[Path, list[str]]:
    """Writes one HTML file with the finished media of a run, for somebody who sees nothing else of it.

    Args:
        settings: Those of the store.
        name: Names the run, see `find_run`.
        file: Is written, or replaced; None is a new file in the current folder, named after the spec.
        only: Names of outputs; none sends all.
        title: Of the page; None takes that of the spec.

    Returns:
        The file, absolute; and the names of the outputs that the run has not made.

    Raises:
        UsageError: There is no such run or output, nothing is finished, or the media are too large.
        StoreError: The store cannot be read, or the file cannot be written.
    """
    with open_journal(settings) as journal:
        row = find_run(journal, name, only_read=True)
        document = receipt(journal.entries(row.run_id))
    outputs = document["outputs"]
    for one in only:
        if one not in outputs:
            hint = meant(one, outputs) or f"it has {', '.join(outputs) or 'no outputs'}"
            raise UsageError(f"--output {one!r:.60}: {row.run_id} has no such output", hint)
    with TemporaryDirectory(prefix="rivya-flows-") as scratch:
        assets = AssetStore(settings.assets_url, Path(scratch))
        found = shared_outputs(document, assets.local_path, only)
        if not found:
            status = document["status"]
            hint = "it may still be resumed" if status != "completed" else "its outputs are empty"
            raise UsageError(f"{row.run_id} ({status}) has nothing finished to share", hint)
        sizes = {one.name: one.size_bytes for one in found}
        if sum(sizes.values()) > MAX_SHARED_BYTES:
            raise UsageError(
                f"the media of {row.run_id} are {_megabytes(sum(sizes.values()))}; a page holds"
                f" {_megabytes(MAX_SHARED_BYTES)}",
                f"choose with --output NAME: {_listed(sizes)}; or send the files of {row.folder}",
            )
        page = share_page(document if title is None else {**document, "title": title}, found)
    target = (file or _free(Path(f"{document['name']}.html"))).expanduser().absolute()
    write_whole(target, page)
    missing = [one for one, value in outputs.items() if value is None and (one in only or not only)]
    return target, missing


def _free(path: Path) -> Path:
    """This path, or with a number the first that is free: pages of other runs stay."""
    taken, number = path, 1
    while taken.exists():
        number += 1
        taken = path.with_stem(f"{path.stem}-{number}")
    return taken


def _listed(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{one} {_megabytes(size)}" for one, size in sizes.items() if size)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
