"""`store` and `cache`: read the journal, list results, and delete what old runs leave."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import click

from rivya_flows.cli import completion, options
from rivya_flows.cli.layout import size_of
from rivya_flows.cli.options import AGES, LONGEST, Group, age, argument, option
from rivya_flows.cli.output import print_json, print_table, show, show_result, tell
from rivya_flows.cli.session import confirm_deletion, settings
from rivya_flows.errors import UsageError
from rivya_flows.language.wording import count_noun
from rivya_flows.receipt.phrases import credits_of

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.engine.cache import Pruned
    from rivya_flows.runs.retention import RemovedRun

_DELETE = option("Delete without asking.", "-y", "--yes")
_STAYS = (
    "Journals, receipts and spending stay."
    " To resume or fork one of these runs later, keep its folder: its media are then taken from there."
)


@click.group(cls=Group)
def store() -> None:
    """Read the journal; delete what old runs leave."""


@store.command()
def export(run: str = argument(shell_complete=completion.runs)) -> None:
    """Print the journal of a run, one JSON document a line.

    RUN is its id, its folder, or `last`: the run in which something happened last.
    """
    from rivya_flows.runs.lookup import find_run, open_journal

    with open_journal(settings()) as journal:
        entries = journal.entries(find_run(journal, run, only_read=True).run_id)
    for entry in entries:
        event = entry.event.model_dump(mode="json")
        print_json({"seq": entry.seq, "at": entry.at, "event": event}, indent=None)


@store.command("prune")
def prune_store(
    older_than: timedelta = option(
        f"Keep what younger runs need: {AGES}.", type=age, required=True, metavar="AGE"
    ),
    only_plan: bool = options.PLAN,
    yes: bool = _DELETE,
    as_json: bool = options.JSON,
) -> None:
    """Delete media and cached results of runs that ended long ago, and old failures to begin one.

    Journals, receipts and spending stay. Keep the folders of runs: a later resume or fork takes its media
    from there. Runs that have not ended keep all that they need. Asks first, unless --yes is given.
    """
    from rivya_flows.runs import retention
    from rivya_flows.runs.lookup import open_store

    chosen, now = settings(), datetime.now(UTC)
    limit = now - older_than
    with open_store(chosen) as (journal, assets):
        prune = partial(
            retention.prune_store, journal, assets, now=now, older_than=older_than, data=chosen.data
        )

        def describe(pruned: Pruned, *, would: bool) -> str:
            runs = f"{count_noun(len(pruned.runs), 'run')} ended before {limit:%Y-%m-%d %H:%M} UTC"
            return f"{runs}: {_summary(pruned, media=True, would=would)}"

        tell(f"reading the journals of {count_noun(len(journal.runs()), 'run')}")
        pruned = prune(pretend=only_plan or not yes)
        if not yes and not as_json and (losing := retention.losing(journal, assets, pruned)):
            rows = [
                [one.run.row.run_id, one.run.row.name, one.run.status, one.run.row.started_at[:10],
                 size_of(one.size_bytes), size_of(one.linked_bytes)]
                for one in losing
            ]  # fmt: skip
            print_table(["!run", "spec", "!status", "?started", ">media", ">in folders"], rows)
            if left := sum(one.run.status != "completed" for one in losing):
                show("", f"{left} of them did not complete, and can still be resumed")
            show("")
        if not yes and not only_plan:
            question = [f"{describe(pruned, would=True)}. {_STAYS}"]
            goes = pruned.entries or pruned.media or pruned.folders or pruned.sandbox_bytes
            if goes and not confirm_deletion("store prune", question, as_json=as_json):
                return
            pruned = prune(pretend=False)
        elif not as_json:
            tell(_STAYS)
    show_result(describe(pruned, would=only_plan), document=pruned, as_json=as_json)


@store.command()
def remove(
    runs: tuple[str, ...] = argument(
        metavar="RUN...", required=True, shell_complete=completion.runs
    ),
    yes: bool = _DELETE,
    as_json: bool = options.JSON,
) -> None:
    """Delete runs: their journals, receipts and folders, and the media that nothing else needs.

    RUN is an id, a folder, or `last`, without --yes: the run in which something happened last.
    What they spent stays in `spend` and in the pools. A run that is running, or has paid for what it
    has not collected, is refused, unless it bought from a sandbox that was deleted. A batch that is
    rerun makes the run of a row again, and buys it.
    """
    from rivya_flows.runs.lookup import LAST, open_store
    from rivya_flows.runs.retention import removable, remove_run

    if yes and LAST in runs:
        raise UsageError(
            f"{LAST} names another run once one is removed, and --yes asks no one",
            "give the id of the run, which `rivya-flows runs` lists, or leave --yes out",
        )
    chosen = settings()
    with open_store(chosen) as (journal, assets):
        going = [removable(journal, name, chosen.data) for name in runs]
        found = {run.run_id: run for run in going}
        sentences = [_deletion_of(run) for run in found.values()]
        sentences.append("Receipts go too; `rivya-flows receipt RUN --out DIR` writes a copy.")
        if yes:
            tell(*sentences)
        elif not confirm_deletion("store remove", sentences, as_json=as_json):
            return
        removed = [remove_run(journal, assets, run) for run in found.values()]
    if as_json:
        print_json(removed)
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


def _deletion_of(run: RemovedRun) -> str:
    folder = f" with its folder {run.folder}" if run.folder else ""
    text = f"This deletes {run.run_id} ({run.name}, {run.status}){folder}."
    if run.uncollected:
        text += (
            " Its sandbox is not in the data folder, so what it bought there for pretend credits"
            f" and has not collected goes too: {', '.join(run.uncollected)}."
        )
    if run.status == "suspended":
        text += " Its open question goes too, unanswered."
    if run.batch:
        text += f" It is a row of {run.batch}; rerunning that batch buys it again."
    return text


@click.group(cls=Group)
def cache() -> None:
    """List or delete the results that `cache: spec` uses."""


@cache.command("list")
def list_results(as_json: bool = options.JSON) -> None:
    """List the results, newest first, with what each saves."""
    from rivya_flows.engine.cache import listing
    from rivya_flows.runs.lookup import open_store

    with open_store(settings()) as (journal, assets):
        found = listing(journal, assets)
    if found and not as_json:
        rows = [
            [
                f"{datetime.fromtimestamp(entry.at, UTC):%Y-%m-%d %H:%M}",
                entry.run_id,
                str(entry.credits),
                str(len(entry.media) or "–"),
                size_of(entry.size_bytes) if entry.media else "–",
                entry.cache_key[:12],
                "" if entry.whole else "media missing: will be bought again",
            ]
            for entry in found
        ]
        print_table(["?made", "!by", ">saves", "?>media", ">size", "result", ""], rows)
        show("")
    saved = credits_of(sum(entry.credits for entry in found if entry.whole))
    size = size_of(sum(entry.size_bytes for entry in found))
    total = f"{count_noun(len(found), 'result')}, worth {saved}; {size}"
    show_result(total, document=found, as_json=as_json)


@cache.command("prune")
def prune_cache(
    older_than: timedelta | None = option(
        f"Delete older results: {AGES}.", type=age, metavar="AGE"
    ),
    everything: bool = option("Delete all results.", "--all"),
    media: bool = option("Delete media that no run and no result uses."),
    only_plan: bool = options.PLAN,
    yes: bool = _DELETE,
    as_json: bool = options.JSON,
) -> None:
    """Delete results from the cache; equal requests are then bought again.

    Existing runs keep everything they need for `resume` and `receipt`. Asks first, unless --yes is
    given.
    """
    if older_than is not None and everything:
        raise UsageError("--older-than and --all contradict each other", "give one of them")
    if older_than is None and not everything and not media:
        hint = "give --older-than AGE, --all, or --media alone"
        raise UsageError("nothing selected to prune", hint)
    from rivya_flows.engine.cache import prune
    from rivya_flows.runs.lookup import open_store

    if older_than is None and not everything:
        older_than = LONGEST
    with open_store(settings()) as (journal, assets):
        now = datetime.now(UTC)
        selected = partial(prune, assets, journal, now=now, older_than=older_than, media=media)
        pruned = selected(pretend=only_plan or not yes)
        if not yes and not only_plan:
            worth = credits_of(sum(entry.credits for entry in pruned.entries))
            question = (
                f"{_summary(pruned, media=media, would=True)}. The results are worth {worth}."
            )
            goes = pruned.entries or pruned.media
            if goes and not confirm_deletion("cache prune", [question], as_json=as_json):
                return
            pruned = selected()
    summary = _summary(pruned, media=media, would=only_plan)
    show_result(summary, document=pruned, as_json=as_json)


def _summary(pruned: Pruned, *, media: bool, would: bool) -> str:
    """What was deleted, or would be."""
    going = [count_noun(len(pruned.entries), "result")]
    if media:
        going.append(count_noun(len(pruned.media), "medium", "media"))
    if pruned.folders:
        going.append(f"{len(pruned.folders)} old run folders")
    if pruned.sandbox_bytes:
        going.append("results of the sandbox")
    text = f"{', '.join(going)} {'would be deleted' if would else 'deleted'}"
    if media:
        freed = pruned.size_bytes - pruned.linked_bytes + pruned.sandbox_bytes
        text += f"; {size_of(freed)} {'would be freed' if would else 'freed'}"
    if pruned.linked_bytes:
        text += f", {size_of(pruned.linked_bytes)} of media are also in folders of runs and stay"
    return text
