"""The cache index on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from rivya_flows.engine.cache import (
    CachedResult,
    all_results,
    find_result,
    forget_result,
    keep_results,
)
from rivya_flows.errors import StoreError
from rivya_flows.store.journal import Journal


def made(
    key: str, run_id: str, credits: int, *, at: float = 1.0, replaces: bool = False
) -> CachedResult:
    outputs: Any = {"text": "नमस्ते", "asset": {"sha256": "aa", "width": None}}
    return CachedResult(key, run_id, outputs, credits, at, replaces)


def found(engine: Engine) -> dict[str, int]:
    return {one.cache_key: one.credits for one in all_results(engine)}


def test_the_first_result_of_a_key_is_found_until_it_is_forgotten(engine: Engine) -> None:
    keep_results(engine, [made("key-0", "run-1", 3)])
    keep_results(engine, [made("key-0", "run-2", 4)])
    assert find_result(engine, "key-0") == made("key-0", "run-1", 3)
    assert find_result(engine, "key-1") is None
    for _ in range(2):
        forget_result(engine, "key-0")
    assert find_result(engine, "key-0") is None
    keep_results(engine, [made("key-0", "run-2", 4)])
    assert found(engine) == {"key-0": 4}


def test_results_are_kept_together_and_each_as_alone(engine: Engine) -> None:
    keep_results(engine, [made("key-0", "run-1", 1), made("key-1", "run-1", 1)])
    again = [
        made("key-0", "run-2", 2),
        made("key-1", "run-2", 2, replaces=True),  # the media of the first are lost
        made("key-2", "run-2", 2),
        made("key-2", "run-2", 3),
    ]
    keep_results(engine, again)
    assert found(engine) == {"key-0": 1, "key-1": 2, "key-2": 2}


def test_results_are_listed_newest_first(engine: Engine) -> None:
    for at, name in enumerate("abc"):
        keep_results(engine, [made(name, "run-1", 1, at=at)])
    assert list(found(engine)) == ["c", "b", "a"]


def test_an_index_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    with (
        closing(Journal(f"sqlite:///{file}?timeout=0.05")) as journal,
        closing(sqlite3.connect(file, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        keep_results(journal.engine, [made("key-0", "run-1", 3)])
        with pytest.raises(StoreError, match="database is locked"):
            forget_result(journal.engine, "key-0")
        assert find_result(journal.engine, "key-0") is None


def test_two_runs_keep_equal_results_at_once_in_any_order(postgresql: Journal) -> None:
    engine = postgresql.engine

    def keep(run_id: str, *keys: str) -> threading.Thread:
        kept = [made(key, run_id, 1, replaces=True) for key in keys]
        thread = threading.Thread(target=keep_results, args=(engine, kept))
        thread.start()
        return thread

    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with engine.connect() as third, engine.connect() as look:
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
    assert found(engine).keys() == {"first", "middle", "last", "only-1", "only-2"}
