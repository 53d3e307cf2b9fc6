"""What `cache list` shows and `cache prune` takes away, and what it never does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from rivya_flows.assets import Outputs
from rivya_flows.engine.cache import Pruned, Reuse, listing, prune
from rivya_flows.errors import StoreError
from rivya_flows.queue.actions import AskCache
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal
from support.aged_store import NOW, AgedStore


def pruned(
    store: AgedStore, days: int | None = None, *, media: bool = False, pretend: bool = False
) -> Pruned:
    return prune(
        store.assets,
        store.journal,
        now=NOW,
        older_than=None if days is None else timedelta(days=days),
        media=media,
        pretend=pretend,
    )


def taken(store: AgedStore, assets: AssetStore) -> Outputs | None:
    """The outputs that an equal request gets."""
    return Reuse(assets, store.journal)(AskCache("hero", "", "picture")).outputs


def names(store: AgedStore) -> list[str]:
    return [entry.cache_key for entry in listing(store.journal, store.assets)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AgedStore]:
    with closing(Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as journal:
        yield AgedStore(tmp_path, journal)


def test_the_listing_tells_what_each_result_would_save_and_whether_its_media_are_whole(
    store: AgedStore,
) -> None:
    store.days_ago = 2
    digest = store.result("picture", "a picture")
    assert digest is not None
    store.days_ago = 1
    store.result("answer", None)
    answer, picture = listing(store.journal, store.assets)
    assert (answer.cache_key, answer.media, answer.size_bytes) == ("answer", (), 0)
    assert (picture.media, picture.size_bytes) == ((digest,), 9)
    assert (answer.whole, picture.whole) == (True, True)
    assert (picture.credits, picture.run_id) == (3, "run-1")
    store.assets.remove(digest)
    _, picture = listing(store.journal, store.assets)
    assert (picture.whole, picture.size_bytes) == (False, 0)


def test_a_result_whose_medium_is_gone_or_damaged_is_no_hit_until_it_is_brought_back(
    store: AgedStore,
) -> None:
    digest = store.result("picture", "a picture")
    assert digest is not None
    assert taken(store, store.assets) is not None
    store.assets.local_path(digest).write_text("another picture")
    assert taken(store, store.assets) is None
    store.assets.remove(digest)
    assert taken(store, store.assets) is None
    store.medium("a picture")
    assert taken(store, store.assets) is not None


def test_media_that_are_out_of_reach_are_not_taken_for_lost(store: AgedStore) -> None:
    store.result("picture", "a picture")
    # As a share that does not answer: the system tells of an error, not that nothing is there.
    unreadable = AssetStore((store.folder / ("x" * 300)).as_uri(), store.folder)
    with pytest.raises(StoreError, match="cannot read medium"):
        taken(store, unreadable)
    assert taken(store, store.assets) is not None


def test_results_of_an_age_go_and_younger_ones_stay(store: AgedStore) -> None:
    for days in (40, 30, 29):
        store.days_ago = days
        store.result(f"{days} days", None)
    found = pruned(store, 30)
    assert [entry.cache_key for entry in found.entries] == ["40 days", "30 days"]
    assert names(store) == ["29 days"]
    assert [entry.cache_key for entry in pruned(store).entries] == ["29 days"]
    assert names(store) == []


def test_media_stay_unless_they_are_asked_for_and_pretending_tells_the_same(
    store: AgedStore,
) -> None:
    store.days_ago = 9
    digest = store.result("picture", "a picture")
    assert digest is not None
    told = pruned(store, media=True, pretend=True)
    assert (told.media, told.size_bytes, len(told.entries)) == ((digest,), 9, 1)
    assert names(store) == ["picture"]
    assert pruned(store).media == ()
    assert store.assets.size(digest) is not None
    store.result("picture", "a picture")
    assert pruned(store, media=True) == told
    assert store.assets.size(digest) is None


def test_a_medium_that_is_young_or_that_any_journal_or_result_names_stays(store: AgedStore) -> None:
    store.days_ago = 9
    in_journal, in_result, unnamed = (store.medium(name) for name in ("journal", "kept", "no one"))
    store.days_ago = 0
    just_downloaded = store.medium("a run is about to name it")
    store.days_ago = 1
    store.result("kept", "kept")
    store.days_ago = 9
    store.medium("kept")  # as old as the others, also after it was brought again
    store.run("run-1", in_journal)
    assert pruned(store, 5, media=True).media == (unnamed,)
    for digest in (in_journal, in_result, just_downloaded):
        assert store.assets.size(digest) is not None


def test_what_a_killed_download_or_rendering_left_goes_with_the_media_and_a_running_one_stays(
    store: AgedStore,
) -> None:
    left, coming = store.assets.incoming(), store.assets.incoming().with_name(".0a.part")
    rendered = store.assets.incoming()  # a folder with a film of each format
    rendered.mkdir(parents=True)
    (rendered / "9x16.mp4").write_text("half a film")
    for path, days in ((left, 2), (coming, 0), (rendered, 2)):
        if path != rendered:
            path.write_text("half a film")
        at = (NOW - timedelta(days=days)).timestamp()
        os.utime(path, (at, at))
    pruned(store)
    pruned(store, media=True, pretend=True)
    assert left.exists()
    pruned(store, media=True)
    assert [*left.parent.iterdir()] == [coming]
