"""Journal entries and a run to write them to."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rivya_flows.queue.events import (
    BalanceRead,
    ChatAnswered,
    Event,
    JobEnded,
    PurchaseAccepted,
    PurchaseIntended,
    PurchaseRefused,
    RunFrozen,
)
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def frozen(run_id: str = "run-1", minute: int = 0, **changes: Any) -> RunFrozen:
    return RunFrozen(
        run_id=run_id,
        spec_text="",
        spec_file="spec.yaml",
        inputs={},
        catalogue={},
        catalogue_date="2026-11-25",
        service="sandbox:test",
        started_at=NOON.replace(minute=minute),
        nonce="0",
        plan={"name": "small"},
    ).model_copy(update=changes)


def intent(n: int = 1, reserve: int = 1, *, key: str = "neon", **more: Any) -> PurchaseIntended:
    return PurchaseIntended(
        step="stills",
        key=key,
        n=n,
        route="generation",
        idempotency_key=f"key-{n}",
        body="{}",
        reserve=reserve,
        at=NOON,
        **more,
    )


def of(n: int) -> dict[str, Any]:
    """The purchase that `intent` begins."""
    return {"step": "stills", "key": "neon", "n": n}


def accepted(n: int, credits: int) -> PurchaseAccepted:
    return PurchaseAccepted(**of(n), task_id=f"task_{n}", reserved_credits=credits)


def ended(n: int, credits: int) -> JobEnded:
    return JobEnded(**of(n), status="succeeded", final_credits=credits)


def refused(n: int) -> PurchaseRefused:
    return PurchaseRefused(**of(n), code="bad_prompt", message="no", status=422)


def answered(n: int, credits: int) -> ChatAnswered:
    said = {"completion_id": "c", "session_id": "s", "content": ""}
    return ChatAnswered(**of(n), **said, reserved_credits=9, final_credits=credits)


def balance(credits: int) -> BalanceRead:
    return BalanceRead(step=None, phase="before", credits=credits)


def begun(journal: Journal, run_id: str = "run-1", **changes: Any) -> int:
    """Creates a run and gives the fence of its driver."""
    journal.create(frozen(run_id, **changes), Path("/runs") / run_id)
    return Leases(journal.engine).acquire(run_id).fence


def told(journal: Journal, run_id: str = "run-1") -> list[Event]:
    return [entry.event for entry in journal.entries(run_id)]
