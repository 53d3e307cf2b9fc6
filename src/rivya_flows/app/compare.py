"""Compare two runs of the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rivya_flows.app.report import media_of, write_whole
from rivya_flows.app.runs import find_run, open_journal
from rivya_flows.app.sheets import sheet_folder
from rivya_flows.errors import UsageError
from rivya_flows.ledger.comparison import comparison
from rivya_flows.ledger.receipt import receipt
from rivya_flows.media.comparison_page import comparison_page
from rivya_flows.planning.queue.queue import replay
from rivya_flows.scratch import scratch
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore


def compare(
    settings: Settings, named: Sequence[str], page: Path | None = None, *, shown: bool = False
) -> tuple[dict[str, Any], Path | None]:
    """Two runs side by side, as their journals have them now; asks no service.

    Args:
        named: Ids or folders of the two runs; of one alone, the first is the run that it was forked from.
        shown: Without `page`, write one beside the contact sheet of the second run.

    Returns:
        The comparison; and its page, absolute, None without one.
    """
    with open_journal(settings) as journal:
        rows = [find_run(journal, name, only_read=True) for name in named]
        if len(rows) == 1:
            fork = replay(one.event for one in journal.entries(rows[0].run_id)).fork
            if fork is None:
                message = (
                    f"{rows[0].run_id} is no fork, so it needs another run to be compared with"
                )
                raise UsageError(message, f"rivya-flows compare RUN {named[0]}")
            rows = [find_run(journal, fork.run_id), *rows]
        journals = [journal.entries(row.run_id) for row in rows]
    document = comparison(*journals)
    if page is None and shown:
        page = sheet_folder(settings, rows[1]) / f"compared-with-{rows[0].run_id}.html"
    if page is not None:
        page = page.expanduser().absolute()
        with scratch() as folder:
            assets = AssetStore(settings.assets_url, folder)
            receipts = [receipt(entries) for entries in journals]
            media = [
                media_of(one, row.folder, assets) for one, row in zip(receipts, rows, strict=True)
            ]
            write_whole(page, comparison_page(document, receipts, media))
    return document, page
