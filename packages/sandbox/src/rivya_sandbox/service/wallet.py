"""Credits: a balance and the signed movements that sum to it, changed in one transaction.

Source: contract, section 7. Every function runs in the caller's transaction.
"""

from __future__ import annotations

import sqlite3

from rivya_sandbox.service.database import Database
from rivya_sandbox.service.errors import Refusal


def balance(database: Database, account_id: str) -> int:
    """Credits available now, without reserved ones."""
    row = database.row("SELECT balance FROM accounts WHERE id = ?", account_id)
    return 0 if row is None else int(row["balance"])


def grant(transaction: sqlite3.Connection, account_id: str, credits: int, *, now: float) -> None:
    """Add credits, at least 1."""
    _move(transaction, account_id, "grant", credits, None, now)


def reserve(
    transaction: sqlite3.Connection, account_id: str, credits: int, task_id: str, *, now: float
) -> None:
    """Reserve credits for a job.

    Raises:
        Refusal: The balance is too small (``insufficient_credits``).
    """
    row = transaction.execute("SELECT balance FROM accounts WHERE id = ?", (account_id,)).fetchone()
    if row["balance"] < credits:
        raise Refusal(
            "insufficient_credits",
            f"The request costs {credits} credits; the account has {row['balance']}.",
        )
    _move(transaction, account_id, "reserve", -credits, task_id, now)


def settle(
    transaction: sqlite3.Connection, account_id: str, unused: int, task_id: str, *, now: float
) -> None:
    """Settle a job; returns `unused` credits of the reserve."""
    _move(transaction, account_id, "settle", unused, task_id, now)


def refund(
    transaction: sqlite3.Connection, account_id: str, reserved: int, task_id: str, *, now: float
) -> None:
    """Settle a job that cost nothing; returns the whole reserve."""
    _move(transaction, account_id, "refund", reserved, task_id, now)


def _move(
    transaction: sqlite3.Connection,
    account_id: str,
    kind: str,
    amount: int,
    task_id: str | None,
    now: float,
) -> None:
    transaction.execute(
        "INSERT INTO movements (account_id, at, kind, amount, task_id) VALUES (?, ?, ?, ?, ?)",
        (account_id, now, kind, amount, task_id),
    )
    transaction.execute(
        "UPDATE accounts SET balance = balance + ? WHERE id = ?", (amount, account_id)
    )
