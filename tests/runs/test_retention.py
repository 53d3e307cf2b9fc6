"""What a store need not keep goes, and what a run, a result or a deployed spec needs never does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from rivya_flows.assets import Asset
from rivya_flows.engine.cache import Pruned
from rivya_flows.runs import retention
from rivya_flows.runs.retention import losing, prune_store
from rivya_flows.store.deployments import DeployedSpec, keep_spec
from rivya_flows.store.journal import Journal
from rivya_flows.store.run_list import FailedStart, failed_start_counts, record_failed_start
from support.aged_store import NOW, AgedStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AgedStore]:
    with closing(Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as journal:
        yield AgedStore(tmp_path, journal)


def pruned_store(store: AgedStore, days: int, *, pretend: bool = False) -> Pruned:
    return prune_store(
        store.journal,
        store.assets,
        now=NOW,
        older_than=timedelta(days=days),
        data=store.folder,
        pretend=pretend,
    )


def test_what_only_old_runs_need_goes_and_their_journals_stay(
    store: AgedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "LOOKED_UP_SECONDS", 0)
    store.days_ago = 40
    names = ("old", "waits", "killed", "reused", "deployed", "nobody's")
    old, waits, killed, reused, deployed, unnamed = (store.medium(name) for name in names)
    cached = store.result("cached", "of a result")
    store.run("run-old", old, "completed")
    store.run("run-waits", waits, "suspended")
    store.run("run-killed", killed)
    store.run("run-first", reused, "failed")
    spec = DeployedSpec("s", "text", files={"a.png": Asset(kind="image", sha256=deployed)})
    keep_spec(store.journal.engine, spec)
    store.days_ago = 2
    store.run("run-second", reused, "completed")
    posted = store.medium("a poster of run-second")
    for name in ("run-old", "run-second", "notes"):
        (store.folder / "runs" / name).mkdir(parents=True)
    results = store.folder / "sandbox" / "results"
    results.mkdir(parents=True)
    for name, days in (("old.png", 40), ("young.png", 2)):
        (results / name).write_text("a result")
        at = (NOW - timedelta(days=days)).timestamp()
        os.utime(results / name, (at, at))
    for days in (40, 2):
        at = (NOW - timedelta(days=days)).timestamp()
        record_failed_start(store.journal.engine, FailedStart(f"run-{days}", "s", at, "no key"))
    told = pruned_store(store, 30, pretend=True)
    assert failed_start_counts(store.journal.engine) == {"s": 2}
    assert store.assets.size(old) is not None
    pruned = pruned_store(store, 30)
    assert pruned == told
    assert (pruned.sandbox_bytes, [*results.iterdir()]) == (8, [results / "young.png"])
    assert pruned.runs == ("run-first", "run-old")
    assert set(pruned.media) == {old, cached, unnamed}
    assert failed_start_counts(store.journal.engine) == {"s": 1}
    assert {path.name for path in (store.folder / "runs").iterdir()} == {"run-second", "notes"}
    for digest in (waits, killed, reused, deployed, posted):
        assert store.assets.size(digest) is not None
    assert [entry.event.kind for entry in store.journal.entries("run-old")][-1] == "run.ended"
    assert pruned_store(store, 30).media == ()


def test_what_each_run_loses_and_what_folders_of_runs_have_too_is_told(store: AgedStore) -> None:
    store.days_ago = 40
    digest = store.medium("a film")
    os.link(store.assets.local_path(digest), store.folder / "film.mp4")
    store.run("run-1", digest, "completed")
    store.run("run-2", store.medium("a still"), "failed")
    found = losing(store.journal, store.assets, pruned_store(store, 30, pretend=True))
    assert [
        (one.run.row.run_id, one.run.status, one.size_bytes, one.linked_bytes) for one in found
    ] == [("run-1", "completed", 6, 6), ("run-2", "failed", 7, 0)]
    pruned = pruned_store(store, 30)
    assert (len(pruned.media), pruned.size_bytes, pruned.linked_bytes) == (2, 13, 6)
    assert (store.folder / "film.mp4").read_text() == "a film"
