"""The current tables; `migrations` creates them."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, MetaData, String, Table, Text, UniqueConstraint

METADATA = MetaData()

NAME_LENGTH = 400
"""Longest unique name in characters; longer ones are hashed."""

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
    # Unique within the run; null never collides with null.
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

SPECS = Table(
    "specs",
    METADATA,
    # The hash of the spec's text and of the files that it names.
    Column("spec_hash", String(80), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("text", Text, nullable=False),
    # JSON: text by path from the spec's folder.
    Column("includes", Text, nullable=False),
    Column("at", Float, nullable=False),
    # JSON: asset by path as written.
    Column("files", Text, nullable=False, server_default="{}"),
)

RECEIVED = Table(
    "received",
    METADATA,
    # A webhook event is delivered at least once and stored once.
    Column("event_id", String(200), primary_key=True),
    Column("type", String(100), nullable=False),
    Column("task_id", String(200)),
    Column("body", Text, nullable=False),
    Column("at", Float, nullable=False),
)

SECRETS = Table(
    "secrets",
    METADATA,
    # Shared random values and webhook signing secrets.
    Column("name", String(200), primary_key=True),
    Column("value", Text, nullable=False),
)
