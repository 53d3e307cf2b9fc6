"""The tables, and the engine that opens them on SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    insert,
    select,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from rivya_flows.errors import StoreError

METADATA = MetaData()

VERSIONS = Table("schema_version", METADATA, Column("version", Integer, primary_key=True))

RUNS = Table(
    "runs",
    METADATA,
    Column("run_id", String(128), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("service", Text, nullable=False),
    Column("started_at", String(40), nullable=False),
    Column("folder", Text, nullable=False),
)

EVENTS = Table(
    "events",
    METADATA,
    Column("run_id", String(128), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("at", Float, nullable=False),
    # What may be written only once: null never collides with null.
    Column("unique_name", String(400)),
    Column("body", Text, nullable=False),
    UniqueConstraint("run_id", "unique_name", name="one_entry_of_a_name"),
)

LEASES = Table(
    "leases",
    METADATA,
    Column("run_id", String(128), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("expires_at", Float, nullable=False),
)

RESULTS = Table(
    "results",
    METADATA,
    Column("cache_key", String(128), primary_key=True),
    Column("run_id", String(128), nullable=False),
    Column("outputs", Text, nullable=False),
    Column("credits", Integer, nullable=False),
    Column("at", Float, nullable=False),
)

MIGRATIONS: tuple[Callable[[Any], None], ...] = (METADATA.create_all,)
"""The n-th brings a store from version n to n + 1; entries are added, never changed."""


def open_engine(url: str) -> Engine:
    """An engine on an up-to-date schema.

    Raises:
        StoreError: The URL is wrong, the database cannot be reached, or it is of a newer version.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed)
        if engine.dialect.name == "sqlite":
            _make_durable(engine)
        _migrate(engine)
    except (ArgumentError, SQLAlchemyError, OSError, ModuleNotFoundError) as error:
        shown = str(error).splitlines()[0]
        raise StoreError(
            f"cannot open the store: {shown}",
            "RIVYA_FLOWS_STORE is a SQLAlchemy URL such as sqlite:////data/journal.sqlite",
        ) from error
    return engine


def _make_durable(engine: Engine) -> None:
    """WAL, fsync on every commit, and a write lock from the first statement on."""

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # The driver's own transaction handling would defer the lock to the first write.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=20000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _migrate(engine: Engine) -> None:
    with engine.begin() as connection:
        VERSIONS.create(connection, checkfirst=True)
        version = max(connection.scalars(select(VERSIONS.c.version)), default=0)
        if version > len(MIGRATIONS):
            raise StoreError(
                f"the store has schema version {version}; this program knows {len(MIGRATIONS)}",
                "use the newer rivya-flows that wrote it",
            )
        for number, migrate in enumerate(MIGRATIONS[version:], start=version + 1):
            migrate(connection)
            connection.execute(insert(VERSIONS).values(version=number))
