"""Accounts and their API keys; a key is stored as its hash and shown once.

Source: contract, section 1.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from rivya_sandbox.service.database import Database
from rivya_sandbox.service.errors import Refusal
from rivya_sandbox.service.identifiers import new_id

SCOPES = (
    "models:read",
    "generations:create",
    "generations:read",
    "files:create",
    "files:read",
    "credits:read",
    "webhooks:manage",
    "chat:create",
    "chat:read",
)
DEFAULT_ACCOUNT = "default"
_MARK = "rvya_sk_"
_VISIBLE_CHARACTERS = len(_MARK) + 4  # characters of a key that are shown


@dataclass(frozen=True)
class Key:
    """An API key as stored.

    Attributes:
        prefix: Its first characters, to tell keys apart.
        expires_at: Unix seconds; None means never.
        revoked_at: Unix seconds; None means not revoked.
    """

    id: str
    account_id: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None
    revoked_at: float | None


def account(transaction: sqlite3.Connection, name: str, *, now: float) -> str:
    """The id of the account with that name; created if it does not exist."""
    transaction.execute(
        "INSERT OR IGNORE INTO accounts (id, name, created_at) VALUES (?, ?, ?)",
        (new_id("acct"), name, now),
    )
    row = transaction.execute("SELECT id FROM accounts WHERE name = ?", (name,)).fetchone()
    return str(row["id"])


def create_key(
    transaction: sqlite3.Connection,
    account_id: str,
    *,
    now: float,
    scopes: Sequence[str] = SCOPES,
    expires_at: float | None = None,
) -> tuple[Key, str]:
    """A new key as stored, and its secret, which is shown only now."""
    secret = _MARK + secrets.token_urlsafe(32)
    key = Key(
        id=new_id("key"),
        account_id=account_id,
        prefix=secret[:_VISIBLE_CHARACTERS],
        scopes=tuple(scopes),
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
    )
    transaction.execute(
        "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            key.id,
            account_id,
            _hash(secret),
            key.prefix,
            " ".join(key.scopes),
            now,
            expires_at,
            None,
        ),
    )
    return key, secret


def keys(database: Database, account_id: str | None = None) -> list[Key]:
    """All keys, or those of one account, oldest first."""
    if account_id is None:
        rows = database.rows("SELECT * FROM keys ORDER BY created_at, rowid")
    else:
        rows = database.rows(
            "SELECT * FROM keys WHERE account_id = ? ORDER BY created_at, rowid", account_id
        )
    return [_key(row) for row in rows]


def revoke_key(transaction: sqlite3.Connection, key_id: str, *, now: float) -> bool:
    """Revoke a key; False if unknown. A second call keeps the first date."""
    changed = transaction.execute(
        "UPDATE keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?", (now, key_id)
    )
    return changed.rowcount == 1


def verify(database: Database, authorization: str | None, scope: str, *, now: float) -> Key:
    """The key behind an ``Authorization`` header.

    Raises:
        Refusal: In the order of the contract: missing, invalid, revoked, expired, scope.
    """
    kind, _, secret = (authorization or "").strip().partition(" ")
    secret = secret.strip()
    if kind.lower() != "bearer" or not secret:
        raise Refusal("api_key_missing", "A valid Bearer API key is required.")
    row = database.row("SELECT * FROM keys WHERE hash = ?", _hash(secret))
    if row is None:
        raise Refusal("api_key_invalid", "The API key cannot be verified.")
    key = _key(row)
    if key.revoked_at is not None:
        raise Refusal("api_key_revoked", "The API key was revoked.")
    if key.expires_at is not None and key.expires_at <= now:
        raise Refusal("api_key_expired", "The API key has expired.")
    if scope not in key.scopes:
        raise Refusal("api_scope_denied", f"The API key lacks the scope {scope!r}.")
    return key


def _hash(secret: str) -> str:
    # Enough for 256 random bits; slow hashes are for passwords that people choose.
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _key(row: sqlite3.Row) -> Key:
    return Key(
        id=row["id"],
        account_id=row["account_id"],
        prefix=row["prefix"],
        scopes=tuple(row["scopes"].split()),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )
