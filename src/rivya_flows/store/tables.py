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

SPECS = Table(
    "specs",
    METADATA,
    # What was deployed, by the hash of its text and of all that it names in its folder.
    Column("spec_hash", String(80), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("text", Text, nullable=False),
    # JSON: a map of path, from the folder of the spec, to text.
    Column("includes", Text, nullable=False),
    Column("at", Float, nullable=False),
    # JSON: a map of path as written to asset.
    Column("files", Text, nullable=False, server_default="{}"),
)

RECEIVED = Table(
    "received",
    METADATA,
    # A webhook event is delivered at least once; here it stands once.
    Column("event_id", String(200), primary_key=True),
    Column("type", String(100), nullable=False),
    Column("task_id", String(200)),
    Column("body", Text, nullable=False),
    Column("at", Float, nullable=False),
)

SECRETS = Table(
    "secrets",
    METADATA,
    # Random values that all processes of one store share, such as what asset names are made with.
    Column("name", String(200), primary_key=True),
    Column("value", Text, nullable=False),
)
