"""Which rows of a batch start, with how much: the budget holds whatever the rows do."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, strategies as st

from rivya_flows.batch.rows import Row
from rivya_flows.batch.scheduler import BUDGET, NO_CAP, Batch, RowResult
from rivya_flows.queue.events import PoolTotal


def row(number: int, least: int = 10, most: int | None = 10, **changed: Any) -> Row:
    return Row(f"run-{number}", f"row {number}", least=least, most=most, **changed)


def batch(*rows: Row, budget: int | None = None, parallel: int = 1) -> Batch:
    return Batch(rows, budget, parallel)


def caps(batch: Batch) -> dict[int, int | None]:
    """The caps of the rows that start now, by number."""
    return {int(start.name.split()[1]): start.cap for start in batch.start_rows()}


def done(spent: int, *codes: str, status: Any = "completed") -> RowResult:
    return RowResult(status, spent, frozenset(codes))


def test_as_many_rows_start_as_may_run_at_once_in_order() -> None:
    now = batch(row(1), row(2), row(3), parallel=2)
    assert caps(now) == {1: None, 2: None}
    assert caps(now) == {}
    now.settle("run-1", done(10))
    assert caps(now) == {3: None}


def pooled(*rows: Row, parallel: int = 1, **left: int) -> Batch:
    pools = [PoolTotal(name=name, credits=credits, spent=0) for name, credits in left.items()]
    return Batch(rows, None, parallel, pools=pools)


def test_a_row_that_a_pool_does_not_cover_is_refused_and_others_run() -> None:
    acme, rest = frozenset({"acme"}), frozenset[str]()
    rows = (row(1, pools=acme), row(2, 20, 20, pools=acme), row(3, pools=rest), row(4, pools=acme))
    now = pooled(*rows, acme=25, parallel=4)
    assert caps(now) == {1: None, 3: None, 4: None}
    assert now.rows[1].status == "waiting", "what runs may cost less"
    now.settle("run-1", done(4))
    now.settle("run-4", done(10))
    now.settle("run-3", done(10))
    assert caps(now) == {}
    assert now.rows[1].reason == "needs at least 20 credits; the pool acme has 11 left"
    assert now.outcome == "over_budget"


def test_a_pool_counts_only_what_is_spent_from_now_on() -> None:
    now = pooled(row(1, 4, 4, spent=30, before=30, pools=frozenset({"acme"})), acme=5)
    assert caps(now) == {1: None}
    assert now.left("acme") == 1
    now.settle("run-1", done(33))
    assert now.left("acme") == 2


def test_a_pool_holds_for_an_open_price_what_an_earlier_row_has_cost() -> None:
    acme = frozenset({"acme"})
    now = pooled(*(row(n, 5, None, pools=acme) for n in range(3)), acme=50, parallel=2)
    assert caps(now) == {0: None, 1: None}
    now.settle("run-0", done(30))
    assert caps(now) == {}, "15 are left, and one may cost 30"
    now.settle("run-1", done(10))
    assert caps(now) == {2: None}


def test_one_after_the_other_each_gets_all_that_is_left() -> None:
    now = batch(row(1), row(2), budget=100)
    assert caps(now) == {1: 100}
    now.settle("run-1", done(10))
    assert caps(now) == {2: 90}


def test_rows_at_once_share_the_budget() -> None:
    assert caps(batch(*map(row, range(4)), budget=100, parallel=2)) == {0: 50, 1: 50}
    assert caps(batch(*map(row, range(4)), budget=35, parallel=4)) == {0: 10, 1: 10, 2: 10}


def test_near_the_cap_a_row_waits_for_what_others_may_give_back() -> None:
    now = batch(row(1, least=5, most=20), row(2, least=5, most=20), budget=30, parallel=2)
    assert caps(now) == {1: 20}
    now.settle("run-1", done(6))
    assert caps(now) == {2: 24}


def test_the_last_row_starts_with_less_than_it_may_need_but_not_than_it_must() -> None:
    assert caps(batch(row(1, least=5, most=20), budget=8)) == {1: 8}
    now = batch(row(1, least=9, most=20), budget=8)
    assert caps(now) == {}
    [refused] = now.rows
    assert (refused.status, refused.reason) == (
        "over_budget",
        "needs at least 9 credits; 8 of 8 budget credits left",
    )
    assert now.outcome == "over_budget"


def test_a_row_that_does_not_fit_lets_cheaper_ones_by() -> None:
    rows = (row(1, 8, 8), row(2, 50, 50), row(3, 2, 2))
    assert caps(batch(*rows, budget=12, parallel=2)) == {1: 8, 3: 4}


def test_of_rows_with_an_open_price_one_runs_first_and_tells_it() -> None:
    now = batch(*(row(n, least=5, most=None) for n in range(5)), budget=100, parallel=3)
    assert caps(now) == {0: 100}
    now.settle("run-0", done(30))
    assert caps(now) == {1: 30, 2: 30}


def test_a_row_that_had_too_little_gets_all_that_is_left_once() -> None:
    now = batch(*(row(n, least=5, most=None) for n in range(2)), budget=100, parallel=2)
    now.start_rows()
    now.settle("run-0", done(20))
    assert caps(now) == {1: 80}
    now.settle("run-1", done(80, "over_budget", status="failed"))
    assert caps(now) == {}
    assert [one.status for one in now.rows] == ["completed", "failed"]
    assert now.outcome == "over_budget"


def test_a_row_that_had_too_little_tries_again_when_others_gave_back() -> None:
    now = batch(row(1, 5, 10), row(2, 5, 10), budget=20, parallel=2)
    assert caps(now) == {1: 10, 2: 10}
    now.settle("run-1", done(10, "over_budget", status="failed"))
    assert caps(now) == {}
    now.settle("run-2", done(5))
    assert caps(now) == {1: 15}
    now.settle("run-1", done(14))
    assert (caps(now), now.spent, now.outcome) == ({}, 19, "completed")


def test_a_row_whose_lack_of_budget_was_allowed_keeps_its_end() -> None:
    now = batch(row(1), budget=10)
    now.start_rows()
    now.settle("run-1", done(9, "over_budget"))
    assert caps(now) == {}
    assert ([one.status for one in now.rows], now.outcome) == (["completed"], "completed")


def test_a_resumed_row_keeps_what_it_has_spent_and_needs_only_the_rest() -> None:
    now = batch(row(1, 0, 0, status="completed", spent=40), row(2, spent=25), budget=80)
    assert caps(now) == {2: 40}
    assert now.left(BUDGET) == 0


def test_the_spec_s_own_budget_holds_for_each_row() -> None:
    now = batch(row(1, spec_cap=15), row(2, 20, 20, spec_cap=15), budget=100, parallel=2)
    assert caps(now) == {1: 15}
    assert now.rows[1].reason == "needs at least 20 credits; the spec's budget is 15"


def test_without_a_budget_the_cap_of_an_earlier_batch_is_lifted() -> None:
    rows = (row(1, recap=True), row(2, recap=True, spec_cap=50), row(3))
    assert caps(batch(*rows, parallel=3)) == {1: NO_CAP, 2: 50, 3: None}


def test_without_a_budget_a_row_that_lacked_credits_is_not_begun_again() -> None:
    now = batch(row(1, recap=True, spec_cap=50))
    assert caps(now) == {1: 50}
    now.settle("run-1", done(50, "over_budget", status="failed"))
    assert caps(now) == {}
    assert [one.status for one in now.rows] == ["failed"]
    assert now.outcome == "over_budget"


def test_rows_that_cost_nothing_run_also_when_nothing_is_left() -> None:
    rows = (row(1, 0, 0, status="completed", spent=30), row(2, 0, 0), row(3, 0, 0))
    assert caps(batch(*rows, budget=30, parallel=2)) == {2: 0, 3: 0}


@pytest.mark.parametrize("code", ["insufficient_credits", "api_key_revoked"])
def test_no_further_row_starts_when_none_could_buy(code: str) -> None:
    now = batch(row(1), row(2), row(3), parallel=2)
    now.start_rows()
    now.settle("run-1", done(0, code, status="failed"))
    now.settle("run-2", done(10))
    assert caps(now) == {}
    assert [one.status for one in now.rows] == ["failed", "completed", "waiting"]
    assert now.stopped is not None
    assert now.stopped.startswith(f"row 1 failed with {code}")


def test_a_row_that_fails_leaves_the_others_alone() -> None:
    now = batch(row(1), row(2))
    now.start_rows()
    now.settle("run-1", done(3, "job_failed", status="failed"))
    assert caps(now) == {2: None}
    now.settle("run-2", done(10))
    assert now.outcome == "failed"


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
            assert one.least > now.left(BUDGET) or (one.spec_cap or 0) < one.before + one.least
