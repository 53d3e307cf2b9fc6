"""Stored webhook endpoints.

Source: contract, section 8.1, and its suggested conventions.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rivya_sandbox.service.database import Database
from rivya_sandbox.service.errors import invalid
from rivya_sandbox.service.identifiers import iso, iso_or_none, new_id
from rivya_sandbox.service.validation import an_object, no_others
from rivya_sandbox.webhooks import urls
from rivya_sandbox.webhooks.secrets import preview, signing_secret

EVENT_TYPES = ("generation.succeeded", "generation.failed")
MOST_ENDPOINTS = 20
"""Of an account, without removed ones."""
LONGEST_NAME = 100  # characters
_MOST_FAILURES = 20
_STATUSES = ("active", "disabled")


@dataclass(frozen=True)
class EndpointChanges:
    """A create or change request; None leaves a field unchanged."""

    name: str | None
    url: str | None
    event_types: tuple[str, ...] | None
    status: str | None


def check(body: Any, *, allow_local: bool, new: bool) -> EndpointChanges:
    """Validate a request.

    Args:
        body: Its JSON value.
        allow_local: Accept ``http://`` and loopback URLs too.
        new: Whether it creates an endpoint, which needs a ``url`` and takes no ``status``.

    Raises:
        Refusal: It is invalid.
    """
    fields = an_object(body, "The body")
    known = {"name", "url", "event_types"}
    no_others(fields, known if new else known | {"status"}, "the body")
    if new and fields.get("url") is None:
        raise invalid("'url' is required.")
    url, status = fields.get("url"), fields.get("status")
    if url is not None:
        urls.target(url, allow_local=allow_local)
    if status is not None and status not in _STATUSES:
        raise invalid(f"'status' must be one of {', '.join(_STATUSES)}.")
    return EndpointChanges(
        _name(fields.get("name")), url, _types(fields.get("event_types")), status
    )


def create(
    transaction: sqlite3.Connection,
    asked: EndpointChanges,
    *,
    account_id: str,
    server_secret: str,
    now: float,
) -> tuple[sqlite3.Row, str]:
    """Create an endpoint; returns it with its signing secret, which is shown only now.

    Raises:
        Refusal: The account has the maximum number.
    """
    (count,) = transaction.execute(
        "SELECT count(*) FROM webhook_endpoints WHERE account_id = ? AND revoked_at IS NULL",
        (account_id,),
    ).fetchone()
    if count >= MOST_ENDPOINTS:
        raise invalid(f"An account has at most {MOST_ENDPOINTS} webhook endpoints.")
    endpoint_id, draw = new_id("whend"), secrets.token_hex(16)
    secret = signing_secret(server_secret, endpoint_id, draw)
    transaction.execute(
        """INSERT INTO webhook_endpoints (id, account_id, name, url, event_types, status,
            secret_draw, secret_preview, created_at, updated_at)
            VALUES (?, ?, ?, ?, ?, 'active', ?, ?, ?, ?)""",
        (
            endpoint_id,
            account_id,
            asked.name or "Webhook",
            asked.url,
            " ".join(asked.event_types or EVENT_TYPES),
            draw,
            preview(secret),
            now,
            now,
        ),
    )
    return _row(transaction, endpoint_id), secret


def endpoints(database: Database, account_id: str) -> list[dict[str, Any]]:
    """The account's endpoints, newest first."""
    rows = database.rows(
        "SELECT * FROM webhook_endpoints WHERE account_id = ? AND revoked_at IS NULL "
        "ORDER BY created_at DESC, rowid DESC",
        account_id,
    )
    return [public(row) for row in rows]


def endpoint(database: Database, account_id: str, endpoint_id: str) -> sqlite3.Row | None:
    """One of the account's endpoints; None if unknown or removed."""
    return database.row(
        "SELECT * FROM webhook_endpoints WHERE id = ? AND account_id = ? AND revoked_at IS NULL",
        endpoint_id,
        account_id,
    )


def change(
    transaction: sqlite3.Connection, endpoint_id: str, asked: EndpointChanges, *, now: float
) -> sqlite3.Row:
    """Change an endpoint; ``active`` resets its failure count."""
    transaction.execute(
        """UPDATE webhook_endpoints SET name = coalesce(?, name), url = coalesce(?, url),
            event_types = coalesce(?, event_types), updated_at = ? WHERE id = ?""",
        (
            asked.name,
            asked.url,
            None if asked.event_types is None else " ".join(asked.event_types),
            now,
            endpoint_id,
        ),
    )
    if asked.status == "active":
        transaction.execute(
            "UPDATE webhook_endpoints SET status = 'active', failure_count = 0, disabled_at = NULL "
            "WHERE id = ?",
            (endpoint_id,),
        )
    elif asked.status == "disabled":
        _disable(transaction, endpoint_id, now)
    return _row(transaction, endpoint_id)


