"""The tables of a store, and its schema version."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    inspect,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from rivya_flows.errors import StoreError

SCHEMA_VERSION = 12
"""A store of another version is refused: there is nothing that changes its tables."""

_LOCK = 0x72697679
"""PostgreSQL advisory lock of who creates the tables: an arbitrary, unlikely number."""

METADATA = MetaData()

Row = Mapping[str, str | int | float | None]
"""A row to be written, by column."""

NAME_LENGTH = 400  # longest unique name in characters; longer ones are hashed
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
    Column("labels", Text, nullable=False),
    # Unique; null never collides with null.
    Column("quote", String(64)),
    # Name of its credentials; null: the key of the process.
    Column("wallet", Text),
    # Unix seconds; of a removed run, this row, its charges and its outcomes are left.
    Column("removed_at", Float),
    # The last entry that OUTCOMES has; 0: none.
    Column("outcomes_seq", Integer, nullable=False, server_default="0"),
    Index("one_run_of_a_quote", "quote", unique=True),
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
    # Its media were refused for their faults.
    Column("lost", Boolean, nullable=False),
    Index("charges_by_time", "at"),
)

OUTCOMES = Table(
    "outcomes",
    METADATA,
    # A projection of EVENTS, written as an execution ends; `receipt.outcomes` says what the columns mean.
    Column("run_id", String(128), primary_key=True),
    # As CHARGES; of what no purchase of this run made, and of a question, a name of its own.
    Column("purchase", String(NAME_LENGTH), primary_key=True),
    Column("step", Text, nullable=False),
    Column("model", Text),
    Column("brand", Text),
    Column("prompt", Text),
    Column("at", Float, nullable=False),
    Column("offered", Integer, nullable=False),
    Column("picked", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("ended", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("lost", Integer, nullable=False),
    Column("judged", Integer, nullable=False),
    Column("agreed", Integer, nullable=False),
    # Of a question or a `repeat` that was decided: after how many rounds.
    Column("rounds", Integer),
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
    # JSON: asset by path as written.
    Column("files", Text, nullable=False),
    Column("at", Float, nullable=False),
)

AGREEMENTS = Table(
    "agreements",
    METADATA,
    # As ``flow/deployment``.
    Column("deployment", String(200), primary_key=True),
    Column("service", String(400), primary_key=True),
    # JSON of `deployments.Most`.
    Column("most", Text, nullable=False),
    Column("at", Float, nullable=False),
    # JSON: those of its runs, without a yes of a person, since a pool covers them; null for a yes.
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

MAILBOX = Table(
    "mailbox",
    METADATA,
    # Never that of another answer, also once it is taken.
    Column("id", Integer, primary_key=True),
    Column("run_id", String(128), nullable=False),
    # As stored: the step, key and round.
    Column("question", String(NAME_LENGTH), nullable=False),
    # JSON of a `mailbox.WaitingAnswer` without its id.
    Column("body", Text, nullable=False),
    Index("mailbox_of_a_run", "run_id"),
    sqlite_autoincrement=True,
)

LINKS = Table(
    "links",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run_id", String(128), nullable=False),
    # JSON: the step and key, which may be any text.
    Column("question", Text, nullable=False),
    # Whom it is for, and who made it.
    Column("reviewer", Text, nullable=False),
    Column("created_by", Text),
    # Unix seconds, whole ones.
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Index("links_of_a_run", "run_id"),
    sqlite_autoincrement=True,
)

DRIFTS = Table(
    "drifts",
    METADATA,
    # What the last daily check found of each deployment, as ``flow/deployment``.
    Column("deployment", String(200), primary_key=True),
    Column("version", String(80), nullable=False),
    # ok, broken or dearer.
    Column("status", String(8), nullable=False),
    Column("sentence", Text, nullable=False),
    # A hash of all that was found.
    Column("state", String(80), nullable=False),
    Column("at", Float, nullable=False),
)

SWEEPS = Table(
    "sweeps",
    METADATA,
    # One row: when the waker's last sweep was complete.
    Column("at", Float, primary_key=True),
)


def ensure_tables(engine: Engine) -> None:
    """Creates the tables of an empty store; of concurrent processes, one does it."""
    with engine.connect().execution_options(reads=True) as connection:
        if _is_current(connection):
            return
    with engine.begin() as connection:
        lock(connection, _LOCK)
        if not _is_current(connection):
            METADATA.create_all(connection, checkfirst=False)
            connection.execute(insert(VERSIONS).values(version=SCHEMA_VERSION))


def _is_current(connection: Connection) -> bool:
    """Whether the store has the tables; False for an empty one."""
    if not inspect(connection).has_table(VERSIONS.name):
        return False
    version = max(connection.scalars(select(VERSIONS.c.version)), default=0)
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"the store has schema version {version}, and this rivya-flows needs version"
            f" {SCHEMA_VERSION}; nothing was changed",
            "use the rivya-flows that wrote it, or another store: set RIVYA_FLOWS_DATA to an empty"
            " folder, or RIVYA_FLOWS_STORE to an empty database",
        )
    return True


def lock(connection: Connection, number: int, *, shared: bool = False) -> None:
    """Takes an advisory lock on PostgreSQL for a transaction; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        kind = "_shared" if shared else ""
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock{kind}({number})")


def insert_missing(connection: Connection, table: Table, rows: Row | Sequence[Row]) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)


def stored_name(name: str, length: int = NAME_LENGTH) -> str:
    """A name that fits its column, itself or its hash; keys come from models, so they may be any text."""
    if len(name) <= length and name.isprintable():
        return name
    return "sha256 " + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
