"""`receipt`: what a run did, bought and made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rivya_flows.cli import options
from rivya_flows.cli.declaration import command
from rivya_flows.cli.layout import until
from rivya_flows.cli.options import option
from rivya_flows.cli.output import print_json, print_table, show
from rivya_flows.cli.session import settings
from rivya_flows.receipt.phrases import credits_of, other_runs

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.receipt.model import Receipt
    from rivya_flows.runs.lookup import ListedRun


@command()
def receipt(
    run: str = options.LAST_RUN,
    out: Path | None = option(
        "Write receipt, contact sheet and media to DIR/RUN.",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
    ),
    open_sheet: bool = option("Open the contact sheet.", "--open"),
    as_json: bool = options.JSON,
) -> None:
    """Show the receipt of a run so far.

    RUN is its id, its folder, or `last`, the default: the run in which something happened last.
    """
    from rivya_flows.receipt.from_journal import receipt as receipt_of
    from rivya_flows.runs.lookup import find_run, list_run, open_journal

    chosen = settings()
    with open_journal(chosen) as journal:
        row = find_run(journal, run, only_read=True)
        made, about = receipt_of(journal.entries(row.run_id)), list_run(journal, row.run_id)
    folder = row.folder
    if out is not None:
        from rivya_flows.runs.results import recorded

        report = recorded(chosen, row.run_id, out)
        made, folder = report.receipt, report.receipt_path.parent
    if as_json:
        print_json(made.model_dump(mode="json"))
    else:
        _print(made, about, folder if folder.is_dir() else None)
    if open_sheet:
        from rivya_flows.cli.terminal import show_page
        from rivya_flows.runs.sheets import sheet_of

        show_page(sheet_of(chosen, row.run_id if out is None else str(folder)))


def _print(made: Receipt, run: ListedRun, folder: Path | None) -> None:
    from rivya_flows.plans.names import short_label
    from rivya_flows.receipt.model import iso
    from rivya_flows.receipt.phrases import model_of
    from rivya_flows.receipt.summary import account_line, choices, films, pools, sentence, troubles

    about = [made.title or made.name, made.subject]
    show(f"{made.run_id}  {': '.join(filter(None, about))}")
    waits = (
        f"; {run.waits.reason}; tries again at {run.waits.until:%Y-%m-%d %H:%M:%S} UTC"
        if run.waits
        else ""
    )
    show(f"{run.status}: {sentence(made)}{waits}")
    show(*filter(None, [account_line(made)]), "")
    rows = [
        [
            iso(row.at),
            short_label(row.step, row.key),
            model_of(row),
            row.status,
            f"{row.held} held" if row.final is None else str(row.final),
            row.task_id or "",
        ]
        for row in made.ledger
    ]
    print_table(["?bought", "!for", "model", "!status", ">credits", "?task"], rows)
    for lines in (choices(made, until), films(made)):
        if lines:
            show("", *lines)
    show("")
    show(f"credits {wallet(made)}", bold=True)
    show(*pools(made))
    for line in troubles(made):
        show(line)
    show(f"folder {folder or '–; --out DIR writes one'}")


def wallet(made: Receipt) -> str:
    """``1000 → 974: 26 spent, 3 saved``, what may still come back, and what the run does not explain."""
    credits = made.credits
    held = sum(row.held for row in made.ledger if row.final is None)
    before, after = credits.before, credits.after
    # The balance after is read at the end only: not for a run that was cancelled, or waits.
    moved = f"{before} before, " if after is None else f"{before} → {after}: "
    moved = "" if before is None else moved
    open_ = f"{held} held, " if held else ""
    words = f"{moved}{credits.spent - held} spent, {open_}{credits.saved} saved"
    if others := credits.others:
        lost = credits_of(others)
        words += f"; the wallet lost {lost} more{other_runs(others, credits.other_runs)}"
    unexplained = credits.unexplained or 0
    if unexplained > 0:
        words += f"; {unexplained} more spent by something else"
    elif unexplained < 0:
        words += f"; {-unexplained} {'was' if unexplained == -1 else 'were'} added"
    return words
