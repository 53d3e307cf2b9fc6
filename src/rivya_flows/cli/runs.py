"""`runs` and `receipt`: the runs of the store, how stopped ones continue, and what one did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from rivya_flows.cli import options
from rivya_flows.cli.layout import Cell, until
from rivya_flows.cli.options import command, moment, option
from rivya_flows.cli.output import COLOURS, near_paths, print_json, print_table, show, tell
from rivya_flows.cli.session import open_page, settings
from rivya_flows.plans.names import BATCH_LABEL
from rivya_flows.receipt.phrases import credits_of, other_runs

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.receipt.model import Receipt
    from rivya_flows.runs.lookup import Journal, ListedRun

_STATUSES = ("running", "suspended", "completed", "failed", "cancelled", "waiting", "killed")
_RESUMED = 3  # runs that a line says how to resume


@command()
def runs(
    labels: tuple[str, ...] = options.FILTER,
    spec: str | None = option("Only of this spec.", metavar="NAME"),
    status: str | None = option("Only with this status.", type=click.Choice(_STATUSES)),
    since: datetime | None = option("Started since: 30d, 2026-11-01.", type=moment, metavar="WHEN"),
    limit: int = option(
        "Most runs.", type=click.IntRange(1, 100_000), default=50, show_default=True
    ),
    as_json: bool = options.JSON,
) -> None:
    """List runs, newest first, with what each has spent."""
    from rivya_flows.plans.labels import read_labels
    from rivya_flows.runs.lookup import list_lines, open_journal, unknown_names

    wanted = read_labels(labels)
    grouped = not as_json and BATCH_LABEL not in wanted
    chosen = settings()
    with open_journal(chosen) as journal:
        lines = list_lines(
            journal, limit, grouped=grouped, labels=wanted, name=spec, status=status, since=since
        )
        unknown = () if lines else tuple(unknown_names(journal, wanted, spec))
        listed = lines[:limit]
        unfinished = [
            runs
            for runs in listed
            if not as_json and any(run.status not in ("completed", "running") for run in runs)
        ]
        steps = [_next_step(runs, journal, chosen.data) for runs in unfinished[:_RESUMED]]
    if as_json:
        print_json(
            [
                {
                    "run_id": run.row.run_id,
                    "spec": run.row.name,
                    "labels": run.row.labels,
                    "status": run.status,
                    "service": run.row.service,
                    "wallet": run.row.wallet,
                    "credits": {"spent": run.spent, "open": run.open},
                    "started_at": run.row.started_at,
                    "folder": run.row.folder if _has_folder(run) else None,
                    "unbegun": run.unbegun,
                    "waits": run.waits and run.waits.model_dump(mode="json", exclude={"kind"}),
                }
                for [run] in listed
            ]
        )
        return
    if not listed:
        show("no runs" + (" that match" if labels or spec or status or since else ""))
        tell(*unknown)
        return
    now = datetime.now().astimezone()  # with the offset that the zone of this machine has now
    columns = ["!run", "spec", "?labels", "!status", ">credits", "?>open", "?service", f"?started ({now:%Z})", "?folder"]  # fmt: skip
    print_table(columns, [_row(runs, now.tzinfo) for runs in listed])
    if len(lines) > limit:
        show("", f"the newest {limit}; `--limit` shows more")
    if steps:
        show("", *steps)
    if (more := len(unfinished) - _RESUMED) > 0:
        show(f"and {more} more that have not completed")


def _next_step(runs: Sequence[ListedRun], journal: Journal, data: Path) -> str:
    """What to do about a line whose runs did not all complete."""
    from rivya_flows.cli.terminal import with_spec_here
    from rivya_flows.errors import RivyaError
    from rivya_flows.receipt.continuing import Continuation, continuation, resume_command
    from rivya_flows.receipt.from_journal import receipt
    from rivya_flows.runs.connect import is_lost
    from rivya_flows.runs.lookup import to_begin

    run = runs[0]
    name = f"{run.row.run_id} {run.status}"
    if len(runs) > 1:
        batch = run.row.labels[BATCH_LABEL]
        return f"{batch} {_status(runs)[0]}: rivya-flows runs --label batch={batch}"
    if run.unbegun is not None:
        return f"{name}: it never began: {run.unbegun}; {to_begin(run.row.run_id)}"
    if is_lost(run.row.service, data / "sandbox"):
        removed = f"rivya-flows store remove {run.row.run_id}"
        return f"{name}: its sandbox is not in the data folder; if it was deleted: {removed}"
    try:
        document = receipt(journal.entries(run.row.run_id))
        following = continuation(with_spec_here(document, run.row.folder))
    except RivyaError:  # such as a spec that another version took; a resume says what is wrong
        following = Continuation("resume with", resume_command(run.row.run_id))
    if run.waits is not None:
        at = until(run.waits.until)
        return f"{name}: {run.waits.reason}; tries again at {at}, or now: {following.command}"
    return f"{name}: {following}"


def _has_folder(run: ListedRun) -> bool:
    """Whether it has a folder on this machine; runs of deployments have none."""
    return run.unbegun is None and run.row.folder.is_dir()


def _row(runs: Sequence[ListedRun], zone: tzinfo | None) -> list[Cell]:
    from rivya_flows.receipt.phrases import is_sandbox

    run, row, many = runs[0], runs[0].row, len(runs) > 1
    labels = [one for one in row.labels.items() if not (many and one[0] == BATCH_LABEL)]
    folder = row.folder.parent if many else row.folder
    return [
        f"{row.labels[BATCH_LABEL]} ({len(runs)} runs)" if many else row.run_id,
        row.name,
        " ".join(f"{name}={value}" for name, value in labels),
        _status(runs),
        str(sum(one.spent for one in runs)),
        str(sum(one.open for one in runs) or ""),
        "sandbox" if is_sandbox(row.service) else urlsplit(row.service).netloc,
        f"{datetime.fromisoformat(row.started_at).astimezone(zone):%Y-%m-%d %H:%M}",
        near_paths(str(folder)) if _has_folder(run) else "",
    ]


def _status(runs: Sequence[ListedRun]) -> tuple[str, str]:
    """The status of a run, or how many runs of a batch have each status, in the colour of the worst."""
    numbers = Counter(run.status for run in runs)
    worst = next(
        (one for one in reversed(_STATUSES) if numbers[one] and one != "completed"), "completed"
    )
    counts = [
        f"{numbers[one]} {one}" if len(runs) > 1 else one for one in _STATUSES if numbers[one]
    ]
    return ", ".join(counts), COLOURS.get(worst, "")


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
        from rivya_flows.runs.results import read_report

        report = read_report(chosen, row.run_id, out)
        made, folder = report.receipt, report.receipt_path.parent
    if as_json:
        print_json(made.model_dump(mode="json"))
    else:
        _print(made, about, folder if folder.is_dir() else None)
    if open_sheet:
        from rivya_flows.runs.sheets import sheet_of

        open_page(sheet_of(chosen, row.run_id if out is None else str(folder)))


def _print(made: Receipt, run: ListedRun, folder: Path | None) -> None:
    from rivya_flows.plans.names import short_label
    from rivya_flows.receipt.model import iso
    from rivya_flows.receipt.phrases import model_of
    from rivya_flows.receipt.summary import (
        account_line,
        bought_again,
        choices,
        films,
        pools,
        sentence,
        shortfalls,
        troubles,
    )

    show(f"{made.run_id}  {': '.join(filter(None, (made.title or made.name, made.subject)))}")
    waits = ""
    if run.waits:
        waits = f"; {run.waits.reason}; tries again at {run.waits.until:%Y-%m-%d %H:%M:%S} UTC"
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
    for lines in (choices(made, until), films(made), bought_again(made)):
        if lines:
            show("", *lines)
    show("")
    show(f"credits {wallet(made)}", bold=True)
    show(
        *pools(made),
        *shortfalls(made),
        *troubles(made),
        f"folder {folder or '–; --out DIR writes one'}",
    )


def wallet(made: Receipt) -> str:
    """``1000 → 974: 26 spent, 4 lost, 3 saved``, what may still come back, and what the run does not explain."""
    credits = made.credits
    held = sum(row.held for row in made.ledger if row.final is None)
    parts = {"spent": credits.spent - held, "lost": credits.lost, "held": held}
    numbers = [f"{many} {what}" for what, many in parts.items() if many or what == "spent"]
    text = ", ".join([*numbers, f"{credits.saved} saved"])
    if credits.before is not None:
        # The balance after is read at the end only: not for a run that was cancelled, or waits.
        after = " before, " if credits.after is None else f" → {credits.after}: "
        text = f"{credits.before}{after}{text}"
    if lost := credits.others:
        text += f"; the wallet lost {credits_of(lost)} more{other_runs(lost, credits.other_runs)}"
    unexplained = credits.unexplained or 0
    if unexplained > 0:
        text += f"; {unexplained} more spent by something else"
    elif unexplained < 0:
        text += f"; {-unexplained} {'was' if unexplained == -1 else 'were'} added"
    return text
