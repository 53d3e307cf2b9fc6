"""Stored generation jobs: created with their charge, ended with their settlement.

Source: contract, section 4.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rivya_sandbox.renderers.frame import wants_sound
from rivya_sandbox.renderers.request import HOWS, How
from rivya_sandbox.service import faults, idempotency, wallet
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.identifiers import iso, new_id
from rivya_sandbox.service.options import ServiceProfile
from rivya_sandbox.service.prices import price
from rivya_sandbox.service.validation import ValidGenerationRequest
from rivya_sandbox.webhooks import events

FOLDER = "results"
FAILED = "generation_failed"
REFUSED = "content_refused"
_FAILURES = {"fail": FAILED, "refuse": REFUSED}
_QUEUED_SECONDS = 1.0
_SECONDS = {"image": 6.0, "video": 40.0, "audio": 5.0}


@dataclass(frozen=True)
class Job:
    """A generation that has not ended.

    Attributes:
        params: As checked.
        file_ids: Uploads it refers to, in order.
        failure: The error code with which a fault makes it fail, or None.
        broken: How a fault breaks its media, or None.
        starts_at: Unix seconds at which processing starts.
        due_at: Unix seconds before which it does not end; None until the faults are replaced.
        reserved_credits: Credits reserved for it.
    """

    id: str
    account_id: str
    model: str
    category: str
    prompt: str
    params: Mapping[str, Any]
    file_ids: tuple[str, ...]
    failure: str | None
    broken: How | None
    starts_at: float
    due_at: float | None
    reserved_credits: int

    @property
    def seed(self) -> int:
        """The seed of the rendering: the requested one, or one from the id."""
        for key in ("seed", "seeds"):
            asked = self.params.get(key)
            if asked not in (None, ""):
                try:
                    return int(asked)
                except (ValueError, OverflowError):
                    return int.from_bytes(_digest(str(asked))[:4])
        return int.from_bytes(_digest(self.id)[:4])


@dataclass(frozen=True)
class ResultFile:
    """One finished file of a generation.

    Attributes:
        stored_as: Unguessable name below `FOLDER` and in its URL.
    """

    stored_as: str
    mime_type: str


def create(
    transaction: sqlite3.Connection,
    asked: ValidGenerationRequest,
    *,
    account_id: str,
    file_ids: Sequence[str],
    claim: idempotency.Claim | None,
    profile: ServiceProfile,
    time_scale: float,
    now: float,
) -> tuple[str, idempotency.Stored]:
    """Create a job: reserve its credits and keep the answer for its key, in one transaction.

    Returns:
        Its id and the answer.

    Raises:
        Refusal: Too few credits; nothing is stored.
    """
    task_id = new_id("task")
    credits = price(asked.model, asked.params, asked.prompt) + profile.surcharge
    wallet.reserve(transaction, account_id, credits, task_id, now=now)
    fault = faults.of_generation(transaction, asked.model.id, asked.prompt, _hows(asked))
    starts_at = now + _QUEUED_SECONDS * time_scale
    due_at: float | None = starts_at + _SECONDS[asked.model.category] * time_scale
    if fault is not None and fault.do in ("delay", "stall"):
        due_at = None if fault.seconds is None else starts_at + fault.seconds
    transaction.execute(
        """INSERT INTO generations (id, account_id, model, category, status, prompt, params,
            file_ids, reserved_credits, idempotency_key, client_request_id, failure, broken,
            created_at, updated_at, starts_at, due_at)
            VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            task_id,
            account_id,
            asked.model.id,
            asked.model.category,
            asked.prompt,
            json.dumps(asked.params),
            json.dumps(list(file_ids)),
            credits,
            None if claim is None else claim.key,
            asked.client_request_id,
            None if fault is None else _FAILURES.get(fault.do),
            None if fault is None else fault.how,
            now,
            now,
            starts_at,
            due_at,
        ),
    )
    row = transaction.execute("SELECT * FROM generations WHERE id = ?", (task_id,)).fetchone()
    answer = {**_public(row, []), **profile.extra_fields}
    status = profile.create_status
    return task_id, idempotency.remember(transaction, claim, status, answer, now=now)


def get(
    database: Database, account_id: str, task_id: str, url: Callable[[str], str]
) -> dict[str, Any] | None:
    """The public form of a job of that account, or None.

    Args:
        database: The state.
        account_id: Its owner.
        task_id: Any text.
        url: Returns the URL of a result by its stored name.
    """
    row = database.row(
        "SELECT * FROM generations WHERE id = ? AND account_id = ?", task_id, account_id
    )
    if row is None:
        return None
    results = database.rows(
        "SELECT stored_as FROM results WHERE task_id = ? ORDER BY position", task_id
    )
    return _public(row, [url(result["stored_as"]) for result in results])


