"""The state of a sandbox in one SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rivya_sandbox.service.database import _SCHEMAS, FILE_NAME, Database
from rivya_sandbox.service.errors import SandboxError

INSERT = "INSERT INTO server VALUES ('a', '1')"


def test_an_exception_rolls_a_transaction_back(tmp_path: Path) -> None:
    with closing(Database(tmp_path)) as database:
        with pytest.raises(sqlite3.IntegrityError), database.transaction() as transaction:
            transaction.executemany(INSERT, [()] * 2)
        assert database.row("SELECT * FROM server WHERE name = 'a'") is None
        with database.transaction() as transaction:
            transaction.execute(INSERT)
        assert database.row("SELECT * FROM server WHERE name = 'a'") is not None


def test_a_folder_is_created_for_its_owner_only(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "new" / "data")):
        assert (tmp_path / "new" / "data").stat().st_mode & 0o777 == 0o700


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    with closing(Database(tmp_path)):
        pass
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as raw:
        raw.execute("PRAGMA user_version = 999")
    with pytest.raises(SandboxError, match="written by a newer version"):
        Database(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (999,)


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"something else" * 100)
    with pytest.raises(SandboxError, match="cannot be used as data folder"):
        Database(tmp_path)


def test_a_closed_database_can_be_closed_again_and_not_used(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.close()
    database.close()
    with pytest.raises(sqlite3.ProgrammingError):
        database.rows("SELECT * FROM server")


def test_a_job_that_an_older_version_let_fail_still_fails(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as raw:
        for statement in (one for schema in _SCHEMAS[:2] for one in schema):
            raw.execute(statement)
        raw.execute("INSERT INTO accounts VALUES ('a', 'default', 1, 0)")
        for task_id, fails in (("task_1", 1), ("task_2", 0)):
            raw.execute(
                "INSERT INTO generations (id, account_id, model, category, status, prompt, params,"
                " file_ids, reserved_credits, fails, created_at, updated_at, starts_at)"
                " VALUES (?, 'a', 'z-image', 'image', 'queued', '', '{}', '[]', 1, ?, 1, 1, 1)",
                (task_id, fails),
            )
        raw.execute("PRAGMA user_version = 2")
        raw.commit()
    with closing(Database(tmp_path)) as database:
        rows = database.rows("SELECT failure FROM generations ORDER BY id")
    assert [row["failure"] for row in rows] == ["generation_failed", None]
