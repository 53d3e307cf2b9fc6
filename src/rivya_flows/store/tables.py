"""The current tables; `migrations` creates them."""

from __future__ import annotations

import hashlib

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

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
    # JSON: text by name.
    Column("labels", Text, nullable=False, server_default="{}"),
    # Unique; null never collides with null.
    Column("quote", String(64)),
    # Name of its credentials; null: the key of the process.
    Column("wallet", Text),
    # Unix seconds; of a removed run, this row and its charges are left.
    Column("removed_at", Float),
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

CHARGES = Table(
    "charges",
    METADATA,
    # A projection of the purchases in EVENTS, written in their transactions.
    Column("run_id", String(128), primary_key=True),
    # The unique name of the intent, as stored.
    Column("purchase", String(NAME_LENGTH), primary_key=True),
    Column("step", Text, nullable=False),
    Column("model", Text),
    # When it was intended; its credits count in the period of that moment.
    Column("at", Float, nullable=False),
    # Reserved, then what it cost; 0 once it is refused. One whose outcome is unknown counts.
    Column("credits", BigInteger, nullable=False),
    Column("settled", Boolean, nullable=False),
)

POOLS = Table(
    "pools",
    METADATA,
    Column("name", String(64), primary_key=True),
    # JSON: the labels that a run must have, text by name; empty matches every run.
    Column("labels", Text, nullable=False),
    Column("credits", Integer, nullable=False),
    Column("soft", Integer),
    # day, week, month (of the calendar, UTC) or total.
    Column("period", String(8), nullable=False),
    Column("at", Float, nullable=False),
)

POOL_TOTALS = Table(
    "pool_totals",
    METADATA,
    Column("pool", String(64), primary_key=True),
    # Pretend credits of a sandbox take nothing from a pool of real ones.
    Column("service", String(400), primary_key=True),
    # ISO date of the first day of the period; "" for `total`.
    Column("period_start", String(10), primary_key=True),
    # A projection of CHARGES; its row is locked while a purchase is reserved.
    Column("credits", BigInteger, nullable=False),
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

AGREEMENTS = Table(
    "agreements",
    METADATA,
    # As ``flow/deployment``.
    Column("deployment", String(200), primary_key=True),
    Column("service", String(400), primary_key=True),
    # JSON of `agreements.Most`.
    Column("most", Text, nullable=False),
    Column("at", Float, nullable=False),
    # JSON: those of its runs, where nobody said yes, since a pool covers them; null for a yes.
    Column("labels", Text),
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

FAILED_STARTS = Table(
    "failed_starts",
    METADATA,
    # Of the run that would have begun; it may begin later.
    Column("run_id", String(128), primary_key=True),
    Column("at", Float, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("reason", Text, nullable=False),
)

SWEEPS = Table(
    "sweeps",
    METADATA,
    # One row: when the waker's last sweep was complete.
    Column("at", Float, primary_key=True),
)


def stored_name(name: str) -> str:
    """A name that fits its column; item keys come from models, so they may be any text."""
    if len(name) <= NAME_LENGTH and name.isprintable():
        return name
    return "sha256 " + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
