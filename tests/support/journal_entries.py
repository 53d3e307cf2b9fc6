"""Journal entries and a run to write them to."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from rivya_flows.queue.events import BalanceRead, Event, PurchaseIntended, RunFrozen
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def frozen(run_id: str = "run-1", minute: int = 0) -> RunFrozen:
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
    )


def intent(n: int = 1, key: str = "neon") -> PurchaseIntended:
    return PurchaseIntended(
        step="stills",
        key=key,
        n=n,
        route="generation",
        idempotency_key=f"key-{n}",
        body="{}",
        reserve=1,
        at=NOON,
    )


def balance(credits: int) -> BalanceRead:
    return BalanceRead(step=None, phase="before", credits=credits)


def begun(journal: Journal, run_id: str = "run-1") -> int:
    """Creates a run and gives the fence of its driver."""
    journal.create(frozen(run_id), Path("/runs") / run_id)
    return Leases(journal.engine).acquire(run_id).fence


def told(journal: Journal, run_id: str = "run-1") -> list[Event]:
    return [entry.event for entry in journal.entries(run_id)]
