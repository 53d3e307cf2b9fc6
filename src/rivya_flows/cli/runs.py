"""`runs`: the runs of the store, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from rivya_flows.cli import completion
from rivya_flows.cli.input_options import FILTER_OPTION
from rivya_flows.cli.moments import moment, until
from rivya_flows.cli.output import COLOURS, near, print_json, print_table, show, tell
from rivya_flows.cli.tables import Cell

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.store.run_list import ListedRun

_STATUSES = ("running", "suspended", "completed", "failed", "cancelled", "waiting", "killed")
_RESUMED = 3  # runs that a line says how to resume


@click.command()
@FILTER_OPTION
@click.option(
    "--spec", metavar="NAME", shell_complete=completion.run_names, help="Only of this spec."
)
@click.option("--status", type=click.Choice(_STATUSES), help="Only with this status.")
@click.option("--since", type=moment, metavar="WHEN", help="Started since: 30d, 2026-11-01.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="Most runs."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def runs(
    labels: tuple[str, ...],
    spec: str | None,
    status: str | None,
    since: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List runs, newest first, with what each has spent."""
    from rivya_flows.app.runs import open_journal, unknown_names
    from rivya_flows.cli.configuration import settings
    from rivya_flows.planning.labels import read_labels
    from rivya_flows.store.run_list import listed_runs

    wanted = read_labels(labels)
    with open_journal(settings()) as journal:
        found = listed_runs(
            journal.engine, labels=wanted, name=spec, status=status, since=since, limit=limit + 1
        )
        unknown = () if found else tuple(unknown_names(journal, wanted, spec))
    listed = found[:limit]
    if as_json:
        print_json([_document(run) for run in listed])
        return
    if not listed:
        show("no runs" + (" that match" if labels or spec or status or since else ""))
        tell(*unknown)
        return
    columns = ["!run", "spec", "?labels", "!status", ">credits", "?>open", "?service", "?started", "?folder"]  # fmt: skip
    print_table(columns, [_row(run) for run in listed])
    if len(found) > limit:
        show("", f"the newest {limit}; `--limit` shows more")
    unfinished = [run for run in listed if run.status not in ("completed", "running")]
    if unfinished:
        show("")
    for run in unfinished[:_RESUMED]:
        next_step = f"rivya-flows resume {run.row.run_id}"
        if run.unbegun is not None:
            next_step = f"it never began: {run.unbegun}; then Retry, in its menu in Prefect"
        elif run.waits is not None:
            at = until(run.waits.until)
            next_step = f"{run.waits.reason}; tries again at {at}, or now: {next_step}"
        show(f"{run.row.run_id} {run.status}: {next_step}")
    if (more := len(unfinished) - _RESUMED) > 0:
        show(f"and {more} more that have not completed")


def _document(run: ListedRun) -> dict[str, Any]:
    row = run.row
    return {
        "run_id": row.run_id,
        "name": row.name,
        "labels": dict(row.labels),
        "status": run.status,
        "service": row.service,
        "wallet": row.wallet,
        "credits": {"spent": run.spent, "open": run.open},
        "started_at": row.started_at,
        "folder": str(row.folder) if _has_folder(run) else None,
        "unbegun": run.unbegun,
        "waits": run.waits and run.waits.model_dump(mode="json", exclude={"kind"}),
    }


def _has_folder(run: ListedRun) -> bool:
    """Whether it has a folder on this machine; runs of deployments have none."""
    return run.unbegun is None and run.row.folder.is_dir()


def _row(run: ListedRun) -> list[Cell]:
    from rivya_flows.ledger.provenance import is_sandbox

    row = run.row
    return [
        row.run_id,
        row.name,
        " ".join(f"{name}={value}" for name, value in row.labels.items()),
        (run.status, COLOURS.get(run.status, "")),
        str(run.spent),
        str(run.open or ""),
        "sandbox" if is_sandbox(row.service) else urlsplit(row.service).netloc,
        row.started_at[:16].replace("T", " "),
        near(row.folder) if _has_folder(run) else "",
    ]
