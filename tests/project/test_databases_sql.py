"""`deploy/databases.sql`, on a real server: each user owns its database and cannot enter the other."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from rivya_flows.store.journal import Journal
from support.databases import postgres_server

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "deploy" / "databases.sql"


def test_the_server_and_the_journal_have_users_who_share_nothing() -> None:
    owner = postgres_server("users")
    driver = pytest.importorskip("psycopg")
    program = sorted(Path("/usr/lib/postgresql").glob("*/bin/psql"))[-1]
    passwords = {
        "POSTGRES_PREFECT_PASSWORD": "it's of prefect",
        "POSTGRES_RIVYA_PASSWORD": "of the journal",
    }
    subprocess.run(
        [program, "-v", "ON_ERROR_STOP=1", "-f", SCRIPT, owner],
        env=os.environ | passwords,
        check=True,
        capture_output=True,
    )

    def address(user: str, database: str) -> str:
        return owner.replace("postgres@/postgres", f"{user}@/{database}")

    with driver.connect(owner) as connection:
        found = connection.execute(
            "SELECT rolname, rolpassword, rolsuper OR rolcreatedb OR rolcreaterole FROM pg_authid"
            " WHERE rolname IN ('prefect', 'rivya') ORDER BY rolname"
        ).fetchall()
    assert [(name, secret[:5], more) for name, secret, more in found] == [
        ("prefect", "SCRAM", False),
        ("rivya", "SCRAM", False),
    ]
    with driver.connect(address("prefect", "prefect")) as connection:  # as its migrations do
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        connection.execute("CREATE TABLE flow_run (id integer)")
    with closing(Journal(address("rivya", "rivya"))) as journal:
        assert journal.runs("run-") == ()
    for user, database in (
        ("rivya", "prefect"),
        ("prefect", "rivya"),
        ("rivya", "postgres"),
        ("rivya", "template1"),
    ):
        with pytest.raises(driver.OperationalError, match="permission denied for database"):
            driver.connect(address(user, database))