def remove(transaction: sqlite3.Connection, endpoint_id: str, *, now: float) -> sqlite3.Row:
    """Revoke an endpoint; its pending deliveries are not sent."""
    transaction.execute(
        "UPDATE webhook_endpoints SET status = 'revoked', revoked_at = ?, updated_at = ? WHERE id = ?",
        (now, now, endpoint_id),
    )
    _end_pending(transaction, endpoint_id, "The endpoint was removed.")
    return _row(transaction, endpoint_id)


def rotate(
    transaction: sqlite3.Connection, endpoint_id: str, *, server_secret: str, now: float
) -> tuple[sqlite3.Row, str]:
    """Replace the signing secret at once."""
    draw = secrets.token_hex(16)
    secret = signing_secret(server_secret, endpoint_id, draw)
    transaction.execute(
        "UPDATE webhook_endpoints SET secret_draw = ?, secret_preview = ?, updated_at = ? WHERE id = ?",
        (draw, preview(secret), now, endpoint_id),
    )
    return _row(transaction, endpoint_id), secret


def note_success(transaction: sqlite3.Connection, endpoint_id: str, *, now: float) -> None:
    """Record a delivery that arrived."""
    transaction.execute(
        "UPDATE webhook_endpoints SET failure_count = 0, last_success_at = ? WHERE id = ?",
        (now, endpoint_id),
    )


def note_failure(
    transaction: sqlite3.Connection, endpoint_id: str, *, final: bool, now: float
) -> None:
    """Record a failed attempt; the last of a delivery counts as a failure of the endpoint."""
    transaction.execute(
        "UPDATE webhook_endpoints SET failure_count = failure_count + ?, last_failure_at = ? "
        "WHERE id = ?",
        (int(final), now, endpoint_id),
    )
    row = _row(transaction, endpoint_id)
    if row["status"] == "active" and row["failure_count"] >= _MOST_FAILURES:
        _disable(transaction, endpoint_id, now)


def public(row: sqlite3.Row) -> dict[str, Any]:
    """An endpoint as in answers, without its secret."""
    return {
        "id": row["id"],
        "object": "webhook_endpoint",
        "name": row["name"],
        "url": row["url"],
        "event_types": row["event_types"].split(),
        "status": row["status"],
        "secret_preview": row["secret_preview"],
        "last_success_at": iso_or_none(row["last_success_at"]),
        "last_failure_at": iso_or_none(row["last_failure_at"]),
        "failure_count": row["failure_count"],
        "created_at": iso(row["created_at"]),
        "updated_at": iso(row["updated_at"]),
        "disabled_at": iso_or_none(row["disabled_at"]),
        "revoked_at": iso_or_none(row["revoked_at"]),
    }


def event_type(body: Any) -> str:
    """The event type of a test request.

    Raises:
        Refusal: An unknown type or field.
    """
    fields: Mapping[str, Any] = an_object(body, "The body")
    no_others(fields, {"event_type"}, "the body")
    asked = fields.get("event_type")
    if asked is not None and asked not in EVENT_TYPES:
        raise invalid(f"'event_type' must be one of {', '.join(EVENT_TYPES)}.")
    return asked or EVENT_TYPES[0]


def _row(transaction: sqlite3.Connection, endpoint_id: str) -> sqlite3.Row:
    row: sqlite3.Row = transaction.execute(
        "SELECT * FROM webhook_endpoints WHERE id = ?", (endpoint_id,)
    ).fetchone()
    return row


def _disable(transaction: sqlite3.Connection, endpoint_id: str, now: float) -> None:
    transaction.execute(
        "UPDATE webhook_endpoints SET status = 'disabled', disabled_at = ?, updated_at = ? WHERE id = ?",
        (now, now, endpoint_id),
    )
    _end_pending(transaction, endpoint_id, "The endpoint was disabled.")


def _end_pending(transaction: sqlite3.Connection, endpoint_id: str, reason: str) -> None:
    transaction.execute(
        "UPDATE webhook_deliveries SET status = 'failed', error = ?, next_attempt_at = NULL "
        "WHERE endpoint_id = ? AND status = 'pending'",
        (reason, endpoint_id),
    )


def _name(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_NAME or not value.strip():
        raise invalid(f"'name' must be text of 1 to {LONGEST_NAME} characters.")
    return value


def _types(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(one in EVENT_TYPES for one in value):
        raise invalid(f"'event_types' must list some of {', '.join(EVENT_TYPES)}.")
    return tuple(dict.fromkeys(value))