def list_unfinished(database: Database) -> list[str]:
    """Ids of the jobs that have not ended, oldest first."""
    rows = database.rows(
        "SELECT id FROM generations WHERE status IN ('queued', 'processing') ORDER BY created_at, rowid"
    )
    return [row["id"] for row in rows]


def job(database: Database, task_id: str) -> Job:
    """A job for the worker."""
    row = database.row("SELECT * FROM generations WHERE id = ?", task_id)
    if row is None:
        raise KeyError(task_id)
    return Job(
        id=row["id"],
        account_id=row["account_id"],
        model=row["model"],
        category=row["category"],
        prompt=row["prompt"],
        params=json.loads(row["params"]),
        file_ids=tuple(json.loads(row["file_ids"])),
        failure=row["failure"],
        broken=row["broken"],
        starts_at=row["starts_at"],
        due_at=row["due_at"],
        reserved_credits=row["reserved_credits"],
    )


def start(database: Database, task_id: str, *, now: float) -> None:
    """Set a queued job to processing."""
    with database.transaction() as transaction:
        transaction.execute(
            "UPDATE generations SET status = 'processing', updated_at = ? "
            "WHERE id = ? AND status = 'queued'",
            (now, task_id),
        )


def succeed(
    database: Database,
    job: Job,
    media: Sequence[ResultFile],
    profile: ServiceProfile,
    url: Callable[[str], str],
    *,
    now: float,
) -> list[str]:
    """End a job with its results and settle it; does nothing if it has ended.

    Returns:
        The ids of its webhook deliveries.
    """
    final = _final_credits(job, profile)
    with database.transaction() as transaction:
        if not _end(transaction, job.id, "succeeded", final, None, now):
            return []
        for position, one in enumerate(media):
            transaction.execute(
                "INSERT INTO results VALUES (?, ?, ?, ?)",
                (one.stored_as, job.id, position, one.mime_type),
            )
        unused = job.reserved_credits - final
        wallet.settle(transaction, job.account_id, unused, job.id, now=now)
        urls = [url(one.stored_as) for one in media]
        return _tell(transaction, "generation.succeeded", job, urls, profile, now)


def fail(
    database: Database, job: Job, message: str, profile: ServiceProfile, *, now: float
) -> list[str]:
    """End a job without a result and refund it; returns as `succeed`."""
    error = json.dumps({"code": job.failure or FAILED, "message": message})
    with database.transaction() as transaction:
        if not _end(transaction, job.id, "failed", 0, error, now):
            return []
        wallet.refund(transaction, job.account_id, job.reserved_credits, job.id, now=now)
        return _tell(transaction, "generation.failed", job, [], profile, now)


def _hows(asked: ValidGenerationRequest) -> tuple[How, ...]:
    """How its media can be broken."""
    hows = HOWS[asked.model.category]
    if asked.model.category == "video" and not wants_sound(asked.params):
        return tuple(how for how in hows if how not in HOWS["audio"] or how == "short")
    return hows


def _tell(
    transaction: sqlite3.Connection,
    event_type: str,
    job: Job,
    urls: Sequence[str],
    profile: ServiceProfile,
    now: float,
) -> list[str]:
    row = transaction.execute("SELECT * FROM generations WHERE id = ?", (job.id,)).fetchone()
    return events.emit(
        transaction,
        event_type,
        _public(row, urls),
        account_id=job.account_id,
        profile=profile,
        now=now,
    )


def _end(
    transaction: sqlite3.Connection,
    task_id: str,
    status: str,
    final_credits: int,
    error: str | None,
    now: float,
) -> bool:
    changed = transaction.execute(
        "UPDATE generations SET status = ?, final_credits = ?, error = ?, updated_at = ? "
        "WHERE id = ? AND status IN ('queued', 'processing')",
        (status, final_credits, error, now, task_id),
    )
    return changed.rowcount == 1


def _final_credits(job: Job, profile: ServiceProfile) -> int:
    if not profile.surcharge:
        return job.reserved_credits
    # Neither the quoted price nor the reserve, but always the same for the same job.
    return max(0, job.reserved_credits - _digest(job.id)[0] % 3)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _public(row: sqlite3.Row, urls: Sequence[str]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "status": row["status"],
        "model": row["model"],
        "reserved_credits": row["reserved_credits"],
        "final_credits": row["final_credits"],
        "created_at": iso(row["created_at"]),
        "updated_at": iso(row["updated_at"]),
        "result": {"primary_url": urls[0], "urls": list(urls)} if urls else None,
        "error": None if row["error"] is None else json.loads(row["error"]),
    }
