"""Shared values on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine

from rivya_flows.store.database import open_engine
from rivya_flows.store.journal import Journal
from rivya_flows.store.shared_secrets import (
    forget_secret,
    keep_secret,
    kept_secret,
    kept_secrets,
    shared_secret,
)
from support.databases import BACKENDS, fresh_store


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return fresh_store(request.param, tmp_path)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    with closing(Journal(url)) as journal:
        yield journal.engine


def test_a_shared_secret_is_made_once_and_is_another_one_for_each_name(engine: Engine) -> None:
    first = shared_secret(engine, "addresses")
    assert shared_secret(engine, "addresses") == first
    assert shared_secret(engine, "other") != first
    assert len(first) > 40


def test_processes_that_begin_at_once_share_one_secret(url: str) -> None:
    Journal(url).close()

    def ask(_: int) -> str:
        engine = open_engine(url)
        try:
            return shared_secret(engine, "addresses")
        finally:
            engine.dispose()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ask, range(8)))) == 1


def test_a_kept_secret_is_replaced_found_by_its_beginning_and_forgotten(engine: Engine) -> None:
    keep_secret(engine, "webhook whend_1", "old")
    keep_secret(engine, "webhook whend_1", "new")
    keep_secret(engine, "webhook_whend_2", "other")
    assert kept_secrets(engine, "webhook ") == {"webhook whend_1": "new"}
    assert kept_secrets(engine, "webhook_") == {"webhook_whend_2": "other"}
    forget_secret(engine, "webhook whend_1")
    assert kept_secret(engine, "webhook whend_1") is None
