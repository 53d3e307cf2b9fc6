"""Pools are never passed by what is reserved, and their totals are the sums of their charges."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, strategies as st
from sqlalchemy import select

from rivya_flows.errors import PoolExceededError, UsageError
from rivya_flows.queue.events import Event, PoolTotal
from rivya_flows.store.charges import charges
from rivya_flows.store.database import reading
from rivya_flows.store.journal import Journal
from rivya_flows.store.pools import Period, Pool, Pools, PoolState, period
from rivya_flows.store.tables import POOL_TOTALS
from support.databases import break_commit, fresh_store
from support.journal_entries import NOON, accepted, balance, begun, ended, intent, refused, told
from support.pool_writers import FIRST, RUNS

pytestmark = pytest.mark.slow

DAY = 86_400.0
ACME = {"client": "acme"}
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


@dataclass
class Store:
    """A journal with pools and a clock."""

    url: str
    now: float = NOON.timestamp()

    def __post_init__(self) -> None:
        self.journal = Journal(self.url, clock=lambda: self.now)
        self.pools = Pools(self.journal.engine, clock=lambda: self.now)

    def begun(
        self, run_id: str, labels: Mapping[str, str] = ACME, service: str = "sandbox:test"
    ) -> int:
        """Creates a run and gives the fence of its driver."""
        return begun(self.journal, run_id, labels=dict(labels), service=service)

    def write(self, run_id: str, *events: Event) -> None:
        self.journal.submit(run_id, events, 1).result(60)

    def spent(self) -> dict[str, int]:
        return {state.pool.name: state.total.spent for state in self.pools.states("sandbox:test")}


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    made = Store(store_url)
    with closing(made.journal):
        yield made


def test_an_intent_that_a_pool_does_not_cover_is_not_written(store: Store) -> None:
    for pool in (Pool("all", {}, 11), Pool("acme", ACME, 10), Pool("film", {"kind": "film"}, 1)):
        store.pools.set(pool)
    store.begun("run-1")
    store.write("run-1", intent(1, 7))
    for refused_intent, needs in ((intent(2, 4), 4), (intent(2, 2, rest=5), 5)):
        with pytest.raises(PoolExceededError) as caught:
            store.write("run-1", balance(1), refused_intent)
        assert caught.value.args == ("acme", needs, 3, DECEMBER)
    with pytest.raises(PoolExceededError, match="needs 2 credits; the pool acme has 1 left"):
        store.write("run-1", intent(2, 2), intent(3, 2))
    assert told(store.journal)[1:] == [intent(1, 7)]
    assert store.spent() == {"acme": 7, "all": 7, "film": 0}, "all that match reserve, or none does"
    # All that is left is asked for and not reserved; what a job gives back can be spent at once.
    store.write("run-1", intent(2, 2, rest=3), ended(2, 1), intent(3, 2))
    assert store.spent() == {"acme": 10, "all": 10, "film": 0}


def test_outcomes_correct_the_total_of_the_period_of_their_intent_and_are_never_refused(
    store: Store,
) -> None:
    store.pools.set(Pool("acme", ACME, 10, period="day"))
    store.begun("run-1")
    for events, spent in (
        ((intent(1, 5), intent(2, 5)), 10),
        ((accepted(1, 6),), 11),
        ((refused(2),), 6),
        ((ended(1, 30),), 30),
        ((ended(9, 30),), 30),  # bought before the store had charges
    ):
        store.write("run-1", *events)
        assert store.spent() == {"acme": spent}
    store.write("run-1", intent(3, 0))  # a purchase of nothing fits even then
    [state] = store.pools.matching(ACME, "sandbox:test")
    assert state.left == 0
    store.now += DAY
    store.write("run-1", ended(1, 4), intent(4, 10))
    assert store.spent() == {"acme": 10}
    store.now -= DAY
    assert store.spent() == {"acme": 4}


def test_each_service_has_a_total_of_its_own(store: Store) -> None:
    store.pools.set(Pool("acme", ACME, 10))
    store.pools.set(Pool("idle", {"client": "other"}, 10))
    for run_id, service in (("run-1", "sandbox:test"), ("run-2", "https://" + "s" * 500)):
        store.begun(run_id, service=service)
        store.write(run_id, intent(1, 9))
        assert [one.spent for one in store.pools.matching(ACME, service)] == [9]
    shown = [(one.pool.name, one.service[:7], one.total.spent) for one in store.pools.states(None)]
    assert shown == [("acme", "sandbox", 9), ("acme", "sha256 ", 9), ("idle", "", 0)]


def test_a_pool_that_is_set_later_counts_what_was_bought_before_until_it_is_removed(
    store: Store,
) -> None:
    store.begun("run-1")
    store.begun("run-2", {"client": "other"})
    store.write("run-1", intent(1, 7))
    store.write("run-2", intent(1, 5))
    pool = Pool("acme", ACME, 10, 8, "week")
    store.pools.set(pool)
    [state] = store.pools.states("sandbox:test")
    until = datetime(2026, 11, 30, tzinfo=UTC)
    total = PoolTotal(name="acme", credits=10, soft=8, spent=7, until=until)
    assert state == PoolState(pool, "sandbox:test", total)
    store.pools.set(Pool("acme", {}, 10, period="total"))
    [total] = store.pools.matching({}, "sandbox:test")
    assert (total.spent, total.left, total.until) == (12, 0, None)
    for _ in range(2):
        store.pools.remove("acme")
    store.write("run-1", intent(2, 5))
    assert store.pools.all() == ()


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        (Pool("Acme\n", {}, 1), "not a name"),
        (Pool("acme", {}, -1), "-1 credits"),
        (Pool("acme", {}, 1, soft=2), "soft limit 2 is above"),
    ],
    ids=["name", "credits", "soft"],
)
def test_a_pool_that_cannot_be_is_refused(pool: Pool, words: str, sqlite: Journal) -> None:
    with pytest.raises(UsageError, match=words):
        Pools(sqlite.engine).set(pool)
    assert Pools(sqlite.engine).all() == ()


@pytest.mark.parametrize(
    ("kind", "day", "start", "end"),
    [
        ("day", "2026-12-31", "2026-12-31", "2027-01-01"),
        ("week", "2027-01-03", "2026-12-28", "2027-01-04"),
        ("week", "2027-01-04", "2027-01-04", "2027-01-11"),
        ("month", "2028-02-29", "2028-02-01", "2028-03-01"),
        ("month", "2026-12-01", "2026-12-01", "2027-01-01"),
    ],
)
def test_a_period_is_one_of_the_calendar_in_utc(
    kind: Period, day: str, start: str, end: str
) -> None:
    moment = datetime.fromisoformat(f"{day}T23:59:59+00:00")
    assert period(kind, moment.timestamp()) == (start, datetime.fromisoformat(f"{end}T00:00Z"))


def test_writers_of_two_processes_reserve_what_a_pool_covers_though_one_is_killed(
    tmp_path: Path,
) -> None:
    store = Store(fresh_store("postgresql", tmp_path))
    with closing(store.journal):
        store.pools.set(Pool("acme", ACME, 10, period="total"))  # their clocks are of today
        killed, other = writer(store, "killed", hold_at=RUNS + FIRST + 1), writer(store, "other")
        assert (line(killed), line(other)) == ("ready", "ready")
        tell(killed)
        # Three of its intents are written, and the transaction of seven others is open.
        assert line(killed) == "held"
        tell(other)
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        with store.journal.engine.connect() as connection:
            autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
            while not autocommit.exec_driver_sql(blocked).scalar():
                time.sleep(0.05)
        killed.kill()
        assert line(other) == "done"
        for process in (killed, other):
            process.communicate(timeout=240)
        reserved = [one.run_id for one in charges(store.journal.engine, since=None, until=None)]
        by_first = [run_id for run_id in reserved if run_id.startswith("killed")]
        assert (len(reserved), len(by_first)) == (10, FIRST)
        assert store.spent() == {"acme": 10}


def writer(store: Store, name: str, hold_at: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "support.pool_writers", store.url, name, str(hold_at)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("buy\n")
    process.stdin.flush()


@pytest.mark.parametrize("committed", [True, False], ids=["was committed", "was not committed"])
def test_a_reservation_whose_commit_is_not_answered_counts_once(
    tmp_path: Path, committed: bool
) -> None:
    store = Store(fresh_store("postgresql", tmp_path))
    with closing(store.journal):
        store.pools.set(Pool("acme", ACME, 10))
        store.begun("run-1")
        break_commit(store.journal.engine, committed=committed)
        store.write("run-1", intent(1, 6), ended(1, 4), intent(2, 5))
        assert store.spent() == {"acme": 9}


OF_RUNS = {"run-1": ACME, "run-2": {"client": "other"}, "run-3": {**ACME, "kind": "film"}}
POOLS = st.lists(
    st.builds(
        Pool,
        st.sampled_from(["a", "b"]),
        st.sampled_from([{}, ACME, {"kind": "film"}]),
        st.integers(0, 25),
        st.none(),
        st.sampled_from(get_args(Period)),
    ),
    max_size=1,
)
PURCHASES = st.tuples(
    st.sampled_from(sorted(OF_RUNS)),
    st.lists(
        st.one_of(
            st.builds(intent, st.integers(1, 4), st.integers(0, 12)),
            st.builds(accepted, st.integers(1, 4), st.integers(0, 12)),
            st.builds(ended, st.integers(1, 4), st.integers(0, 12)),
            st.builds(refused, st.integers(1, 4)),
        ),
        min_size=1,
        max_size=3,
    ),
)
COURSE = st.lists(st.tuples(st.integers(0, 3), POOLS, st.lists(PURCHASES, max_size=4)), max_size=5)


class PlainPools:
    """The same as plain sums, computed again for each question."""

    def __init__(self) -> None:
        self.pools: dict[str, Pool] = {}
        self.charges: dict[tuple[str, int], tuple[int, float]] = {}

    def total(self, pool: Pool, at: float) -> int:
        return sum(
            credits
            for (run_id, _), (credits, since) in self.charges.items()
            if pool.labels.items() <= OF_RUNS[run_id].items()
            and period(pool.period, since) == period(pool.period, at)
        )

    def write(self, run_id: str, events: list[Any], at: float) -> bool:
        """Whether the events were written."""
        before = dict(self.charges)
        for one in events:
            key = (run_id, one.n)
            if one.kind == "purchase.intended":
                full = [
                    pool.name
                    for pool in self.pools.values()
                    if pool.labels.items() <= OF_RUNS[run_id].items()
                    and one.reserve > max(0, pool.credits - self.total(pool, at))
                ]
                if full or key in self.charges:
                    self.charges = before
                    return False
                self.charges[key] = (one.reserve, at)
            elif key in self.charges:
                numbers = one.model_dump()
                credits = numbers.get("final_credits", numbers.get("reserved_credits", 0))
                self.charges[key] = (credits, self.charges[key][1])
        return True


@given(course=COURSE)
def test_totals_are_sums_of_charges_and_no_intent_passes_a_pool_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory,
    course: list[tuple[int, list[Pool], list[tuple[str, list[Event]]]]],
) -> None:
    plain = PlainPools()
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('pools') / 'journal.sqlite'}")
    with closing(store.journal):
        for run_id, labels in OF_RUNS.items():
            store.begun(run_id, labels)
        for days, changes, groups in course:
            store.now += days * DAY
            for pool in changes:
                store.pools.set(pool)
                plain.pools[pool.name] = pool
            # What waits together is written in one transaction.
            waiting = [store.journal.submit(run_id, tuple(group), 1) for run_id, group in groups]
            written = [one.exception(60) is None for one in waiting]
            assert written == [plain.write(*group, store.now) for group in groups]
            for state in store.pools.states("sandbox:test"):
                assert state.total.spent == plain.total(state.pool, store.now)
        found = [
            (one.credits, one.at) for one in charges(store.journal.engine, since=None, until=None)
        ]
        assert sorted(found) == sorted(plain.charges.values())
        with reading(store.journal.engine) as connection:
            rows = connection.execute(select(POOL_TOTALS)).all()
        totals = dict.fromkeys([(row.pool, row.period_start) for row in rows], 0)
        for pool in store.pools.all():
            for (run_id, _), (credits, at) in plain.charges.items():
                if pool.labels.items() <= OF_RUNS[run_id].items():
                    totals[pool.name, period(pool.period, at)[0]] += credits
        assert {(row.pool, row.period_start): row.credits for row in rows} == totals
