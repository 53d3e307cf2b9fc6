"""Which rows of a batch start, with how much: the budget holds whatever the rows do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from rivya_flows.app.batch.rules import NO_CAP, next_rows, outcome, settle
from rivya_flows.app.batch.scheduling import run_batch
from rivya_flows.app.batch.state import Batch, RowState, Settled, Start
from rivya_flows.app.batch.summary import WalletChange
from rivya_flows.errors import StoreError


def row(number: int, least: int = 10, most: int | None = 10, **changed: object) -> RowState:
    made = RowState(f"run-{number}", number, least, most)
    return RowState(**{**vars(made), **changed})


def batch(*rows: RowState, budget: int | None = None, parallel: int = 1) -> Batch:
    return Batch(rows, budget, parallel)


def caps(starts: tuple[Start, ...]) -> dict[int, int | None]:
    return {start.number: start.cap for start in starts}


def done(spent: int, *codes: str, status: str = "completed") -> Settled:
    return Settled(status, spent, frozenset(codes))  # type: ignore[arg-type]  # of those it knows


def test_as_many_rows_start_as_may_run_at_once_in_order() -> None:
    now, starts = next_rows(batch(row(1), row(2), row(3), parallel=2))
    assert caps(starts) == {1: None, 2: None}
    assert next_rows(now)[1] == ()
    now, starts = next_rows(settle(now, "run-1", done(10)))
    assert caps(starts) == {3: None}


def test_one_after_the_other_each_gets_all_that_is_left() -> None:
    now, starts = next_rows(batch(row(1), row(2), budget=100))
    assert caps(starts) == {1: 100}
    _, starts = next_rows(settle(now, "run-1", done(10)))
    assert caps(starts) == {2: 90}


def test_rows_at_once_share_the_budget() -> None:
    rows = [row(n) for n in range(4)]
    _, starts = next_rows(batch(*rows, budget=100, parallel=2))
    assert caps(starts) == {0: 50, 1: 50}
    _, starts = next_rows(batch(*rows, budget=35, parallel=4))
    assert caps(starts) == {0: 10, 1: 10, 2: 10}


def test_near_the_cap_a_row_waits_for_what_others_may_give_back() -> None:
    rows = (row(1, least=5, most=20), row(2, least=5, most=20))
    now, starts = next_rows(batch(*rows, budget=30, parallel=2))
    assert caps(starts) == {1: 20}
    now, starts = next_rows(settle(now, "run-1", done(6)))
    assert caps(starts) == {2: 24}


def test_the_last_row_starts_with_less_than_it_may_need_but_not_than_it_must() -> None:
    now, starts = next_rows(batch(row(1, least=5, most=20), budget=8))
    assert caps(starts) == {1: 8}
    now, starts = next_rows(batch(row(1, least=9, most=20), budget=8))
    assert starts == ()
    [refused] = now.rows
    assert (refused.status, refused.reason) == (
        "over_budget",
        "needs at least 9 credits; 8 of the 8 are left",
    )
    assert outcome(now) == "over_budget"


def test_a_row_that_does_not_fit_lets_cheaper_ones_by() -> None:
    rows = (row(1, 8, 8), row(2, 50, 50), row(3, 2, 2))
    _, starts = next_rows(batch(*rows, budget=12, parallel=2))
    assert caps(starts) == {1: 8, 3: 4}


def test_of_rows_with_an_open_price_one_runs_first_and_tells_it() -> None:
    rows = [row(n, least=5, most=None) for n in range(5)]
    now, starts = next_rows(batch(*rows, budget=100, parallel=3))
    assert caps(starts) == {0: 100}
    now, starts = next_rows(settle(now, "run-0", done(30)))
    assert caps(starts) == {1: 30, 2: 30}


def test_a_row_that_had_too_little_gets_all_that_is_left_once() -> None:
    rows = [row(n, least=5, most=None) for n in range(2)]
    now, _ = next_rows(batch(*rows, budget=100, parallel=2))
    now, starts = next_rows(settle(now, "run-0", done(20)))
    assert caps(starts) == {1: 80}
    now, starts = next_rows(settle(now, "run-1", done(80, "over_budget", status="failed")))
    assert starts == ()
    assert [one.status for one in now.rows] == ["completed", "failed"]
    assert outcome(now) == "over_budget"


def test_a_row_that_had_too_little_tries_again_when_others_gave_back() -> None:
    rows = [row(1, 5, 10), row(2, 5, 10)]
    now, starts = next_rows(batch(*rows, budget=20, parallel=2))
    assert caps(starts) == {1: 10, 2: 10}
    now, starts = next_rows(settle(now, "run-1", done(10, "over_budget", status="failed")))
    assert starts == ()
    now, starts = next_rows(settle(now, "run-2", done(5)))
    assert caps(starts) == {1: 15}
    now, starts = next_rows(settle(now, "run-1", done(14)))
    assert (starts, now.spent, outcome(now)) == ((), 19, "completed")


def test_a_row_whose_lack_of_budget_was_allowed_keeps_its_end() -> None:
    now, _ = next_rows(batch(row(1), budget=10))
    now, starts = next_rows(settle(now, "run-1", done(9, "over_budget")))
    assert starts == ()
    assert ([one.status for one in now.rows], outcome(now)) == (["completed"], "completed")


def test_a_resumed_row_keeps_what_it_has_spent_and_needs_only_the_rest() -> None:
    rows = (row(1, 0, 0, status="completed", spent=40), row(2, 10, 10, spent=25))
    now, starts = next_rows(batch(*rows, budget=80))
    assert caps(starts) == {2: 40}
    assert now.free == 0


def test_the_spec_s_own_budget_holds_for_each_row() -> None:
    now, starts = next_rows(batch(row(1, own=15), row(2, 20, 20, own=15), budget=100, parallel=2))
    assert caps(starts) == {1: 15}
    assert now.rows[1].reason == "needs at least 20 credits; the spec's budget is 15"


def test_without_a_budget_the_cap_of_an_earlier_batch_is_lifted() -> None:
    _, starts = next_rows(batch(row(1, lift=True), row(2, lift=True, own=50), row(3), parallel=3))
    assert caps(starts) == {1: NO_CAP, 2: 50, 3: None}


def test_rows_that_cost_nothing_run_also_when_nothing_is_left() -> None:
    rows = (row(1, 0, 0, status="completed", spent=30), row(2, 0, 0), row(3, 0, 0))
    _, starts = next_rows(batch(*rows, budget=30, parallel=2))
    assert caps(starts) == {2: 0, 3: 0}


@pytest.mark.parametrize("code", ["insufficient_credits", "api_key_revoked"])
def test_no_further_row_starts_when_none_could_buy(code: str) -> None:
    now, _ = next_rows(batch(row(1), row(2), row(3), parallel=2))
    now = settle(now, "run-1", done(0, code, status="failed"))
    now, starts = next_rows(settle(now, "run-2", done(10)))
    assert starts == ()
    assert [one.status for one in now.rows] == ["failed", "completed", "waiting"]
    assert now.stopped is not None
    assert now.stopped.startswith(f"row 1 failed with {code}")


def test_a_row_that_fails_leaves_the_others_alone() -> None:
    now, _ = next_rows(batch(row(1), row(2)))
    now, starts = next_rows(settle(now, "run-1", done(3, "job_failed", status="failed")))
    assert caps(starts) == {2: None}
    assert outcome(settle(now, "run-2", done(10))) == "failed"


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
    assert outcome(batch(*rows)) == told


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
    plans=PLANS,
    budget=st.integers(0, 200),
    parallel=st.integers(1, 5),
    seed=st.integers(0, 10**6),
)
def test_no_order_and_no_price_passes_the_budget_and_every_row_ends(
    plans: list[tuple[int, int | None, int, int, int | None]],
    budget: int,
    parallel: int,
    seed: int,
) -> None:
    luck = random.Random(seed)
    rows, costs = [], {}
    for n, (least, beyond, real, spent, own) in enumerate(plans):
        most = None if beyond is None else least + beyond
        rows.append(row(n, least, most, spent=spent, own=own))
        costs[f"run-{n}"] = spent + least + real
    now = batch(*rows, budget=budget, parallel=parallel)
    limit = max(budget, now.spent)
    running: dict[str, int] = {}
    executions = 0
    while True:
        now, starts = next_rows(now)
        for start in starts:
            assert start.cap is not None
            running[start.run_id] = start.cap
            executions += 1
        assert len(running) == now.running <= parallel
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
        now = settle(now, run_id, result)
    assert now.spent <= limit
    assert {one.status for one in now.rows} <= {"completed", "failed", "over_budget"}
    assert executions <= 20 * len(rows)
    # Whoever was left out could not have been paid for with what is left.
    for one in now.rows:
        if one.status == "over_budget":
            assert one.least > now.free or (one.own or 0) < one.spent + one.least


class Service:
    """Runs rows as told, and remembers how many ran at once."""

    def __init__(self, behave: Callable[[int], Settled | Exception]) -> None:
        self.behave = behave
        self.now = self.most = 0
        self.ended: dict[str, Settled] = {}
        self.cancelled: list[int] = []

    async def run(self, start: Start) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0)
            told = self.behave(start.number)
            if isinstance(told, Exception):
                raise told
            self.ended[start.run_id] = told
        except asyncio.CancelledError:
            self.cancelled.append(start.number)
            raise
        finally:
            self.now -= 1

    def read(self, run_id: str) -> Settled:
        return self.ended.get(run_id, Settled("failed", 2))


async def test_all_rows_are_run_and_no_more_than_allowed_at_once() -> None:
    service = Service(lambda number: done(number))
    seen: list[int] = []
    start = batch(*(row(n) for n in range(7)), parallel=3)
    ended = await run_batch(start, service.run, service.read, listen=lambda b: seen.append(b.spent))
    assert (service.most, ended.spent, outcome(ended)) == (3, 21, "completed")
    assert seen[0] == 0
    assert seen[-1] == 21


async def test_a_row_that_could_not_be_driven_is_told_with_what_its_run_has_spent() -> None:
    held = StoreError("run-1 is being driven by process 7 on elsewhere")
    service = Service(lambda number: held if number == 1 else done(10))
    ended = await run_batch(batch(row(1), row(2)), service.run, service.read)
    failed, fine = ended.rows
    assert (failed.status, failed.spent, failed.reason) == ("failed", 2, str(held))
    assert fine.status == "completed"


async def test_something_unforeseen_ends_the_batch_after_its_rows() -> None:
    service = Service(lambda number: ZeroDivisionError() if number == 1 else done(1))
    with pytest.raises(ZeroDivisionError):
        await run_batch(batch(row(1), row(2), parallel=2), service.run, service.read)
    assert service.now == 0


async def test_a_cancel_ends_every_running_row_first() -> None:
    async def forever(start: Start) -> None:
        begun.append(start.number)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(start.number)

    begun: list[int] = []
    ended: list[int] = []
    rows = batch(row(1), row(2), row(3), parallel=2)
    task = asyncio.create_task(run_batch(rows, forever, lambda _: done(0)))
    while len(begun) < 2:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (begun, ended) == ([1, 2], [1, 2])


@pytest.mark.parametrize(
    ("after", "unexplained", "words"),
    [
        (95, 0, None),
        (
            90,
            5,
            "the wallet went from 100 to 90; the rows spent 5, and 5 credits went for something",
        ),
        (
            99,
            -4,
            "the wallet went from 100 to 99; the rows spent 5, and 4 credits came in beside it",
        ),
        (None, None, None),
    ],
)
def test_the_wallet_is_compared_once_for_all_rows(
    after: int | None, unexplained: int | None, words: str | None
) -> None:
    wallet = WalletChange(before=100, after=after, spent=5)
    assert wallet.unexplained == unexplained
    assert (wallet.words or "").startswith(words or "")
    assert (wallet.words is None) == (words is None)
