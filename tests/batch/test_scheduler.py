"""Which rows of a batch start, with how much: the budget holds whatever the rows do."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, strategies as st

from rivya_flows.batch.pricing import BUDGET, NO_CAP, Batch, RowResult
from rivya_flows.batch.rows import Row
from rivya_flows.queue.events import PoolTotal


def row(number: int, least: int = 10, most: int | None = 10, **changed: Any) -> Row:
    return Row(f"run-{number}", f"row {number}", least=least, most=most, **changed)


def batch(*rows: Row, budget: int | None = None, parallel: int = 1) -> Batch:
    return Batch(rows, budget, parallel)


def pooled(*rows: Row, parallel: int = 1, **left: int) -> Batch:
    pools = [PoolTotal(name=name, credits=credits, spent=0) for name, credits in left.items()]
    return Batch(rows, None, parallel, pools=pools)


def caps(batch: Batch) -> dict[int, int | None]:
    """The caps of the rows that start now, by number."""
    return {int(start.name.split()[1]): start.cap for start in batch.start_rows()}


def done(spent: int, *codes: str, status: Any = "completed") -> RowResult:
    return RowResult(status, spent, frozenset(codes))


def short(spent: int) -> RowResult:
    return done(spent, "over_budget", status="failed")


ACME = frozenset({"acme"})
OPEN: dict[str, Any] = {"most": None, "least": 5}
Step = dict[int, int | None] | tuple[int, int | RowResult]
"""The caps of the rows that start now, by number; or a row that ends, with what it spent."""

STORIES: dict[str, tuple[Batch, list[Step], str]] = {
    "as many rows start as may run at once, in order": (
        batch(row(1), row(2), row(3), parallel=2),
        [{1: None, 2: None}, {}, (1, 10), {3: None}, (2, 1), (3, 1)], "completed"),
    "one after the other, each gets all that is left": (
        batch(row(1), row(2), budget=100), [{1: 100}, (1, 10), {2: 90}, (2, 1)], "completed"),
    "rows at once share the budget": (
        batch(*map(row, range(4)), budget=100, parallel=2), [{0: 50, 1: 50}], "running"),
    "as far as it covers the least of each": (
        batch(*map(row, range(4)), budget=35, parallel=4), [{0: 10, 1: 10, 2: 10}], "running"),
    "near the cap a row waits for what others may give back": (
        batch(row(1, 5, 20), row(2, 5, 20), budget=30, parallel=2), [{1: 20}, (1, 6), {2: 24}], "running"),
    "the last row starts with less than it may need": (batch(row(1, 5, 20), budget=8), [{1: 8}], "running"),
    "but not with less than it must": (
        batch(row(1, 9, 20), budget=8), [{}], "needs at least 9 credits; 8 of 8 budget credits left"),
    "a row that does not fit lets cheaper ones by": (
        batch(row(1, 8, 8), row(2, 50, 50), row(3, 2, 2), budget=12, parallel=2), [{1: 8, 3: 4}], "running"),
    "of rows with an open price one runs first and tells it": (
        batch(*(row(n, **OPEN) for n in range(5)), budget=100, parallel=3), [{0: 100}, (0, 30), {1: 30, 2: 30}], "running"),
    "a row that had too little gets all that is left once": (
        batch(row(0, **OPEN), row(1, **OPEN), budget=100, parallel=2),
        [{0: 100}, (0, 20), {1: 80}, (1, short(80)), {}], "over_budget"),
    "a row that had too little tries again when others gave back": (
        batch(row(1, 5, 10), row(2, 5, 10), budget=20, parallel=2),
        [{1: 10, 2: 10}, (1, short(10)), {}, (2, 5), {1: 15}, (1, 14), {}], "completed"),
    "a row whose lack of budget was allowed keeps its end": (
        batch(row(1), budget=10), [{1: 10}, (1, done(9, "over_budget")), {}], "completed"),
    "a resumed row keeps what it has spent and needs only the rest": (
        batch(row(1, 0, 0, status="completed", spent=40), row(2, spent=25), budget=80), [{2: 40}], "running"),
    "the spec's own budget holds for each row": (
        batch(row(1, spec_cap=15), row(2, 20, 20, spec_cap=15), budget=100, parallel=2), [{1: 15}, (1, 1)],
        "needs at least 20 credits; the spec's budget is 15"),
    "without a budget the cap of an earlier batch is lifted": (
        batch(row(1, recap=True), row(2, recap=True, spec_cap=50), row(3), parallel=3), [{1: NO_CAP, 2: 50, 3: None}], "running"),
    "without a budget a row that lacked credits is not begun again": (
        batch(row(1, recap=True, spec_cap=50)), [{1: 50}, (1, short(50)), {}], "over_budget"),
    "rows that cost nothing run also when nothing is left": (
        batch(row(1, 0, 0, status="completed", spent=30), row(2, 0, 0), row(3, 0, 0), budget=30, parallel=2),
        [{2: 0, 3: 0}], "running"),
    "a row that fails leaves the others alone": (
        batch(row(1), row(2)), [{1: None}, (1, done(3, "job_failed", status="failed")), {2: None}, (2, 10)], "failed"),
    "a row that a pool does not cover is refused and others run": (
        pooled(row(1, pools=ACME), row(2, 20, 20, pools=ACME), row(3, pools=frozenset()), row(4, pools=ACME), acme=25, parallel=4),
        [{1: None, 3: None, 4: None}, {}, (1, 4), (4, 10), (3, 10), {}],
        "needs at least 20 credits; the pool acme has 11 left"),
    "a pool holds for an open price what an earlier row has cost": (
        pooled(*(row(n, **OPEN, pools=ACME) for n in range(3)), acme=50, parallel=2),
        [{0: None, 1: None}, (0, 30), {}, (1, 10), {2: None}], "running"),
}  # fmt: skip
"""Rows, what happens, and how it ends: the outcome, or the reason why a row is over a budget."""


@pytest.mark.parametrize("story", STORIES)
def test_each_row_starts_with_what_the_budget_and_the_others_leave_it(story: str) -> None:
    now, steps, end = STORIES[story]
    for step in steps:
        if isinstance(step, dict):
            assert caps(now) == step
        else:
            number, result = step
            now.settle(f"run-{number}", done(result) if isinstance(result, int) else result)
    if end == "running":
        assert now.running
        return
    assert not now.running
    reasons = [one.reason for one in now.rows if one.status == "over_budget"]
    assert (now.outcome, reasons) == (("over_budget", [end]) if " " in end else (end, []))


def test_what_is_left_is_counted_with_what_runs_may_spend_and_of_a_pool_from_now_on() -> None:
    now = batch(row(1, 0, 0, status="completed", spent=40), row(2, spent=25), budget=80)
    now.start_rows()
    assert now.credits_left(BUDGET) == 0
    now = pooled(row(1, 4, 4, spent=30, before=30, pools=ACME), acme=5)
    assert caps(now) == {1: None}
    assert now.credits_left("acme") == 1
    now.settle("run-1", done(33))
    assert now.credits_left("acme") == 2


@pytest.mark.parametrize("code", ["insufficient_credits", "api_key_revoked"])
def test_no_further_row_starts_when_none_could_buy(code: str) -> None:
    now = batch(row(1), row(2), row(3), parallel=2)
    now.start_rows()
    now.settle("run-1", done(0, code, status="failed"))
    now.settle("run-2", done(10))
    assert caps(now) == {}
    assert [one.status for one in now.rows] == ["failed", "completed", "waiting"]
    assert str(now.stopped).startswith(f"row 1 failed with {code}")


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        (["completed", "completed"], "completed"),
        (["completed", "suspended"], "suspended"),
        (["suspended", "cancelled"], "failed"),
        (["completed", "waiting"], "failed"),
    ],
)
def test_a_batch_ends_as_the_worst_of_its_rows(statuses: list[str], told: str) -> None:
    rows = [row(n, status=status) for n, status in enumerate(statuses)]
    assert batch(*rows).outcome == told


PLANS = st.lists(
    st.tuples(
        st.integers(0, 30),  # least
        st.none() | st.integers(0, 30),  # most beyond it
        st.integers(0, 40),  # what it would really cost beyond the least
        st.integers(0, 20),  # spent before
        st.none() | st.integers(0, 60),  # the spec's own cap
    ),
    max_size=12,
)


@given(
    plans=PLANS, budget=st.integers(0, 200), parallel=st.integers(1, 5), seed=st.integers(0, 10**6)
)
def test_no_order_and_no_price_passes_the_budget_and_every_row_ends(
    plans: list[tuple[int, int | None, int, int, int | None]], budget: int, parallel: int, seed: int
) -> None:
    luck = random.Random(seed)
    rows, costs = [], {}
    for n, (least, beyond, real, spent, own) in enumerate(plans):
        most = None if beyond is None else least + beyond
        rows.append(row(n, least, most, spent=spent, before=spent, spec_cap=own))
        costs[f"run-{n}"] = spent + least + real
    now = batch(*rows, budget=budget, parallel=parallel)
    limit = max(budget, now.spent)
    running: dict[str, int] = {}
    executions = 0
    while True:
        for start in now.start_rows():
            assert start.cap is not None
            running[start.run_id] = start.cap
            executions += 1
        assert running.keys() == now.running.keys()
        assert len(running) <= parallel
        before = {one.run_id: one.spent for one in now.rows}
        worst = sum(max(running.get(name, 0), spent) for name, spent in before.items())
        assert worst <= limit
        if not running:
            break
        run_id = luck.choice(sorted(running))
        cap = running.pop(run_id)
        spent = max(before[run_id], min(cap, costs[run_id]))
        short = spent < costs[run_id]
        result = done(spent, "over_budget", status="failed") if short else done(spent)
        now.settle(run_id, result)
    assert now.spent <= limit
    assert {one.status for one in now.rows} <= {"completed", "failed", "over_budget"}
    assert executions <= 20 * len(rows)
    # Whoever was left out could not have been paid for with what is left.
    for one in now.rows:
        if one.status == "over_budget":
            assert (
                one.least > now.credits_left(BUDGET) or (one.spec_cap or 0) < one.before + one.least
            )
