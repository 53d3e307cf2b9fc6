"""The whole state of the sandbox in one SQLite file; every change is one short transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rivya_sandbox.service.errors import SandboxError

# Position in this tuple + 1 is the schema's number in `PRAGMA user_version`. Times are Unix seconds.
_SCHEMAS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE server (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
        """CREATE TABLE accounts (
            id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at REAL NOT NULL,
            balance INTEGER NOT NULL DEFAULT 0 CHECK (balance >= 0))""",
        """CREATE TABLE keys (
            id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts,
            hash TEXT NOT NULL UNIQUE, prefix TEXT NOT NULL, scopes TEXT NOT NULL,
            created_at REAL NOT NULL, expires_at REAL, revoked_at REAL)""",
        """CREATE TABLE movements (
            id INTEGER PRIMARY KEY AUTOINCREMENT, account_id TEXT NOT NULL REFERENCES accounts,
            at REAL NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('grant', 'reserve', 'settle', 'refund')),
            amount INTEGER NOT NULL, task_id TEXT)""",
        # A safeguard below the code: reserved once, and ended once.
        "CREATE UNIQUE INDEX reserved_once ON movements (task_id) WHERE kind = 'reserve'",
        "CREATE UNIQUE INDEX ended_once ON movements (task_id) WHERE kind IN ('settle', 'refund')",
        """CREATE TABLE idempotency (
            account_id TEXT NOT NULL, route TEXT NOT NULL, key TEXT NOT NULL,
            fingerprint TEXT NOT NULL, status INTEGER, body TEXT, created_at REAL NOT NULL,
            PRIMARY KEY (account_id, route, key))""",
        """CREATE TABLE files (
            id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts, kind TEXT NOT NULL,
            name TEXT NOT NULL, mime_type TEXT NOT NULL, size_bytes INTEGER NOT NULL,
            stored_as TEXT NOT NULL UNIQUE, duration_seconds REAL, model TEXT,
            client_request_id TEXT, created_at REAL NOT NULL)""",
        """CREATE TABLE generations (
            id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts, model TEXT NOT NULL,
            category TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('queued', 'processing', 'succeeded', 'failed')),
            prompt TEXT NOT NULL, params TEXT NOT NULL, file_ids TEXT NOT NULL,
            reserved_credits INTEGER NOT NULL, final_credits INTEGER NOT NULL DEFAULT 0,
            error TEXT, idempotency_key TEXT, client_request_id TEXT, fails INTEGER NOT NULL DEFAULT 0,
            created_at REAL NOT NULL, updated_at REAL NOT NULL, starts_at REAL NOT NULL, due_at REAL)""",
        "CREATE INDEX unfinished ON generations (status) WHERE status IN ('queued', 'processing')",
        """CREATE TABLE results (
            stored_as TEXT PRIMARY KEY, task_id TEXT NOT NULL REFERENCES generations,
            position INTEGER NOT NULL, mime_type TEXT NOT NULL, UNIQUE (task_id, position))""",
        """CREATE TABLE chat_sessions (
            id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts, model TEXT NOT NULL,
            created_at REAL NOT NULL, updated_at REAL NOT NULL)""",
        """CREATE TABLE chat_messages (
            position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
            session_id TEXT NOT NULL REFERENCES chat_sessions, role TEXT NOT NULL,
            content TEXT NOT NULL, created_at REAL NOT NULL)""",
        # Only unanswered turns; a row found at start belongs to a process that died.
        """CREATE TABLE chat_turns (
            id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts,
            session_id TEXT NOT NULL, reserved INTEGER NOT NULL, route TEXT NOT NULL,
            idempotency_key TEXT)""",
        """CREATE TABLE faults (
            position INTEGER PRIMARY KEY, fault TEXT NOT NULL, seed INTEGER NOT NULL,
            draws INTEGER NOT NULL DEFAULT 0, used INTEGER NOT NULL DEFAULT 0)""",
    ),
    (
        """CREATE TABLE webhook_endpoints (
            id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts, name TEXT NOT NULL,
            url TEXT NOT NULL, event_types TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('active', 'disabled', 'revoked')),
            secret_draw TEXT NOT NULL, secret_preview TEXT NOT NULL,
            failure_count INTEGER NOT NULL DEFAULT 0, last_success_at REAL, last_failure_at REAL,
            created_at REAL NOT NULL, updated_at REAL NOT NULL, disabled_at REAL, revoked_at REAL)""",
        """CREATE TABLE webhook_events (
            position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
            account_id TEXT NOT NULL REFERENCES accounts, type TEXT NOT NULL, model TEXT NOT NULL,
            body TEXT NOT NULL, created_at REAL NOT NULL)""",
        "CREATE INDEX events_of_account ON webhook_events (account_id)",
        """CREATE TABLE webhook_deliveries (
            position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
            endpoint_id TEXT NOT NULL REFERENCES webhook_endpoints,
            event_id TEXT NOT NULL REFERENCES webhook_events (id),
            status TEXT NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
            attempt INTEGER NOT NULL DEFAULT 0, most_attempts INTEGER NOT NULL,
            response_status INTEGER, error TEXT, created_at REAL NOT NULL,
            next_attempt_at REAL, delivered_at REAL)""",
        "CREATE INDEX deliveries_of_endpoint ON webhook_deliveries (endpoint_id)",
        "CREATE INDEX undelivered ON webhook_deliveries (status) WHERE status = 'pending'",
    ),
    (
        # The error code with which a fault makes a generation fail.
        "ALTER TABLE generations ADD COLUMN failure TEXT",
        "UPDATE generations SET failure = 'generation_failed' WHERE fails",
        "ALTER TABLE generations DROP COLUMN fails",
        # JSON list of the ids of attached files.
        "ALTER TABLE chat_messages ADD COLUMN attachments TEXT NOT NULL DEFAULT '[]'",
        """CREATE TABLE answers (
            position INTEGER PRIMARY KEY, answer TEXT NOT NULL, used INTEGER NOT NULL DEFAULT 0)""",
    ),
    # How a fault breaks the media of a generation.
    ("ALTER TABLE generations ADD COLUMN broken TEXT",),
)

FILE_NAME = "sandbox.sqlite"


class Database:
    """One connection to the state; not safe for two threads at once.

    Safe with other processes: writers take turns, each for a few milliseconds.
    """

    def __init__(self, folder: Path) -> None:
        """Open the state in a data folder; created if missing.

        Raises:
            SandboxError: The folder cannot be used, or holds a newer schema than this one.
        """
        self._connection: sqlite3.Connection | None = None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._open(folder / FILE_NAME)
        except (OSError, sqlite3.Error) as problem:
            self.close()
            raise SandboxError(
                f"{folder}: cannot be used as data folder: {problem}", "give another --data DIR"
            ) from problem
        except SandboxError:
            self.close()
            raise

    def _open(self, path: Path) -> None:
        # Transactions are explicit below, so the implicit ones of sqlite3 are off.
        connection = sqlite3.connect(
            path, timeout=10, isolation_level=None, check_same_thread=False
        )
        self._connection = connection
        connection.row_factory = sqlite3.Row
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode = WAL")
        # In WAL mode this survives a killed process; only a power cut can lose the last commits.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        with self.transaction() as transaction:
            version = transaction.execute("PRAGMA user_version").fetchone()[0]
            if version > len(_SCHEMAS):
                raise SandboxError(
                    f"{path}: was written by a newer version (schema {version})",
                    "update rivya-sandbox, or give another --data DIR",
                )
            for statements in _SCHEMAS[version:]:
                for statement in statements:
                    transaction.execute(statement)
            transaction.execute(f"PRAGMA user_version = {len(_SCHEMAS)}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction; an exception rolls it back."""
        connection = self._live()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # some errors have rolled back already
                connection.execute("ROLLBACK")
            raise

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """All rows of a read-only query."""
        return self._live().execute(query, values).fetchall()

    def row(self, query: str, *values: Any) -> sqlite3.Row | None:
        """The first row of a read-only query, or None."""
        with closing(self._live().execute(query, values)) as cursor:
            found: sqlite3.Row | None = cursor.fetchone()
        return found

    def close(self) -> None:
        """Close the connection; repeated calls do nothing."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _live(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.ProgrammingError("the database is closed")
        return self._connection


def server_value(transaction: sqlite3.Connection, name: str, default: str) -> str:
    """A setting of the data folder; the first call stores `default`."""
    transaction.execute("INSERT OR IGNORE INTO server VALUES (?, ?)", (name, default))
    row = transaction.execute("SELECT value FROM server WHERE name = ?", (name,)).fetchone()
    return str(row["value"])
