"""An empty store gets its tables once, whoever opens it; one of another version is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Thread

import pytest
from sqlalchemy import Engine, inspect, select, update

from rivya_flows.errors import StoreError
from rivya_flows.store.database import open_engine
from rivya_flows.store.tables import METADATA, SCHEMA_VERSION, VERSIONS, ensure_tables


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    opened = open_engine(store_url)
    yield opened
    opened.dispose()


def versions(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(select(VERSIONS.c.version)))


def test_a_store_with_its_tables_is_opened_as_it_is(engine: Engine) -> None:
    assert set(METADATA.tables) <= set(inspect(engine).get_table_names())
    ensure_tables(engine)
    assert versions(engine) == [SCHEMA_VERSION]


@pytest.mark.parametrize("other", [SCHEMA_VERSION - 1, SCHEMA_VERSION + 1])
def test_a_store_of_another_version_is_refused_and_left_alone(
    engine: Engine, store_url: str, other: int
) -> None:
    with engine.begin() as connection:
        connection.execute(update(VERSIONS).values(version=other))
        connection.exec_driver_sql("DROP TABLE sweeps")
    words = f"version {other}, and this rivya-flows needs version {SCHEMA_VERSION}; nothing was"
    with pytest.raises(StoreError, match=words) as caught:
        open_engine(store_url)
    assert "set RIVYA_FLOWS_DATA to an empty folder" in str(caught.value.hint)
    assert versions(engine) == [other]
    assert "sweeps" not in inspect(engine).get_table_names()


def test_tables_that_cannot_all_be_made_leave_the_store_as_it_was(
    engine: Engine, store_url: str
) -> None:
    METADATA.drop_all(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE sweeps (somebody_elses INTEGER)")
    with pytest.raises(StoreError, match="sweeps"):
        open_engine(store_url)
    assert inspect(engine).get_table_names() == ["sweeps"]


def troubles_of_many(store_url: str) -> list[BaseException]:
    """What goes wrong when eight open a store at the same moment."""
    begin = Barrier(8)
    troubles: list[BaseException] = []

    def start() -> None:
        begin.wait()
        try:
            open_engine(store_url).dispose()
        except BaseException as error:
            troubles.append(error)

    threads = [Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return troubles


def test_new_files_take_many_at_once_every_time(tmp_path: Path) -> None:
    # SQLite gives up at once where two change a new file to WAL: once in eight such moments.
    urls = [f"sqlite:///{tmp_path}/{number}.sqlite" for number in range(12)]
    assert [trouble for url in urls for trouble in troubles_of_many(url)] == []


def test_of_many_that_open_a_new_store_at_once_one_makes_it(store_url: str) -> None:
    assert troubles_of_many(store_url) == []
    engine = open_engine(store_url)
    assert versions(engine) == [SCHEMA_VERSION]
    engine.dispose()
