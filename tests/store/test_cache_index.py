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
from sqlalchemy import Engine, text

from rivya_flows.errors import StoreError
from rivya_flows.store.cache_index import (
    CachedResult,
    all_results,
    find_result,
    forget_result,
    keep_results,
)
from rivya_flows.store.journal import Journal
from support.databases import BACKENDS, fresh_store


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with closing(Journal(fresh_store(request.param, tmp_path))) as journal:
        yield journal.engine


def made(
    key: str, run_id: str, outputs: Any, credits: int, at: float = 1.0, *, replaces: bool = False
) -> CachedResult:
    return CachedResult(key, run_id, outputs, credits, at, replaces)


def test_a_kept_result_is_found_by_its_key(store: Engine) -> None:
    outputs: Any = {"text": "नमस्ते", "asset": {"sha256": "aa", "width": None}}
    keep_results(store, [made("key-0", "run-1", outputs, 3)])
    assert find_result(store, "key-0") == CachedResult("key-0", "run-1", outputs, 3, 1.0)
    assert find_result(store, "key-1") is None


def test_the_first_result_of_a_key_stays(store: Engine) -> None:
    keep_results(store, [made("key-0", "run-1", {"text": "first"}, 3)])
    keep_results(store, [made("key-0", "run-2", {"text": "second"}, 4)])
    found = find_result(store, "key-0")
    assert found is not None
    assert (found.run_id, found.credits) == ("run-1", 3)


def test_a_result_stands_instead_of_one_whose_media_are_lost(store: Engine) -> None:
    keep_results(store, [made("key-0", "run-1", {"text": "first"}, 3)])
    keep_results(store, [made("key-0", "run-2", {"text": "second"}, 4, replaces=True)])
    found = find_result(store, "key-0")
    assert found is not None
    assert (found.run_id, found.credits) == ("run-2", 4)


def test_results_are_kept_together_and_each_as_alone(store: Engine) -> None:
    keep_results(store, [made("key-0", "run-1", {}, 1), made("key-1", "run-1", {}, 1)])
    keep_results(
        store,
        [
            made("key-0", "run-2", {}, 2),
            made("key-1", "run-2", {}, 2, replaces=True),
            made("key-2", "run-2", {}, 2),
            made("key-2", "run-2", {}, 3),
        ],
    )
    assert {one.cache_key: one.credits for one in all_results(store)} == {
        "key-0": 1,
        "key-1": 2,
        "key-2": 2,
    }


def test_a_forgotten_result_can_be_kept_anew(store: Engine) -> None:
    keep_results(store, [made("key-0", "run-1", {}, 3)])
    forget_result(store, "key-0")
    forget_result(store, "key-0")
    assert find_result(store, "key-0") is None
    keep_results(store, [made("key-0", "run-2", {}, 4)])
    assert find_result(store, "key-0") is not None


def test_results_are_listed_newest_first(store: Engine) -> None:
    for at, name in enumerate("abc"):
        keep_results(store, [made(name, "run-1", {}, 1, at)])
    assert [found.cache_key for found in all_results(store)] == ["c", "b", "a"]


def test_an_index_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    with (
        closing(Journal(f"sqlite:///{file}?timeout=0.05")) as journal,
        closing(sqlite3.connect(file, isolation_level=None)) as other,
    ):
        store = journal.engine
        other.execute("BEGIN IMMEDIATE")
        keep_results(store, [made("key-0", "run-1", {}, 3)])
        with pytest.raises(StoreError, match="database is locked"):
            forget_result(store, "key-0")
        assert find_result(store, "key-0") is None


def test_two_runs_keep_equal_results_at_once_in_any_order(tmp_path: Path) -> None:
    with closing(Journal(fresh_store("postgresql", tmp_path))) as journal:
        store = journal.engine

        def keep(run_id: str, *keys: str) -> threading.Thread:
            kept = [made(key, run_id, {}, 1, replaces=True) for key in keys]
            thread = threading.Thread(target=keep_results, args=(store, kept))
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
        kept = {one.cache_key for one in all_results(store)}
    assert kept == {"first", "middle", "last", "only-1", "only-2"}
