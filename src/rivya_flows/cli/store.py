"""`store`: read the journal of the runs, and delete what old runs leave."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from rivya_flows.cli import completion
from rivya_flows.cli.groups import Group
from rivya_flows.cli.input_options import PLAN_OPTION
from rivya_flows.cli.moments import AGES, age
from rivya_flows.cli.output import near, print_json, print_table, show, size_of, tell
from rivya_flows.ledger.phrases import credits_of

if TYPE_CHECKING:
    from rivya_flows.app.cache import Pruned
    from rivya_flows.app.retention import PrunedRun, RemovedRun
    from rivya_flows.cli.tables import Cell


_STAYS = (
    "Journals, receipts and spending stay."
    " To resume or fork one of these runs later, keep its folder: its media are then taken from there."
)


@click.group(cls=Group)
def store() -> None:
    """Read the journal; delete what old runs leave."""


@store.command()
@click.argument("run", shell_complete=completion.runs)
def export(run: str) -> None:
    """Print the journal of a run, one JSON document a line.

    RUN is its id, its folder, or `last`: the run in which something happened last.
    """
    from rivya_flows.app.runs import find_run, open_journal
    from rivya_flows.cli.configuration import settings

    with open_journal(settings()) as journal:
        entries = journal.entries(find_run(journal, run, only_read=True).run_id)
    for entry in entries:
        event = entry.event.model_dump(mode="json")
        print_json({"seq": entry.seq, "at": entry.at, "event": event}, indent=None)


@store.command("prune")
@click.option(
    "--older-than",
    type=age,
    required=True,
    metavar="AGE",
    help=f"Keep what younger runs need: {AGES}.",
)
@PLAN_OPTION
@click.option("-y", "--yes", is_flag=True, help="Delete without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def prune_store(older_than: timedelta, only_plan: bool, yes: bool, as_json: bool) -> None:
    """Delete media and cached results of runs that ended long ago, and old failures to begin one.

    Journals, receipts and spending stay. Keep the folders of runs: a later resume or fork takes its media
    from there. Runs that have not ended keep all that they need. Asks first, unless --yes is given.
    """
    from rivya_flows.app import retention
    from rivya_flows.cli.cache import opened_store, summary
    from rivya_flows.cli.terminal import agreed

    with opened_store() as (journal, assets, data):
        now = datetime.now(UTC)
        limit = now - older_than

        def prune(*, pretend: bool) -> Pruned:
            return retention.prune_store(
                journal, assets, now=now, older_than=older_than, data=data, pretend=pretend
            )

        def describe(pruned: Pruned, *, would: bool) -> str:
            runs = "1 run" if len(pruned.runs) == 1 else f"{len(pruned.runs)} runs"
            return f"{runs} ended before {limit:%Y-%m-%d %H:%M} UTC: {summary(pruned, media=True, would=would)}"

        number = len(journal.ids(""))
        tell(f"reading the journal{'s' * (number != 1)} of {number:,} run{'s' * (number != 1)}")
        if not yes:
            found = prune(pretend=True)
            if not as_json:
                _show_losing(retention.losing(journal, assets, found))
        if not yes and not only_plan:
            question = [f"{describe(found, would=True)}. {_STAYS}"]
            goes = found.entries or found.media or found.folders or found.sandbox_bytes
            if goes and not agreed("store prune", question, as_json=as_json):
                return
        elif not as_json:
            tell(_STAYS)
        pruned = found if only_plan else prune(pretend=False)
    if as_json:
        print_json(pruned.as_json())
    else:
        show(describe(pruned, would=only_plan))


def _show_losing(losing: Sequence[PrunedRun]) -> None:
    """The runs whose media go, with the part that stays in folders of runs."""
    rows: list[list[Cell]] = []
    for run, *sizes in ((one.run, one.size_bytes, one.linked_bytes) for one in losing):
        row = [run.row.run_id, run.row.name, run.status, run.row.started_at[:10]]
        rows.append([*row, *map(size_of, sizes)])
    if rows:
        print_table(["!run", "spec", "!status", "?started", ">media", ">in folders"], rows)
        if left := sum(one.run.status != "completed" for one in losing):
            show("", f"{left} of them did not complete, and can still be resumed")
        show("")


@store.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, shell_complete=completion.runs)
@click.option("-y", "--yes", is_flag=True, help="Remove without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def remove(runs: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Delete runs: their journals, receipts and folders, and the media that nothing else needs.

    RUN is an id, a folder, or `last`, without --yes: the run in which something happened last.
    What they spent stays in `spend` and in the pools. A run that is running, or has paid for what it
    has not collected, is refused, unless it bought from a sandbox that was deleted. A batch makes the
    run of a row anew, and buys it, when it is rerun.
    """
    from rivya_flows.app.retention import removable, remove_run
    from rivya_flows.app.runs import LAST
    from rivya_flows.cli.cache import opened_store
    from rivya_flows.cli.terminal import agreed
    from rivya_flows.errors import UsageError

    if yes and LAST in runs:
        raise UsageError(
            f"{LAST} names another run once one is removed, and --yes asks nobody",
            "give the id of the run, which `rivya-flows runs` lists, or leave --yes out",
        )
    with opened_store() as (journal, assets, data):
        found = {run.run_id: run for run in (removable(journal, name, data) for name in runs)}
        words = [_going(run) for run in found.values()]
        words.append("Receipts go too; `rivya-flows receipt RUN --out DIR` writes a copy.")
        if yes:
            tell(*words)
        elif not agreed("store remove", words, as_json=as_json):
            return
        removed = [remove_run(journal, assets, run) for run in found.values()]
    if as_json:
        print_json([run.as_json() for run in removed])
        return
    for run in removed:
        results = f", {run.results} cached results" if run.results else ""
        show(
            f"removed {run.run_id}: {len(run.media)} media{results};"
            f" {size_of(run.freed_bytes)} freed. Its {credits_of(run.spent)}"
            f" {'stays' if run.spent == 1 else 'stay'} in `spend` and in the pools."
        )
        if run.batch:
            tell(f"the contact sheet of {run.batch} has its card until the batch is rerun")


def _going(run: RemovedRun) -> str:
    folder = f" with its folder {near(run.folder)}" if run.folder else ""
    words = f"This deletes {run.run_id} ({run.name}, {run.status}){folder}."
    if run.uncollected:
        lost = ", ".join(run.uncollected)
        words += (
            " Its sandbox is not in the data folder, so what it bought there for pretend credits"
            f" and has not collected goes too: {lost}."
        )
    if run.status == "suspended":
        words += " Its open question goes too, unanswered."
    if run.batch:
        words += f" It is a row of {run.batch}; rerunning that batch buys it again."
    return words
