"""A store on each database, as every test of this folder takes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine

from rivya_flows.store.journal import Journal
from support.databases import BACKENDS, fresh_store


@pytest.fixture(params=BACKENDS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty store."""
    return fresh_store(request.param, tmp_path)


@pytest.fixture
def journal(store_url: str) -> Iterator[Journal]:
    """A journal whose clock says 100."""
    with closing(Journal(store_url, clock=lambda: 100.0)) as opened:
        yield opened


@pytest.fixture
def engine(journal: Journal) -> Engine:
    return journal.engine


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Journal]:
    """A journal in `journal.sqlite`, for what is the same on each database."""
    with closing(Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as opened:
        yield opened


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[Journal]:
    """A journal on PostgreSQL, for what no file can do."""
    with closing(Journal(fresh_store("postgresql", tmp_path))) as opened:
        yield opened
