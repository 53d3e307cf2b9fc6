"""Schema migrations."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Engine, insert, inspect, select

from rivya_flows.errors import StoreError
from rivya_flows.store.charging import charge_earlier_purchases
from rivya_flows.store.tables import VERSIONS

Step = str | Callable[[Connection], None]

MIGRATIONS: tuple[tuple[Step, ...], ...] = (
    (
        """CREATE TABLE runs (
            run_id VARCHAR(128) NOT NULL PRIMARY KEY,
            name VARCHAR(64) NOT NULL,
            service TEXT NOT NULL,
            started_at VARCHAR(40) NOT NULL,
            folder TEXT NOT NULL
        )""",
        """CREATE TABLE events (
            run_id VARCHAR(128) NOT NULL,
            seq INTEGER NOT NULL,
            kind VARCHAR(40) NOT NULL,
            at FLOAT NOT NULL,
            unique_name VARCHAR(400),
            body TEXT NOT NULL,
            PRIMARY KEY (run_id, seq),
            CONSTRAINT one_entry_of_a_name UNIQUE (run_id, unique_name)
        )""",
        """CREATE TABLE leases (
            run_id VARCHAR(128) NOT NULL PRIMARY KEY,
            owner TEXT NOT NULL,
            fence INTEGER NOT NULL,
            expires_at FLOAT NOT NULL
        )""",
        """CREATE TABLE results (
            cache_key VARCHAR(128) NOT NULL PRIMARY KEY,
            run_id VARCHAR(128) NOT NULL,
            outputs TEXT NOT NULL,
            credits INTEGER NOT NULL,
            at FLOAT NOT NULL
        )""",
    ),
    (
        """CREATE TABLE specs (
            spec_hash VARCHAR(80) NOT NULL PRIMARY KEY,
            name VARCHAR(64) NOT NULL,
            text TEXT NOT NULL,
            includes TEXT NOT NULL,
            at FLOAT NOT NULL
        )""",
        """CREATE TABLE received (
            event_id VARCHAR(200) NOT NULL PRIMARY KEY,
            type VARCHAR(100) NOT NULL,
            task_id VARCHAR(200),
            body TEXT NOT NULL,
            at FLOAT NOT NULL
        )""",
        """CREATE TABLE secrets (
            name VARCHAR(200) NOT NULL PRIMARY KEY,
            value TEXT NOT NULL
        )""",
    ),
    ("ALTER TABLE specs ADD COLUMN files TEXT NOT NULL DEFAULT '{}'",),
    (
        "ALTER TABLE runs ADD COLUMN labels TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE runs ADD COLUMN quote VARCHAR(64)",
        "CREATE UNIQUE INDEX one_run_of_a_quote ON runs (quote)",
        """CREATE TABLE charges (
            run_id VARCHAR(128) NOT NULL,
            purchase VARCHAR(400) NOT NULL,
            step TEXT NOT NULL,
            model TEXT,
            at FLOAT NOT NULL,
            credits BIGINT NOT NULL,
            settled BOOLEAN NOT NULL,
            PRIMARY KEY (run_id, purchase)
        )""",
        "CREATE INDEX charges_by_time ON charges (at)",
        """CREATE TABLE pools (
            name VARCHAR(64) NOT NULL PRIMARY KEY,
            labels TEXT NOT NULL,
            credits INTEGER NOT NULL,
            soft INTEGER,
            period VARCHAR(8) NOT NULL,
            at FLOAT NOT NULL
        )""",
        """CREATE TABLE pool_totals (
            pool VARCHAR(64) NOT NULL,
            service VARCHAR(400) NOT NULL,
            period_start VARCHAR(10) NOT NULL,
            credits BIGINT NOT NULL,
            PRIMARY KEY (pool, service, period_start)
        )""",
        charge_earlier_purchases,
    ),
    ("ALTER TABLE runs ADD COLUMN wallet TEXT",),
    (
        """CREATE TABLE agreements (
            deployment VARCHAR(200) NOT NULL,
            service VARCHAR(400) NOT NULL,
            most TEXT NOT NULL,
            at FLOAT NOT NULL,
            PRIMARY KEY (deployment, service)
        )""",
        """CREATE TABLE failed_starts (
            run_id VARCHAR(128) NOT NULL,
            at FLOAT NOT NULL,
            name VARCHAR(64) NOT NULL,
            reason TEXT NOT NULL,
            PRIMARY KEY (run_id, at)
        )""",
        "CREATE TABLE sweeps (at FLOAT NOT NULL PRIMARY KEY)",
    ),
    ("ALTER TABLE agreements ADD COLUMN labels TEXT",),
    ("ALTER TABLE runs ADD COLUMN removed_at FLOAT",),
)
"""What migrates version n to n + 1: statements, and functions where SQL does not suffice; append
entries, never change one.
"""

_LOCK = 0x72697679
"""PostgreSQL advisory lock for migrations: an arbitrary, unlikely number."""


def migrate(engine: Engine, migrations: tuple[tuple[Step, ...], ...] = MIGRATIONS) -> None:
    """Migrates the store to the current version; of concurrent processes, one does the work.

    Raises:
        StoreError: A newer version wrote the store.
    """
    with engine.connect().execution_options(reads=True) as connection:
        if _version(connection) == len(migrations):
            return
    with engine.begin() as connection:
        # SQLite takes its write lock at the first statement.
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        VERSIONS.create(connection, checkfirst=True)
        version = _version(connection)
        if version > len(migrations):
            raise StoreError(
                f"the store has schema version {version}; this program knows {len(migrations)}",
                "use the newer rivya-flows that wrote it",
            )
        for number, steps in enumerate(migrations[version:], start=version + 1):
            for step in steps:
                if isinstance(step, str):
                    connection.exec_driver_sql(step)
                else:
                    step(connection)
            connection.execute(insert(VERSIONS).values(version=number))


def _version(connection: Connection) -> int:
    """The schema version; 0 for an empty store."""
    if not inspect(connection).has_table(VERSIONS.name):
        return 0
    return max(connection.scalars(select(VERSIONS.c.version)), default=0)
