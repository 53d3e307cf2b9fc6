"""What purchases cost, from the events of their runs, on SQLite and PostgreSQL."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from rivya_flows.queue.events import Event, PurchaseUncertain
from rivya_flows.store.charges import Charge, charges
from rivya_flows.store.journal import Journal
from support.journal_entries import accepted, answered, balance, begun, ended, intent, of, refused

COURSES: dict[str, tuple[list[Event], tuple[int, bool]]] = {
    "intended": ([intent(1, 5)], (5, False)),
    "accepted": ([intent(1, 5), accepted(1, 6)], (6, False)),
    "ended": ([intent(1, 5), accepted(1, 6), ended(1, 4)], (4, True)),
    "refused": ([intent(1, 5), refused(1)], (0, True)),
    "answered": ([intent(1, 9), answered(1, 2)], (2, True)),
    "uncertain": ([intent(1, 5), PurchaseUncertain(**of(1), reason="?")], (5, False)),
}


@pytest.mark.parametrize("at_once", [True, False], ids=["in one group", "one by one"])
def test_a_purchase_counts_with_what_was_last_said_of_it(journal: Journal, at_once: bool) -> None:
    for course, (events, _) in COURSES.items():
        fence = begun(journal, course)
        for group in [events] if at_once else [[event] for event in events]:
            journal.submit(course, tuple(group), fence).result(60)
    fence = begun(journal, "without")
    for event in (accepted(1, 5), balance(5)):  # no charge, and no error
        journal.append("without", event, fence)
    found = charges(journal.engine, since=None, until=None)
    expected = {course: counted for course, (_, counted) in COURSES.items()}
    assert {one.run_id: (one.credits, one.settled) for one in found} == expected


def test_a_charge_names_its_run_labels_step_and_model(journal: Journal) -> None:
    fence = begun(journal, labels={"client": "acme"})
    for n, model in enumerate(("z-image", "a\0b", None), 1):  # a stranger's text; of a function
        journal.append("run-1", intent(n, 5, model=model), fence)
    first, second, third = charges(journal.engine, since=None, until=None)
    assert first == Charge(
        run_id="run-1",
        run_name="small",
        labels={"client": "acme"},
        service="sandbox:test",
        step="stills",
        model="z-image",
        at=100.0,
        credits=5,
        settled=False,
        lost=False,
    )
    assert str(second.model).startswith("sha256 "), "no database takes it"
    assert third.model is None


def test_charges_are_read_from_a_moment_until_before_another(tmp_path: Path) -> None:
    now = iter(range(100))
    url = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    with closing(Journal(url, clock=lambda: float(next(now)))) as journal:
        fence = begun(journal)
        for n in (1, 2, 3, 4):
            journal.append("run-1", intent(n, n), fence)
        found = charges(journal.engine, since=2.0, until=4.0)
        assert [(one.at, one.credits) for one in found] == [(2.0, 2), (3.0, 3)]
