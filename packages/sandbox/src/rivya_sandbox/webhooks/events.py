"""Events and their deliveries: stored with the change they report, retried until they arrive.

Source: contract, sections 8.4 and 8.5, and their suggested conventions.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rivya_sandbox.service.database import Database
from rivya_sandbox.service.identifiers import iso, iso_or_none, new_id
from rivya_sandbox.service.options import ServiceProfile
from rivya_sandbox.webhooks import endpoints

API_VERSION = "2026-05-11"
MOST_LISTED = 100
# Seconds from one attempt to the next, so that they fall at about
# 0, 30 s, 2 min, 10 min, 1 h, 3 h, 6 h and 12 h.
_GAPS = (30, 90, 480, 3000, 7200, 10800, 21600)
_JITTER = 0.1  # maximum relative deviation of a gap


@dataclass(frozen=True)
class Delivery:
    """A delivery that has not ended.

    Attributes:
        attempt: Attempts so far.
        most_attempts: Attempts after which it fails.
        next_attempt_at: Unix seconds.
        model: Of the event's generation.
        body: The event as JSON text; the same for every attempt.
        secret_draw: The random part of the endpoint's current signing secret.
    """

    id: str
    endpoint_id: str
    event_id: str
    event_type: str
    attempt: int
    most_attempts: int
    next_attempt_at: float
    model: str
    body: str
    url: str
    secret_draw: str


@dataclass(frozen=True)
class AttemptOutcome:
    """The outcome of an attempt.

    Attributes:
        status: HTTP status of the receiver's answer; None if there was none.
        error: Why it failed; None if it arrived.
    """

    status: int | None
    error: str | None


def emit(
    transaction: sqlite3.Connection,
    event_type: str,
    generation: Mapping[str, Any],
    *,
    account_id: str,
    profile: ServiceProfile,
    now: float,
) -> list[str]:
    """Store an event and its deliveries to all subscribed endpoints.

    Returns:
        The ids of the deliveries.
    """
    event_id = _event(transaction, event_type, generation, account_id, profile, now)
    rows = transaction.execute(
        "SELECT id, event_types FROM webhook_endpoints WHERE account_id = ? AND status = 'active' "
        "ORDER BY rowid",
        (account_id,),
    ).fetchall()
    return [
        _delivery(transaction, row["id"], event_id, len(_GAPS) + 1, now)
        for row in rows
        if event_type in row["event_types"].split()
    ]


def emit_test(
    transaction: sqlite3.Connection,
    event_type: str,
    endpoint: sqlite3.Row,
    *,
    profile: ServiceProfile,
    now: float,
) -> str:
    """Store a test event without a job for one endpoint; it is sent once.

    Returns:
        The id of the delivery.
    """
    account_id = endpoint["account_id"]
    event_id = _event(transaction, event_type, _sample(event_type, now), account_id, profile, now)
    return _delivery(transaction, endpoint["id"], event_id, 1, now)


def events(database: Database, account_id: str) -> list[dict[str, Any]]:
    """The account's latest events, newest first."""
    rows = database.rows(
        "SELECT body FROM webhook_events WHERE account_id = ? ORDER BY position DESC LIMIT ?",
        account_id,
        MOST_LISTED,
    )
    return [{"object": "webhook_event", **json.loads(row["body"])} for row in rows]


def deliveries(database: Database, endpoint_id: str) -> list[dict[str, Any]]:
    """The latest deliveries of an endpoint, newest first."""
    rows = database.rows(
        f"{_WITH_TYPE} WHERE endpoint_id = ? ORDER BY webhook_deliveries.position DESC LIMIT ?",
        endpoint_id,
        MOST_LISTED,
    )
    return [_public(row) for row in rows]


def delivery(database: Database, delivery_id: str) -> dict[str, Any] | None:
    """A delivery as in answers, or None."""
    row = database.row(f"{_WITH_TYPE} WHERE webhook_deliveries.id = ?", delivery_id)
    return None if row is None else _public(row)


def list_unfinished(database: Database) -> list[str]:
    """Ids of the deliveries that have not ended, oldest first."""
    rows = database.rows(
        "SELECT id FROM webhook_deliveries WHERE status = 'pending' ORDER BY position"
    )
    return [row["id"] for row in rows]


