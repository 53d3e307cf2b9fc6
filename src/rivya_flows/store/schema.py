"""The tables as they are now; `migrations` says how a store came to have them."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, MetaData, String, Table, Text, UniqueConstraint

METADATA = MetaData()

NAME_LENGTH = 400
"""Characters of what may be written only once; longer names are hashed."""

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
    Column("unique_name", String(NAME_LENGTH)),
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
