"""`cache`: results that equal requests get for free."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rivya_flows.cli.groups import Group
from rivya_flows.cli.input_options import PLAN_OPTION
from rivya_flows.cli.moments import AGES, LONGEST, age
from rivya_flows.cli.output import print_json, print_table, show, size_of
from rivya_flows.errors import UsageError
from rivya_flows.ledger.phrases import credits_of

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.app.cache import CacheEntry, Pruned
    from rivya_flows.store.assets import AssetStore
    from rivya_flows.store.cache_index import CacheIndex
    from rivya_flows.store.journal import Journal


@click.group(cls=Group)
def cache() -> None:
    """List or delete the results that `cache: spec` uses."""


@cache.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_results(as_json: bool) -> None:
    """List the results, newest first, with what each saves."""
    from rivya_flows.app.cache import listing

    with _opened() as (results, assets, _):
        found = listing(results, assets)
    if as_json:
        print_json([entry.as_json() for entry in found])
        return
    if found:
        columns = ["?made", "!by", ">saves", "?>media", ">size", "result", ""]
        print_table(columns, [_row(entry) for entry in found])
        show("")
    saved = credits_of(sum(entry.credits for entry in found if entry.whole))
    show(f"{_counted(found)}, worth {saved}; {size_of(sum(one.size_bytes for one in found))}")


@cache.command("prune")
@click.option("--older-than", type=age, metavar="AGE", help=f"Delete older results: {AGES}.")
@click.option("--all", "everything", is_flag=True, help="Delete all results.")
@click.option("--media", is_flag=True, help="Delete media that no run and no result uses.")
@PLAN_OPTION
@click.option("-y", "--yes", is_flag=True, help="Delete without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def prune_cache(
    older_than: timedelta | None,
    everything: bool,
    media: bool,
    only_plan: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete results from the cache; equal requests are then bought again.

    Existing runs keep everything they need for `resume` and `receipt`. Asks first, unless --yes is
    given.
    """
    if older_than is not None and everything:
        raise UsageError("--older-than and --all contradict each other", "give one of them")
    if older_than is None and not everything and not media:
        raise UsageError(
            "nothing selected to prune", "give --older-than AGE, --all, or --media alone"
        )
    from rivya_flows.app.cache import prune
    from rivya_flows.cli.terminal import agreed

    if older_than is None and not everything:
        older_than = LONGEST
    with _opened() as (results, assets, journal):
        selected = partial(
            prune,
            results,
            assets,
            journal,
            now=datetime.now(UTC),
            older_than=older_than,
            media=media,
        )
        pruned = selected(pretend=only_plan or not yes)
        if not yes and not only_plan:
            if pruned.entries or pruned.media:
                worth = credits_of(sum(entry.credits for entry in pruned.entries))
                words = (
                    f"{summary(pruned, media=media, would=True)}. The results are worth {worth}."
                )
                if not agreed("cache prune", [words], as_json=as_json):
                    return
            pruned = selected()
    if as_json:
        print_json(pruned.as_json())
    else:
        show(summary(pruned, media=media, would=only_plan))


@contextmanager
def _opened() -> Iterator[tuple[CacheIndex, AssetStore, Journal]]:
    with opened_store() as (journal, assets, _):
        from rivya_flows.store.cache_index import CacheIndex

        yield CacheIndex(journal.engine), assets, journal


@contextmanager
def opened_store() -> Iterator[tuple[Journal, AssetStore, Path]]:
    """The journal, the media, and the data folder."""
    from rivya_flows.app.runs import open_journal
    from rivya_flows.cli.configuration import settings
    from rivya_flows.scratch import scratch
    from rivya_flows.store.assets import AssetStore

    chosen = settings()
    with (
        scratch() as copies,
        open_journal(chosen) as journal,
    ):
        yield journal, AssetStore(chosen.assets_url, copies), chosen.data


def _row(entry: CacheEntry) -> list[str]:
    made = datetime.fromtimestamp(entry.at, UTC)
    return [
        f"{made:%Y-%m-%d %H:%M}",
        entry.run_id,
        str(entry.credits),
        str(len(entry.media) or "–"),
        size_of(entry.size_bytes) if entry.media else "–",
        entry.cache_key[:12],
        "" if entry.whole else "media missing: will be bought again",
    ]


def summary(pruned: Pruned, *, media: bool, would: bool) -> str:
    """What was deleted, or would be."""
    going = [_counted(pruned.entries)]
    if media:
        going.append("1 medium" if len(pruned.media) == 1 else f"{len(pruned.media)} media")
    if pruned.folders:
        going.append(f"{len(pruned.folders)} old run folders")
    if pruned.sandbox_bytes:
        going.append("results of the sandbox")
    words = f"{', '.join(going)} {'would be deleted' if would else 'deleted'}"
    if media:
        freed = pruned.size_bytes - pruned.linked_bytes + pruned.sandbox_bytes
        words += f"; {size_of(freed)} {'would be freed' if would else 'freed'}"
    if pruned.linked_bytes:
        words += f", {size_of(pruned.linked_bytes)} of media are also in folders of runs and stay"
    return words


def _counted(entries: tuple[CacheEntry, ...]) -> str:
    return f"{len(entries)} result{'' if len(entries) == 1 else 's'}"