def pending(database: Database, delivery_id: str) -> Delivery | None:
    """A pending delivery with the current endpoint; None once it has ended."""
    row = database.row(
        """SELECT webhook_deliveries.id, endpoint_id, event_id, type AS event_type, attempt,
            most_attempts, next_attempt_at, webhook_events.model, body, url, secret_draw
            FROM webhook_deliveries JOIN webhook_events ON webhook_events.id = event_id
            JOIN webhook_endpoints ON webhook_endpoints.id = endpoint_id
            WHERE webhook_deliveries.id = ? AND webhook_deliveries.status = 'pending'""",
        delivery_id,
    )
    return None if row is None else Delivery(**dict(row))


def note(
    transaction: sqlite3.Connection,
    delivery: Delivery,
    outcome: AttemptOutcome,
    *,
    time_scale: float,
    now: float,
    gives_up: bool = False,
) -> None:
    """Store the outcome of an attempt and the time of the next; does nothing if the delivery has ended."""
    attempt = delivery.attempt + 1
    arrived = outcome.error is None
    last = arrived or gives_up or attempt >= delivery.most_attempts
    wait = 0.0 if last else _GAPS[attempt - 1] * _jitter(delivery.id, attempt) * time_scale
    changed = transaction.execute(
        """UPDATE webhook_deliveries SET status = ?, attempt = ?, response_status = ?, error = ?,
            next_attempt_at = ?, delivered_at = ? WHERE id = ? AND status = 'pending'""",
        (
            "succeeded" if arrived else "failed" if last else "pending",
            attempt,
            outcome.status,
            outcome.error,
            None if last else now + wait,
            now if arrived else None,
            delivery.id,
        ),
    ).rowcount
    if changed and arrived:
        endpoints.note_success(transaction, delivery.endpoint_id, now=now)
    elif changed:
        endpoints.note_failure(transaction, delivery.endpoint_id, final=last, now=now)


_WITH_TYPE = (
    "SELECT webhook_deliveries.*, type FROM webhook_deliveries "
    "JOIN webhook_events ON webhook_events.id = event_id"
)


def _event(
    transaction: sqlite3.Connection,
    event_type: str,
    generation: Mapping[str, Any],
    account_id: str,
    profile: ServiceProfile,
    now: float,
) -> str:
    event_id = new_id("evt")
    payload = {
        "id": event_id,
        "type": event_type,
        "api_version": API_VERSION,
        "created_at": iso(now),
        profile.event_field: generation,
        **profile.extra_fields,
    }
    transaction.execute(
        "INSERT INTO webhook_events (id, account_id, type, model, body, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            event_id,
            account_id,
            event_type,
            generation["model"],
            json.dumps(payload, ensure_ascii=False, separators=(",", ":")),
            now,
        ),
    )
    return event_id


def _delivery(
    transaction: sqlite3.Connection, endpoint_id: str, event_id: str, most_attempts: int, now: float
) -> str:
    delivery_id = new_id("whdel")
    transaction.execute(
        """INSERT INTO webhook_deliveries (id, endpoint_id, event_id, status, most_attempts,
            next_attempt_at, created_at) VALUES (?, ?, ?, 'pending', ?, ?, ?)""",
        (delivery_id, endpoint_id, event_id, most_attempts, now, now),
    )
    return delivery_id


def _sample(event_type: str, now: float) -> dict[str, Any]:
    failed = event_type == "generation.failed"
    url = "https://example.com/sandbox-test.png"
    return {
        "id": new_id("task_test"),
        "status": "failed" if failed else "succeeded",
        "model": "z-image",
        "reserved_credits": 0,
        "final_credits": 0,
        "created_at": iso(now),
        "updated_at": iso(now),
        "result": None if failed else {"primary_url": url, "urls": [url]},
        "error": {"code": "generation_failed", "message": "A test event."} if failed else None,
    }


def _public(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "object": "webhook_delivery",
        "endpoint_id": row["endpoint_id"],
        "event_id": row["event_id"],
        "event_type": row["type"],
        "status": row["status"],
        "attempt": row["attempt"],
        "response_status": row["response_status"],
        "error": row["error"],
        "created_at": iso(row["created_at"]),
        "next_attempt_at": iso_or_none(row["next_attempt_at"]),
        "delivered_at": iso_or_none(row["delivered_at"]),
    }


def _jitter(delivery_id: str, attempt: int) -> float:
    """A factor near 1, the same for the same attempt."""
    lot = hashlib.sha256(f"{delivery_id}/{attempt}".encode()).digest()[0] / 255
    return 1 + _JITTER * (2 * lot - 1)
