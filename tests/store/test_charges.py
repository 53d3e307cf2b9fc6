"""What purchases cost, from the events of their runs, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.queue.events import (
    ChatAnswered,
    Event,
    JobEnded,
    PurchaseAccepted,
    PurchaseIntended,
    PurchaseRefused,
    PurchaseUncertain,
)
from rivya_flows.store.charges import Charge, charges
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from support.databases import BACKENDS, fresh_store
from support.journal_entries import balance, begun, frozen, intent


@pytest.fixture(params=BACKENDS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    url = fresh_store(request.param, tmp_path)
    with closing(Journal(url, clock=lambda: 100.0)) as opened:
        yield opened


def of(n: int) -> dict[str, Any]:
    return {"step": "stills", "key": "neon", "n": n}


def accepted(n: int, credits: int) -> PurchaseAccepted:
    return PurchaseAccepted(**of(n), task_id=f"task_{n}", reserved_credits=credits)


def ended(n: int, credits: int, model: str | None = None) -> JobEnded:
    return JobEnded(**of(n), status="succeeded", final_credits=credits, model=model)


def refused(n: int) -> PurchaseRefused:
    return PurchaseRefused(**of(n), code="bad_prompt", message="no", status=422)


def answered(n: int, credits: int) -> ChatAnswered:
    said = {"completion_id": "c", "session_id": "s", "content": ""}
    return ChatAnswered(**of(n), **said, reserved_credits=9, final_credits=credits)


def reserved(n: int, credits: int, **changes: Any) -> PurchaseIntended:
    return intent(n).model_copy(update={"reserve": credits, **changes})


def counts(journal: Journal) -> list[tuple[int, bool]]:
    return [(one.credits, one.settled) for one in charges(journal.engine, since=None, until=None)]


COURSES: dict[str, tuple[list[Event], tuple[int, bool]]] = {
    "intended": ([reserved(1, 5)], (5, False)),
    "accepted": ([reserved(1, 5), accepted(1, 6)], (6, False)),
    "ended": ([reserved(1, 5), accepted(1, 6), ended(1, 4)], (4, True)),
    "refused": ([reserved(1, 5), refused(1)], (0, True)),
    "answered": ([reserved(1, 9), answered(1, 2)], (2, True)),
    "uncertain": ([reserved(1, 5), PurchaseUncertain(**of(1), reason="?")], (5, False)),
}


@pytest.mark.parametrize("at_once", [True, False], ids=["in one group", "one by one"])
@pytest.mark.parametrize("course", COURSES)
def test_a_purchase_counts_with_what_was_last_said_of_it(
    journal: Journal, course: str, at_once: bool
) -> None:
    events, expected = COURSES[course]
    fence = begun(journal)
    for group in [events] if at_once else [[event] for event in events]:
        journal.submit("run-1", tuple(group), fence).result(60)
    assert counts(journal) == [expected]


def test_a_charge_names_its_run_labels_step_and_model(journal: Journal) -> None:
    labelled = frozen().model_copy(update={"labels": {"client": "acme"}})
    journal.create(labelled, Path("/runs"))
    fence = Leases(journal.engine).acquire("run-1").fence
    journal.append("run-1", reserved(1, 5, model="z-image"), fence)
    assert list(charges(journal.engine, since=None, until=None)) == [
        Charge(
            run_id="run-1",
            run_name="small",
            labels={"client": "acme"},
            service="sandbox:test",
            step="stills",
            model="z-image",
            at=100.0,
            credits=5,
            settled=False,
        )
    ]


def test_a_model_that_no_database_takes_is_charged_by_its_hash(journal: Journal) -> None:
    fence = begun(journal)
    for n, model in enumerate(("z-image", "a\0b", None), 1):  # a stranger's text; of a function
        journal.append("run-1", reserved(n, 1).model_copy(update={"model": model}), fence)
    first, second, third = (one.model for one in charges(journal.engine, since=None, until=None))
    assert (first, third) == ("z-image", None)
    assert str(second).startswith("sha256 ")


def test_an_outcome_without_a_charge_is_no_error(journal: Journal) -> None:
    fence = begun(journal)
    journal.append("run-1", accepted(1, 5), fence)
    journal.append("run-1", balance(5), fence)
    assert counts(journal) == []


def test_charges_are_read_from_a_moment_until_before_another(tmp_path: Path) -> None:
    now = iter(range(100))
    url = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    with closing(Journal(url, clock=lambda: float(next(now)))) as journal:
        fence = begun(journal)
        for n in (1, 2, 3, 4):
            journal.append("run-1", reserved(n, n), fence)
        found = charges(journal.engine, since=2.0, until=4.0)
        assert [(one.at, one.credits) for one in found] == [(2.0, 2), (3.0, 3)]
