"""Events and their deliveries: stored with the change they tell of, sent until they arrive.

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
_JITTER = 0.1  # share by which a gap may be longer or shorter


@dataclass(frozen=True)
class Delivery:
    """A delivery that has not ended.

    Attributes:
        attempt: How many attempts were made.
        most_attempts: After how many it is given up.
        next_attempt_at: Unix seconds.
        model: Of the generation that the event tells of.
        body: The event as JSON text; the same at every attempt.
        secret_draw: What the endpoint's present signing secret comes from.
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
    """What came of an attempt.

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
    """Store an event and its deliveries to all endpoints that want it.

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
    """Store an event of a job that never was, for one endpoint; it is tried once.

    Returns:
        The id of the delivery.
    """
    account_id = endpoint["account_id"]
    event_id = _event(transaction, event_type, _sample(event_type, now), account_id, profile, now)
    return _delivery(transaction, endpoint["id"], event_id, 1, now)


def events(database: Database, account_id: str) -> list[dict[str, Any]]:
    """The account's newest events, the newest first."""
    rows = database.rows(
        "SELECT body FROM webhook_events WHERE account_id = ? ORDER BY position DESC LIMIT ?",
        account_id,
        MOST_LISTED,
    )
    return [{"object": "webhook_event", **json.loads(row["body"])} for row in rows]


def deliveries(database: Database, endpoint_id: str) -> list[dict[str, Any]]:
    """The newest deliveries of an endpoint, the newest first."""
    rows = database.rows(
        f"{_WITH_TYPE} WHERE endpoint_id = ? ORDER BY webhook_deliveries.position DESC LIMIT ?",
        endpoint_id,
        MOST_LISTED,
    )
    return [_public(row) for row in rows]


def delivery(database: Database, delivery_id: str) -> dict[str, Any] | None:
    """One delivery as it is answered, or None."""
    row = database.row(f"{_WITH_TYPE} WHERE webhook_deliveries.id = ?", delivery_id)
    return None if row is None else _public(row)


def unfinished(database: Database) -> list[str]:
    """Ids of the deliveries that have not ended, oldest first."""
    rows = database.rows(
        "SELECT id FROM webhook_deliveries WHERE status = 'pending' ORDER BY position"
    )
    return [row["id"] for row in rows]


def pending(database: Database, delivery_id: str) -> Delivery | None:
    """A delivery for the courier, with its endpoint as it is now; None once it has ended."""
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
    """Store what came of an attempt, and when the next one is; does nothing to an ended one."""
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
    transaction: sqlite3.Connection,
    endpoint_id: str,
    event_id: str,
    most_attempts: int,
    now: float,
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
    """A factor near 1; always the same for the same attempt."""
    lot = hashlib.sha256(f"{delivery_id}/{attempt}".encode()).digest()[0] / 255
    return 1 + _JITTER * (2 * lot - 1)
