"""The cache: results of earlier, equal requests whose media are intact."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, bindparam, delete, select

from rivya_flows.assets import Asset, Outputs, assets_in, output_assets
from rivya_flows.errors import LostMediumError, RivyaError, StoreError
from rivya_flows.plans.names import BATCH_LABEL
from rivya_flows.queue.actions import AskCache
from rivya_flows.queue.bought_again import EarlierRun
from rivya_flows.queue.evaluation import claimed_hash
from rivya_flows.queue.events import (
    CacheAnswered,
    ChatAnswered,
    Event,
    ItemCompleted,
    MediaRefused,
    RunResumed,
)
from rivya_flows.queue.forks import Finished, find_finished, given_by, is_made_again
from rivya_flows.queue.items import ItemState
from rivya_flows.queue.queue import replay
from rivya_flows.queue.state import State
from rivya_flows.receipt.phrases import is_sandbox
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.database import rows, write, writing
from rivya_flows.store.deployments import hashes_of_specs
from rivya_flows.store.journal import Journal
from rivya_flows.store.run_list import listed_runs
from rivya_flows.store.tables import RESULTS, insert_missing

if TYPE_CHECKING:
    from rivya_flows.engine.run import Run

_MOST_LISTED, _MOST_ENTRIES = 50, 20_000
"""Runs of a spec among which the one to compare with is looked for, and entries of its journal: more take seconds to read."""

YOUNG = timedelta(days=1)
"""Media younger than this are never deleted: a running run may not have named them yet."""


def is_intact(assets: AssetStore, outputs: Outputs) -> bool:
    """Whether the store has all media of a result, as they were."""
    try:
        for asset in _media(outputs):
            assets.local_path(asset.sha256)
    except LostMediumError:
        return False
    return True


class Reuse:
    """Finds finished work, in forked runs or the index; `lost` is what was found without its media."""

    def __init__(self, assets: AssetStore, journal: Journal) -> None:
        self._assets = assets
        self._journal = journal
        self._runs: dict[str, dict[str, Finished]] = {}
        self._forked: dict[str, EarlierRun] = {}
        self._earlier: dict[tuple[str, datetime], EarlierRun | None] = {}
        self._reading = threading.RLock()
        self.lost: set[tuple[str, str]] = set()

    def __call__(self, asked: AskCache) -> CacheAnswered:
        """The outputs of an equal request, if their media are intact; may read whole journals."""
        name = asked.request_hash
        answer = partial(CacheAnswered, step=asked.step, key=asked.key, request_hash=name)
        if asked.run_id is not None:
            taken = self._of(asked.run_id).get(name)
            # A fallback that made it may read otherwise here, although the step as written does not.
            if taken and taken.request_hash in asked.hashes and _fits(asked, taken.outputs):
                if is_intact(self._assets, taken.outputs):
                    return answer(
                        outputs=_good(asked, taken.outputs),
                        saved=taken.credits,
                        run_id=taken.run_id,
                        alternative=asked.hashes.index(taken.request_hash),
                    )
                self.lost.add((asked.step, asked.key))
        found = find_result(self._journal.engine, name) if asked.index else None
        if found and _fits(asked, found.outputs) and is_intact(self._assets, found.outputs):
            return answer(outputs=_good(asked, found.outputs), saved=found.credits)
        return answer(outputs=None)

    def earlier(self, state: State) -> EarlierRun | None:
        """The run with which a run, and what it buys again, is compared; reads its journal once.

        The forked one; else the newest of the same spec that completed, or else bought anything,
        before. None if there is none, or it cannot be read: a run needs no reasons.
        """
        this = state.run_id, state.started_at  # all plans have one id
        with self._reading, suppress(RivyaError, ValueError, LookupError):
            if this not in self._earlier:
                self._earlier[this] = None
                if state.fork:
                    self._of(state.fork.run_id)
                    self._earlier[this] = self._forked.get(state.fork.run_id)
                elif (name := self._newest(state)) and (read := self._replay(name)):
                    self._earlier[this] = EarlierRun.of(read)
        return self._earlier.get(this)

    def _newest(self, state: State) -> str | None:
        name, engine = state.plan.workflow.name, self._journal.engine
        runs = [
            one
            for one in listed_runs(engine, name=name, limit=_MOST_LISTED)
            if one.unbegun is None
            and one.row.run_id != state.run_id
            and datetime.fromisoformat(one.row.started_at) <= state.started_at
            and is_sandbox(one.row.service) == is_sandbox(state.service)
            and BATCH_LABEL not in one.row.labels  # its inputs are those of a row
        ]
        completed = (one for one in runs if one.status == "completed")
        found = next(completed, None) or next((one for one in runs if one.spent), None)
        if found is None or self._journal.length(found.row.run_id) > _MOST_ENTRIES:
            return None
        return found.row.run_id

    def _of(self, run_id: str) -> dict[str, Finished]:
        with self._reading:  # all items of a fork ask at once
            if run_id not in self._runs:
                self._runs[run_id] = self._line(run_id)
            return self._runs[run_id]

    def _line(self, run_id: str | None) -> dict[str, Finished]:
        """What a run has finished, and what a fork would take from the runs before it."""
        found, again = dict[str, Finished](), set[str]()
        while run_id is not None and (state := self._replay(run_id)):
            if not found:
                self._forked.setdefault(run_id, EarlierRun.of(state))
            own = find_finished(state).items()
            found = {name: one for name, one in own if not is_made_again(one.item, again)} | found
            again |= state.again
            run_id = state.fork.run_id if state.fork else None
        return found

    def _replay(self, run_id: str) -> State | None:
        entries = self._journal.entries(run_id)
        return replay(entry.event for entry in entries) if entries else None


def _fits(asked: AskCache, outputs: Outputs) -> bool:
    return asked.wanted is None or not asked.wanted.reasons_to_refuse(outputs)


def _good(asked: AskCache, outputs: Outputs) -> dict[str, Any]:
    return dict(outputs if asked.wanted is None else asked.wanted.without_refused(outputs))


@dataclass(frozen=True)
class CacheEntry:
    """A result that an equal request gets for free; `at` is in Unix seconds, `media` are SHA-256."""

    cache_key: str
    run_id: str
    credits: int
    at: float
    media: tuple[str, ...]
    size_bytes: int
    whole: bool


@dataclass(frozen=True)
class Pruned:
    """What a prune deleted, oldest first; folders of runs have `linked_bytes` too, so these are not freed."""

    entries: tuple[CacheEntry, ...]
    media: tuple[str, ...] = ()
    size_bytes: int = 0
    linked_bytes: int = 0
    runs: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    sandbox_bytes: int = 0


def listing(journal: Journal, assets: AssetStore) -> tuple[CacheEntry, ...]:
    """All cache entries, newest first; media are listed, not read."""
    sizes = {stored.sha256: stored.size_bytes for stored in assets.listing()}
    entries = []
    for one in all_results(journal.engine):
        media = tuple(dict.fromkeys(asset.sha256 for asset in _media(one.outputs)))
        size, whole = sum(sizes.get(name, 0) for name in media), sizes.keys() >= {*media}
        of = one.cache_key, one.run_id, one.credits, one.at
        entries.append(CacheEntry(*of, media, size, whole))
    return tuple(entries)


def prune(
    assets: AssetStore,
    journal: Journal,
    *,
    now: datetime,
    older_than: timedelta | None,
    media: bool = False,
    pretend: bool = False,
) -> Pruned:
    """Deletes entries of at least an age, None: all; with `media` also those that nothing names."""
    limit = None if older_than is None else (now - older_than).timestamp()
    going = tuple(
        entry for entry in reversed(listing(journal, assets)) if limit is None or entry.at <= limit
    )
    if not pretend:
        for entry in going:
            forget_result(journal.engine, entry.cache_key)
    if not media:
        return Pruned(going)
    gone = {entry.cache_key for entry in going}
    named = named_media(journal, gone)
    return delete_unused_media(Pruned(going), assets, named, now - YOUNG, pretend=pretend)


def named_media(
    journal: Journal, gone: Collection[str], ended: frozenset[str] = frozenset()
) -> frozenset[str]:
    """The media that something needs: results, unless they are gone, runs, unless ended, and specs."""
    # The index is read again: entries that were just added name media too.
    still = {
        asset.sha256
        for found in all_results(journal.engine)
        if found.cache_key not in gone
        for asset in _media(found.outputs)
    }
    deployed = hashes_of_specs(journal.engine)
    return deployed | still | journal.mentioned_hashes(without=ended)


def delete_unused_media(
    pruned: Pruned, assets: AssetStore, named: frozenset[str], limit: datetime, *, pretend: bool
) -> Pruned:
    """Deletes the media that are not named and that have not changed since, and what was on its way."""
    unused = [
        stored
        for stored in assets.listing()
        if stored.sha256 not in named and stored.changed_at and stored.changed_at <= limit
    ]
    if not pretend:
        # Looked at again: a run may have got the same medium since they were listed.
        unused = [
            stored for stored in unused if assets.remove(stored.sha256, unchanged_since=limit)
        ]
        assets.remove_unfinished(limit)
    return replace(
        pruned,
        media=tuple(stored.sha256 for stored in unused),
        size_bytes=sum(stored.size_bytes for stored in unused),
        linked_bytes=sum(stored.size_bytes for stored in unused if stored.linked),
    )


def _media(outputs: Outputs) -> Iterator[Asset]:
    """All media of a result; not what the answer of a chat describes."""
    return assets_in([outputs.get("asset"), output_assets(outputs)])


# --- The index: results by the hash of their request ---

_THIS = delete(RESULTS).where(RESULTS.c.cache_key == bindparam("this"))


@dataclass(frozen=True)
class CachedResult:
    """The result of a request; its media are in the asset store. `at` is in Unix seconds. One that `replaces` another has media, which that lost."""

    cache_key: str
    run_id: str
    outputs: Outputs
    credits: int
    at: float
    replaces: bool = False


def find_result(engine: Engine, cache_key: str) -> CachedResult | None:
    found = rows(engine, select(RESULTS).where(RESULTS.c.cache_key == cache_key))
    return next(map(_result, found), None)


def keep_results(engine: Engine, results: Sequence[CachedResult]) -> None:
    """Adds results; the first of a key stays, unless one replaces it. A failure only loses a saving."""
    # In one order, so that two runs with equal requests never wait in a circle.
    results = sorted(results, key=lambda one: one.cache_key)
    old = [{"this": one.cache_key} for one in results if one.replaces]
    new = [vars(one) | {"outputs": json.dumps(one.outputs)} for one in results]
    for row in new:
        del row["replaces"]
    with suppress(StoreError), writing(engine) as connection:
        if old:
            connection.execute(_THIS, old)
        insert_missing(connection, RESULTS, new)


def forget_result(engine: Engine, cache_key: str) -> None:
    write(engine, delete(RESULTS).where(RESULTS.c.cache_key == cache_key))


def all_results(engine: Engine) -> tuple[CachedResult, ...]:
    return tuple(map(_result, rows(engine, select(RESULTS).order_by(RESULTS.c.at.desc()))))


def _result(row: Any) -> CachedResult:
    return CachedResult(row.cache_key, row.run_id, json.loads(row.outputs), row.credits, row.at)


def new_results(run: Run, event: Event) -> Iterator[CachedResult]:
    """The bought or composed results that an event brought; a resume brings all, which a crash may have lost."""
    if isinstance(event, ItemCompleted | ChatAnswered | MediaRefused):
        item = run.state.item(event.step, event.key)
        # The index had no result, or one whose media are lost or refused: replace it, but not by refused media, since
        # another step may take what it has.
        is_good = not isinstance(event, MediaRefused)
        replaces = is_good and (item.asked_cache or len(item.purchases) > 1)
        yield from _result_of(run, event.step, item, replaces=replaces)
    elif isinstance(event, RunResumed):
        for step_id, item in run.state.each():
            yield from _result_of(run, step_id, item)


def _result_of(
    run: Run, step_id: str, item: ItemState, *, replaces: bool = False
) -> Iterator[CachedResult]:
    outputs, alternative = given_by(item)
    if outputs is None or not item.requests:
        return
    request = item.requests[alternative]
    # An item that fell back may have failed purchases and outputs from the cache.
    made = not item.cached and (item.purchases or not request.model)
    if made and request.request_hash and not request.is_function:
        name = claimed_hash(run.state, step_id, item._replace(alternative=alternative))
        cost = sum(one.held for one in item.purchases if one.alternative == alternative)
        at = run.clock().timestamp()
        yield CachedResult(name, run.run_id, outputs, cost, at, replaces)
