"""The cache index on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from rivya_flows.errors import StoreError
from rivya_flows.store.cache_index import CachedResult, CacheIndex, NewResult
from rivya_flows.store.journal import Journal
from support.databases import BACKENDS, fresh_store


@pytest.fixture(params=BACKENDS)
def results(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CacheIndex]:
    with closing(Journal(fresh_store(request.param, tmp_path))) as journal:
        times = iter(range(1, 100))
        yield CacheIndex(journal.engine, clock=lambda: float(next(times)))


def test_a_kept_result_is_found_by_its_key(results: CacheIndex) -> None:
    outputs: Any = {"text": "नमस्ते", "asset": {"sha256": "aa", "width": None}}
    results.keep([NewResult("key-0", "run-1", outputs, 3)])
    assert results.find("key-0") == CachedResult("key-0", "run-1", outputs, 3, 1.0)
    assert results.find("key-1") is None


def test_the_first_result_of_a_key_stays(results: CacheIndex) -> None:
    results.keep([NewResult("key-0", "run-1", {"text": "first"}, 3)])
    results.keep([NewResult("key-0", "run-2", {"text": "second"}, 4)])
    found = results.find("key-0")
    assert found is not None
    assert (found.run_id, found.credits) == ("run-1", 3)


def test_a_result_stands_instead_of_one_whose_media_are_lost(results: CacheIndex) -> None:
    results.keep([NewResult("key-0", "run-1", {"text": "first"}, 3)])
    results.keep([NewResult("key-0", "run-2", {"text": "second"}, 4, replace=True)])
    found = results.find("key-0")
    assert found is not None
    assert (found.run_id, found.credits) == ("run-2", 4)


def test_results_are_kept_together_and_each_as_alone(results: CacheIndex) -> None:
    results.keep([NewResult("key-0", "run-1", {}, 1), NewResult("key-1", "run-1", {}, 1)])
    results.keep(
        [
            NewResult("key-0", "run-2", {}, 2),
            NewResult("key-1", "run-2", {}, 2, replace=True),
            NewResult("key-2", "run-2", {}, 2),
            NewResult("key-2", "run-2", {}, 3),
        ]
    )
    assert {one.cache_key: one.credits for one in results.all()} == {
        "key-0": 1,
        "key-1": 2,
        "key-2": 2,
    }


def test_a_forgotten_result_can_be_kept_anew(results: CacheIndex) -> None:
    results.keep([NewResult("key-0", "run-1", {}, 3)])
    results.forget("key-0")
    results.forget("key-0")
    assert results.find("key-0") is None
    results.keep([NewResult("key-0", "run-2", {}, 4)])
    assert results.find("key-0") is not None


def test_results_are_listed_newest_first(results: CacheIndex) -> None:
    for name in "abc":
        results.keep([NewResult(name, "run-1", {}, 1)])
    assert [found.cache_key for found in results.all()] == ["c", "b", "a"]


def test_an_index_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    with (
        closing(Journal(f"sqlite:///{file}?timeout=0.05")) as journal,
        closing(sqlite3.connect(file, isolation_level=None)) as other,
    ):
        results = CacheIndex(journal.engine)
        other.execute("BEGIN IMMEDIATE")
        results.keep([NewResult("key-0", "run-1", {}, 3)])
        with pytest.raises(StoreError, match="database is locked"):
            results.forget("key-0")
        assert results.find("key-0") is None


def test_two_runs_keep_equal_results_at_once_in_any_order(tmp_path: Path) -> None:
    with closing(Journal(fresh_store("postgresql", tmp_path))) as journal:
        results = CacheIndex(journal.engine)

        def keep(run_id: str, *keys: str) -> threading.Thread:
            kept = [NewResult(key, run_id, {}, 1, replace=True) for key in keys]
            thread = threading.Thread(target=results.keep, args=(kept,))
            thread.start()
            return thread

        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        with journal.engine.connect() as third, journal.engine.connect() as look:
            third.execute(text("INSERT INTO results VALUES ('middle', 'run-3', '{}', 1, 0)"))
            keeping = [
                keep("run-1", "first", "middle", "last", "only-1"),
                keep("run-2", "last", "middle", "first", "only-2"),
            ]
            while look.scalar(waiting) != 2:
                look.rollback()
                time.sleep(0.01)
            third.rollback()
            for thread in keeping:
                thread.join()
        kept = {one.cache_key for one in results.all()}
    assert kept == {"first", "middle", "last", "only-1", "only-2"}
