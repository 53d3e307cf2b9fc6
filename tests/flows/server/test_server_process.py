from __future__ import annotations

import fcntl
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rivya_flows.flows.server.local_server import (
    USERS,
    LocalServer,
    give_space_back,
    kept_from_runs,
    lives,
)
from rivya_flows.processes.supervisor import try_lock


@pytest.mark.parametrize("holds_rows", [False, True])
def test_a_database_gets_smaller_when_rows_are_deleted(tmp_path: Path, holds_rows: bool) -> None:
    database = tmp_path / "prefect.db"
    if holds_rows:
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("CREATE TABLE old (text TEXT)")
            connection.execute("INSERT INTO old VALUES ('kept')")
    give_space_back(database)
    give_space_back(database)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS old (text TEXT)")
        with connection:
            connection.executemany("INSERT INTO old VALUES (?)", [("x" * 1000,)] * 1000)
        large = database.stat().st_size
        with connection:
            connection.execute("DELETE FROM old WHERE text <> 'kept'")
        assert connection.execute("SELECT count(*) FROM old").fetchone() == (int(holds_rows),)
    assert database.stat().st_size < large / 10


def test_a_database_that_cannot_be_opened_is_left_to_prefect(tmp_path: Path) -> None:
    (tmp_path / "prefect.db").mkdir()
    give_space_back(tmp_path / "prefect.db")


async def test_a_run_that_begins_while_down_works_joins_no_server_and_starts_none(
    tmp_path: Path,
) -> None:
    home = tmp_path / "prefect"
    home.mkdir()
    with kept_from_runs(home) as is_free:
        assert is_free
        begun = LocalServer.start(tmp_path)
        assert begun.port == 0
        assert not lives(home)
        await begun.stop()
    with (home / USERS).open("a+b") as run:
        assert try_lock(run, fcntl.LOCK_SH)
        with kept_from_runs(home) as is_free:
            assert not is_free
