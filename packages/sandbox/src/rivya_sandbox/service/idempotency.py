"""At most one paid request for each Idempotency-Key of an account and route.

`find` and `remember` run inside the transaction that charges, so there is never a key without its
charge or a charge without its key. Source: contract, section 2.4, its suggested convention.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rivya_sandbox.service.errors import Refusal, invalid

_LONGEST = 255  # characters


@dataclass(frozen=True)
class Claim:
    """A request that carries an Idempotency-Key.

    Attributes:
        fingerprint: Hash of its body, regardless of key order and spacing.
    """

    account_id: str
    route: str
    key: str
    fingerprint: str


@dataclass(frozen=True)
class Stored:
    """The first answer to a claim.

    Attributes:
        body: JSON text, replayed byte for byte.
        replayed: Whether this is a replay.
    """

    status: int
    body: str
    replayed: bool = False


def claim(account_id: str, route: str, key: str | None, body: Any) -> Claim | None:
    """The claim of a request, or None if it has no key.

    Raises:
        Refusal: The key is empty, too long, or not printable ASCII (``validation_failed``).
    """
    if key is None:
        return None
    if not re.fullmatch(rf"[!-~]{{1,{_LONGEST}}}", key):
        answer = f"Idempotency-Key must be 1 to {_LONGEST} printable ASCII characters, no blank."
        raise invalid(answer)
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return Claim(account_id, route, key, hashlib.sha256(canonical.encode()).hexdigest())


def find(
    transaction: sqlite3.Connection, claim: Claim | None, *, now: float, life_seconds: float
) -> Stored | None:
    """The first answer, or None if this is the first request.

    Args:
        transaction: The caller's.
        claim: None finds nothing.
        now: Unix seconds.
        life_seconds: Older answers are forgotten.

    Raises:
        Refusal: The key was used for another body, or its first request is still running
            (``idempotency_conflict``; the latter with ``Retry-After``).
    """
    if claim is None:
        return None
    _forget_old(transaction, now, life_seconds)
    row = transaction.execute(
        "SELECT * FROM idempotency WHERE account_id = ? AND route = ? AND key = ?",
        (claim.account_id, claim.route, claim.key),
    ).fetchone()
    if row is None:
        return None
    if row["fingerprint"] != claim.fingerprint:
        raise Refusal(
            "idempotency_conflict", "This Idempotency-Key was used for another request body."
        )
    if row["status"] is None:
        raise Refusal(
            "idempotency_conflict",
            "The first request with this Idempotency-Key is still running.",
            headers={"Retry-After": "1"},
        )
    return Stored(row["status"], row["body"], replayed=True)


def begin(transaction: sqlite3.Connection, claim: Claim | None, *, now: float) -> None:
    """Record that the first request is running, until `remember` or `forget`."""
    _note(transaction, claim, None, None, now)


def remember(
    transaction: sqlite3.Connection,
    claim: Claim | None,
    status: int,
    body: Mapping[str, Any],
    *,
    now: float,
) -> Stored:
    """Store the first answer if there is a claim, and return it as it is sent."""
    first = Stored(status, encode(body))
    _note(transaction, claim, first.status, first.body, now)
    return first


def remember_refusal(
    transaction: sqlite3.Connection,
    claim: Claim | None,
    status: int,
    body: Mapping[str, Any],
    *,
    now: float,
    life_seconds: float,
) -> None:
    """Store a refusal as the first answer, unless the key has one.

    The refused request may be another body with the key of a paid one.
    """
    _forget_old(transaction, now, life_seconds)
    _note(transaction, claim, status, encode(body), now, over="IGNORE")


def encode(body: Mapping[str, Any]) -> str:
    """Encode an answer as JSON."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def forget(transaction: sqlite3.Connection, account_id: str, route: str, key: str | None) -> None:
    """Free a key, since nothing was charged."""
    transaction.execute(
        "DELETE FROM idempotency WHERE account_id = ? AND route = ? AND key = ?",
        (account_id, route, key),
    )


def _forget_old(transaction: sqlite3.Connection, now: float, life_seconds: float) -> None:
    transaction.execute(
        "DELETE FROM idempotency WHERE status IS NOT NULL AND created_at <= ?",
        (now - life_seconds,),
    )


def _note(
    transaction: sqlite3.Connection,
    claim: Claim | None,
    status: int | None,
    body: str | None,
    now: float,
    *,
    over: Literal["REPLACE", "IGNORE"] = "REPLACE",
) -> None:
    if claim is not None:
        transaction.execute(
            f"INSERT OR {over} INTO idempotency VALUES (?, ?, ?, ?, ?, ?, ?)",
            (claim.account_id, claim.route, claim.key, claim.fingerprint, status, body, now),
        )
